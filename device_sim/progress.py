"""Live progress on stderr: one line that rewrites itself on a terminal, else plain lines."""

from time import monotonic
from typing import Final, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from device_sim.tally import Tally

TERMINAL_SECONDS: Final = 0.25
PLAIN_SECONDS: Final = 5.0
"""Between two lines in a log."""


class Display(Protocol):
    """Shows a tally while it grows."""

    every_seconds: float

    def start(self) -> None:
        """Begin."""

    def show(self) -> None:
        """Show the present figures."""

    def stop(self) -> None:
        """Show the last figures and leave."""


class PlainDisplay:
    """A line now and then."""

    every_seconds = PLAIN_SECONDS

    def __init__(self, console: Console, tally: Tally, expected: int, handsets: int) -> None:
        self._console = console
        self._tally = tally
        self._expected = expected
        self._handsets = handsets
        self._began = monotonic()

    def start(self) -> None:
        """Say what is to come."""
        self._console.print(f"{self._expected:,} reports of {self._handsets:,} handsets")

    def show(self) -> None:
        """Print a line."""
        self._console.print(f"{monotonic() - self._began:6.0f} s  {describe(self._tally)}")

    def stop(self) -> None:
        """Print the last line."""
        self.show()


class LiveDisplay:
    """A bar."""

    every_seconds = TERMINAL_SECONDS

    def __init__(self, console: Console, tally: Tally, expected: int) -> None:
        self._tally = tally
        self._progress = Progress(
            TextColumn("settled"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[detail]}"),
            TimeElapsedColumn(),
            console=console,
            auto_refresh=False,
        )
        self._task = self._progress.add_task("settled", total=expected, detail="")

    def start(self) -> None:
        """Draw the bar."""
        self._progress.start()

    def show(self) -> None:
        """Move the bar."""
        settled = self._tally.acked + sum(self._tally.refused.values())
        self._progress.update(self._task, completed=settled, detail=describe(self._tally))
        self._progress.refresh()

    def stop(self) -> None:
        """Leave the bar as it stands."""
        self.show()
        self._progress.stop()


def display(console: Console, tally: Tally, expected: int, handsets: int) -> Display:
    """A bar on a terminal, lines elsewhere.

    Args:
        console: on stderr.
        tally: what is shown.
        expected: reports that this run has to settle.
        handsets: of the fleet.
    """
    if console.is_terminal:
        return LiveDisplay(console, tally, expected)
    return PlainDisplay(console, tally, expected, handsets)


def describe(tally: Tally) -> str:
    """The figures in a few words."""
    words = f"{tally.acked:,} acked, {tally.resends:,} resent, {tally.connections:,} sessions"
    words += f", {tally.finished:,} handsets done"
    if not tally.tasks.is_empty:
        words += f", {tally.tasks.shown:,} tasks shown, {tally.tasks.answered:,} answered"
    refused = sum(tally.refused.values())
    if refused:
        words += f", {refused:,} refused"
    if tally.failures:
        words += f", {len(tally.failures):,} gave up"
    return words
