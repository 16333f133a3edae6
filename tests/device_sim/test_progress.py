"""Tests of what is shown while the fleet runs."""

from io import StringIO

import pytest
from rich.console import Console

from device_sim.progress import LiveDisplay, PlainDisplay, describe, display
from device_sim.tally import Tally
from device_sim.task_list import Arrival


@pytest.mark.parametrize("terminal, kind", [(True, LiveDisplay), (False, PlainDisplay)])
def test_a_bar_on_a_terminal_and_lines_elsewhere(*, terminal: bool, kind: type) -> None:
    """Both show the figures as they are at the end."""
    text, tally = StringIO(), Tally()
    shown = display(Console(file=text, force_terminal=terminal, width=160), tally, 5, 2)
    assert isinstance(shown, kind)
    shown.start()
    tally.acked = 3
    shown.show()
    tally.acked = 5
    shown.stop()
    assert "5 acked" in text.getvalue()


def test_trouble_is_mentioned_only_when_there_is_some() -> None:
    """Refusals, and handsets that gave up; and tasks, where they came."""
    tally = Tally(acked=1_234)
    assert describe(tally) == "1,234 acked, 0 resent, 0 sessions, 0 handsets done"
    tally.tasks.arrivals[Arrival.NEW] = 3
    tally.tasks.answered = 1
    assert describe(tally).endswith("handsets done, 3 tasks shown, 1 answered")
    tally.refused[41] = 2
    tally.failures[7] = "not admitted"
    assert describe(tally).endswith("2 refused, 1 gave up")
