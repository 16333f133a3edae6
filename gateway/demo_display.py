"""Progress of the demo while the fleet plays."""

import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.table import Table

from gateway import quarter
from gateway.demo_servers import Options

PLAIN_LINE_SECONDS: Final = 5.0
"""How often progress is written where no terminal can be drawn on."""


class Display:
    """Progress as a table that redraws itself, or as lines where there is no terminal."""

    def __init__(self, console: Console, live: Live | None, expected: int) -> None:
        self._console = console
        self._live = live
        self._expected = expected
        self._started = time.monotonic()
        self._written_at = 0.0

    def update(self, figures: Mapping[str, float]) -> None:
        """Show the gateway's figures of now."""
        now = time.monotonic()
        if self._live is not None:
            self._live.update(self._table(figures, now))
        elif now - self._written_at >= PLAIN_LINE_SECONDS:
            self._written_at = now
            stored, sessions = figures.get("stored", 0), figures.get("sessions", 0)
            events = figures.get("events_published", 0)
            counted = figures.get("messages_counted", 0)
            self._console.print(
                f"stored {stored:,.0f} of {self._expected:,}, sessions {sessions:,.0f},"
                f" events {events:,.0f}, counted {counted:,.0f}"
            )

    def _table(self, figures: Mapping[str, float], now: float) -> Table:
        stored = figures.get("stored", 0.0)
        elapsed = max(now - self._started, 0.001)
        rows = {
            "stored": f"{stored:,.0f} of {self._expected:,}",
            "per second": f"{stored / elapsed:,.0f}",
            "duplicates": f"{figures.get('duplicate', 0):,.0f}",
            "in quarantine": f"{figures.get('quarantined', 0):,.0f}",
            "in flight": f"{figures.get('in_flight', 0):,.0f}",
            "sessions": f"{figures.get('sessions', 0):,.0f}",
            "sessions opened": f"{figures.get('sessions_opened', 0):,.0f}",
            "events published": f"{figures.get('events_published', 0):,.0f}",
            "counted for the bill": f"{figures.get('messages_counted', 0):,.0f}",
            "seconds": f"{elapsed:,.0f}",
        }
        table = Table(title="The quarter, live", show_header=False)
        table.add_column(justify="left")
        table.add_column(justify="right", min_width=22)
        for name, value in rows.items():
            table.add_row(name, value)
        return table


@contextlib.asynccontextmanager
async def display_on(console: Console, options: Options) -> AsyncIterator[Display]:
    """Progress on a console, expecting the reports asked for, else the published quarter."""
    expected = options.reports or quarter.load_published().total
    if not console.is_terminal:
        yield Display(console, None, expected)
        return
    with Live(console=console, refresh_per_second=4) as live:
        yield Display(console, live, expected)
