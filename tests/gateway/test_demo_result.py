"""What the demo says of a run, without running one: figures, judgement, tables."""

from collections.abc import Mapping
from datetime import date
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from gateway.cost.period import Period
from gateway.cost.statement import Statement, make_statement
from gateway.cost.usage import OldMessages, Traffic, Usage
from gateway.demo import Result
from gateway.demo_figures import ledger_of
from gateway.demo_result import explain_bill, is_right, show, summarize
from gateway.price_lists import load_tariffs
from gateway.quarter import Measured
from gateway.statement_view import statement_json

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


RUN = Period(date(2026, 11, 24), date(2026, 11, 24))
QUARTER = Period(date(2008, 1, 1), date(2008, 3, 31))


def bill_of(reports: int) -> Statement:
    """The bill of one handset that sent all of them, 100 bytes up and 20 down each."""
    traffic = Traffic(bytes_up=100 * reports, bytes_down=20 * reports, connections=1)
    avoided = OldMessages(reports, 2 * reports, reports)
    usage = Usage(RUN.first, 1, "tcp", None, traffic, avoided)
    return make_statement([usage], RUN, list(load_tariffs().values()), played_as=QUARTER)


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
    return Result(
        summary,
        {**EVENTS, **(events or {})},
        ledger,
        quarter,
        bill_of(265_735),
        {"events": 12.34, "metering": 13.0},
        exit_code,
    )


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
    assert figures["seconds_behind"] == {"events": 12.3, "metering": 13.0}
    assert figures["bill"] == statement_json(bill_of(265_735))


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


def test_it_ends_with_the_bill() -> None:
    """Each tariff for the quarter and the year, beside SMS; then what of it is calculated."""
    output = StringIO()
    show(Console(file=output, width=80), result_of(), summarize(result_of(), 25.0))
    tables, _, end = output.getvalue().partition("What it costs")
    assert "bytes per report" in tables
    assert "what is saved against SMS" in end
    for tariff in load_tariffs():
        assert tariff in end
    # 2 segments up and one down for each report, 0.1 yuan each.
    assert "79,720.50" in end
    assert [line.partition(":")[0] for line in end.splitlines()[-2:]] == ["metered", "calculated"]


def test_what_is_measured_and_what_is_calculated() -> None:
    """The two add up to what is billed."""
    bill = bill_of(265_735)
    metered, calculated = explain_bill(bill, 47.2)
    assert metered.startswith("metered: 31,888,200 bytes, 120.0 a report,")
    assert f" {bill.totals.idle_bytes:,} bytes; 91 days were played in 47 s" in calculated
    assert "65 shifts of 8 h" in calculated


def test_a_quarter_that_is_scaled_down() -> None:
    """Fees and heartbeats of a whole quarter on few reports: nobody may take that for the truth."""
    *_, scaled = explain_bill(bill_of(2_000), 2.0)
    assert scaled.startswith("scaled down: 2,000 of 265,735 reports")


def test_the_bill_of_no_report() -> None:
    """Nothing is divided by nothing."""
    metered, *_ = explain_bill(make_statement([], RUN, []), 1.0)
    assert "metered: 0 bytes, 0.0 a report" in metered
