"""What the demo says of a run, without running one: figures, judgement, tables."""

from collections.abc import Mapping
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from gateway.demo import Result
from gateway.demo_figures import ledger_of
from gateway.demo_result import is_right, show, summarize
from gateway.quarter import Measured

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


def test_the_tables_at_the_end() -> None:
    """The quarter beside the publication, the ledger, what is wrong, rates and latency."""
    result = result_of()
    output = StringIO()
    show(Console(file=output, width=80), result, summarize(result, 25.0))
    shown = " ".join(output.getvalue().split())
    assert "265,735 reports, 0 missing, 0 not in the database, 0 out of order, 3 repeated" in shown
    for part in ("265,735", "126.8 %", "85.7 %", "10,255", "'missing': 0", "13,286.8", "p99 20.0"):
        assert part in shown
