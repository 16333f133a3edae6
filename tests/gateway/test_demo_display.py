"""Progress of the demo: lines, or a table that redraws itself."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from rich.live import Live

from gateway.demo_display import Display, display_on
from gateway.demo_servers import Options
from gateway.quarter import load_published


def test_progress_without_a_terminal_is_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first figures at once, the next when some seconds have passed."""
    now = [1_000.0]
    monkeypatch.setattr("gateway.demo_display.time.monotonic", lambda: now[0])
    output = StringIO()
    display = Display(Console(file=output, width=200), None, 265_735)
    for seconds, stored in ((0, 1_000), (1, 2_000), (4, 3_000), (1, 4_000)):
        now[0] += seconds
        figures = {"stored": stored, "sessions": 773.0, "events_published": stored - 9.0}
        display.update({**figures, "messages_counted": 5.0})
    assert output.getvalue().splitlines() == [
        "stored 1,000 of 265,735, sessions 773, events 991, counted 5",
        "stored 3,000 of 265,735, sessions 773, events 2,991, counted 5",
    ]


def test_progress_on_a_terminal_is_a_table() -> None:
    """It redraws itself; a gateway that has no figures yet shows zeros."""
    output = StringIO()
    console = Console(file=output, width=100, force_terminal=True)
    with Live(console=console, auto_refresh=False) as live:
        display = Display(console, live, 2_000)
        display.update({})
        live.refresh()
        display.update({"stored": 1_500.0, "duplicate": 33.0})
        live.refresh()
    assert "0 of 2,000" in output.getvalue()
    assert "1,500 of 2,000" in output.getvalue()
    assert "33" in output.getvalue()


@pytest.mark.asyncio
async def test_how_many_reports_are_expected(tmp_path: Path) -> None:
    """Those asked for, else the published quarter."""
    for asked, expected in ((500, "500"), (None, f"{load_published().total:,}")):
        output = StringIO()
        options = Options(tmp_path, asked, None, "tcp", "perfect", "max", 1)
        async with display_on(Console(file=output), options) as display:
            display.update({"stored": 7.0})
        assert f"stored 7 of {expected}," in output.getvalue()
