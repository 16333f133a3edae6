"""What the demo says of a run, without running one: figures, judgement, display, options."""

from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console
from rich.live import Live

from gateway import demo_command as demo_command_module
from gateway.__main__ import main
from gateway.command import EXIT_USAGE
from gateway.demo import Options, Result, ledger_of
from gateway.demo_command import EXIT_WRONG, Display, is_right, summarize
from gateway.quarter import Measured, load_published

KEYS = {
    "reports_sent",
    "transmissions",
    "stored",
    "duplicates",
    "quarantined",
    "refused",
    "missing",
    "extra",
    "altered",
    "events",
    "by_collection",
    "quota_attained_percent",
    "seconds",
    "reports_per_second",
    "ack_ms",
    "bytes_up_per_report",
    "bytes_down_per_report",
}
"""What scripts find in the JSON, whatever else is there."""


EVENTS = {
    "distinct": 265_735,
    "missing": 0,
    "extra": 0,
    "repeated": 3,
    "out_of_order": 0,
    "emergencies": 41,
    "others": 1_200,
}


def result_of(
    *,
    exit_code: int = 0,
    received: int = 276_000,
    events: Mapping[str, int] | None = None,
    **fleet: Any,
) -> Result:
    """The result of a whole quarter that went well."""
    summary = {
        "reports_sent": 265_735,
        "transmissions": 280_000,
        "missing": 0,
        "extra": 0,
        "altered": 0,
        "seconds": 20.0,
        "ack_ms": {"p50": 4.0, "p95": 9.0, "p99": 20.0},
        "bytes_up_per_report": 61.5,
        "bytes_down_per_report": 3.25,
        **fleet,
    }
    ledger = ledger_of(
        {"received": received, "stored": 265_735, "duplicate": 10_255, "quarantined": 10}
    )
    quarter = Measured(227_804, 37_931, 336, 437)
    return Result(summary, {**EVENTS, **(events or {})}, ledger, quarter, exit_code)


def test_the_figures_of_a_run() -> None:
    """Sent from the fleet, stored from the database, duplicates from the gateway."""
    figures = summarize(result_of(), 25.0)
    assert set(figures) >= KEYS
    assert figures["reports_sent"] == 265_735
    assert figures["transmissions"] == 280_000
    assert (figures["stored"], figures["duplicates"]) == (265_735, 10_255)
    assert (figures["quarantined"], figures["refused"]) == (10, 0)
    assert figures["by_collection"] == {"market": 227_804, "self": 37_931}
    assert figures["quota_attained_percent"] == 126.8
    assert figures["reports_per_second"] == 13_286.8
    assert set(figures["ack_ms"]) == {"p50", "p95", "p99"}
    assert figures["ledger"]["closes"] is True
    assert figures["events"] == EVENTS


def test_a_run_that_went_well() -> None:
    """Every report once, unaltered, and the ledger closed."""
    result = result_of(events={"repeated": 9})
    assert is_right(summarize(result, 25.0), result)


@pytest.mark.parametrize(
    "wrong",
    [
        {"missing": 1},
        {"extra": 1},
        {"altered": 1},
        {"exit_code": 1},
        {"received": 276_001},
        {"events": {"missing": 1}},
        {"events": {"extra": 1}},
        {"events": {"out_of_order": 1}},
    ],
)
def test_a_run_that_did_not(wrong: dict[str, Any]) -> None:
    """Any one of these is enough."""
    result = result_of(**wrong)
    assert not is_right(summarize(result, 25.0), result)


def test_the_tables_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    """The quarter beside the publication, the ledger, what is wrong, rates and latency."""
    result = result_of()
    demo_command_module._show(result, summarize(result, 25.0))
    shown = " ".join(capsys.readouterr().out.split())
    assert "265,735 reports, 0 missing, 0 not in the database, 0 out of order, 3 repeated" in shown
    for part in ("265,735", "126.8 %", "85.7 %", "10,255", "'missing': 0", "13,286.8", "p99 20.0"):
        assert part in shown


# The display.


def test_progress_without_a_terminal_is_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first figures at once, the next when some seconds have passed."""
    now = [1_000.0]
    monkeypatch.setattr("gateway.demo_command.time.monotonic", lambda: now[0])
    output = StringIO()
    display = Display(Console(file=output, width=200), None, 265_735)
    for seconds, stored in ((0, 1_000), (1, 2_000), (4, 3_000), (1, 4_000)):
        now[0] += seconds
        display.update({"stored": stored, "sessions": 773.0, "events_published": stored - 9.0})
    assert output.getvalue().splitlines() == [
        "stored 1,000 of 265,735, sessions 773, events 991",
        "stored 3,000 of 265,735, sessions 773, events 2,991",
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
        async with demo_command_module._display(Console(file=output), options) as display:
            display.update({"stored": 7.0})
        assert f"stored 7 of {expected}," in output.getvalue()


# The command.


@pytest.mark.parametrize(
    "arguments",
    [
        ("--reports", "1"),
        ("--devices", "1"),
        ("--transport", "pigeon"),
        ("--link", "5g"),
        ("--reports", "many"),
    ],
)
def test_wrong_options(arguments: tuple[str, ...]) -> None:
    """Nothing is started; the option is named."""
    result = CliRunner().invoke(main, ["demo", *arguments])
    assert result.exit_code == EXIT_USAGE
    assert arguments[0] in result.stderr


@pytest.mark.parametrize("speed", ["fast", "0", "-1"])
def test_a_wrong_speed(speed: str, tmp_path: Path) -> None:
    """Found out before servers are started."""
    result = CliRunner().invoke(main, ["demo", "--speed", speed, "--data", str(tmp_path / "demo")])
    assert result.exit_code == EXIT_USAGE
    assert "--speed" in result.stderr
    assert not (tmp_path / "demo").exists()


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    """A message and an exit code, no traceback."""
    file = tmp_path / "file"
    file.touch()
    result = CliRunner().invoke(main, ["demo", "--once", "--data", str(file / "below")])
    assert result.exit_code == EXIT_WRONG
    assert str(file / "below") in result.stderr
