"""What the demo says of a run: the figures as JSON, whether all is right, and tables to read."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from gateway import quarter
from gateway.cost.played import count_shifts
from gateway.cost.statement import Statement
from gateway.demo import Result
from gateway.demo_figures import ledger_closes
from gateway.statement_view import render_statement, statement_json


def summarize(result: Result, seconds: float) -> dict[str, Any]:
    """The JSON of a demo. What was sent comes from the fleet, what was stored from the database,
    the ledger from the gateway.
    """
    fleet, ledger, measured = result.fleet, result.ledger, result.quarter
    published = quarter.load_published()
    return {
        "reports_sent": fleet["reports_sent"],
        "transmissions": fleet["transmissions"],
        "stored": measured.total,
        "duplicates": ledger["duplicate"],
        "quarantined": ledger["quarantined"],
        "refused": ledger["refused"],
        "missing": fleet["missing"],
        "extra": fleet["extra"],
        "altered": fleet["altered"],
        "events": dict(result.events),
        "by_collection": {"market": measured.market, "self": measured.self_run},
        "quota_attained_percent": measured.quota_attained_percent(published.quota),
        "seconds": round(fleet["seconds"], 2),
        "reports_per_second": round(measured.total / fleet["seconds"], 1),
        "ack_ms": fleet["ack_ms"],
        "bytes_up_per_report": fleet["bytes_up_per_report"],
        "bytes_down_per_report": fleet["bytes_down_per_report"],
        "ledger": {**ledger, "closes": ledger_closes(ledger)},
        "seconds_with_verification": round(seconds, 2),
        "seconds_behind": {name: round(s, 1) for name, s in result.seconds_behind.items()},
        "bill": statement_json(result.bill),
    }


def is_right(figures: Mapping[str, Any], result: Result) -> bool:
    """Whether every report is there once, unaltered, and the ledger closes."""
    events = figures["events"]
    wrong = [figures[name] for name in ("missing", "extra", "altered")]
    wrong += [events[name] for name in ("missing", "extra", "out_of_order")]
    return result.exit_code == 0 and not any(wrong) and bool(figures["ledger"]["closes"])


def show(console: Console, result: Result, figures: Mapping[str, Any]) -> None:
    """The quarter's table, the ledger, what is wrong, rates and latency."""
    console.print(quarter.render(result.quarter, quarter.load_published()))
    ledger = Table(title="The ledger (received = the sum of the others)")
    # What was given up, which only a bug or a shutdown causes, takes a column only if it is there.
    counts = {name: count for name, count in result.ledger.items() if count or name != "given_up"}
    for name in counts:
        ledger.add_column(name.replace("_", " "), justify="right")
    ledger.add_row(*(f"{count:,}" for count in counts.values()))
    console.print(ledger)
    wrong = {name: figures[name] for name in ("missing", "extra", "altered")}
    console.print("sent against stored, row by row:", wrong, soft_wrap=True)
    events = figures["events"]
    console.print(
        f"events that a subscriber received: {events['distinct']:,} reports,"
        f" {events['missing']} missing, {events['extra']} not in the database,"
        f" {events['out_of_order']} out of order, {events['repeated']:,} repeated;"
        f" {events['emergencies']:,} emergencies on a topic of their own",
        soft_wrap=True,
    )
    ack = figures["ack_ms"]
    console.print(
        f"{figures['reports_sent']:,} reports in {figures['transmissions']:,} transmissions,"
        f" {figures['seconds']:,} s, {figures['reports_per_second']:,} reports/s;"
        f" ack p50 {ack['p50']} ms, p95 {ack['p95']} ms, p99 {ack['p99']} ms;"
        f" bytes per report up {figures['bytes_up_per_report']},"
        f" down {figures['bytes_down_per_report']}",
        soft_wrap=True,
    )
    for table in render_statement(result.bill):
        console.print(table)
    for line in explain_bill(result.bill, figures["seconds"]):
        console.print(line, soft_wrap=True)


def explain_bill(bill: Statement, seconds: float) -> Iterator[str]:
    """What of the bill is measured and what is calculated, in a line each."""
    totals = bill.totals
    shifts, hours = count_shifts(bill.played_as or bill.period), bill.break_even.shift_hours
    metered = totals.bytes_up + totals.bytes_down - totals.idle_bytes
    yield (
        f"metered: {metered:,} bytes, {metered / max(totals.reports, 1):,.1f} a report, headers and"
        " what was sent again included; TCP by the kernel, MQTT by a model of its packets"
    )
    yield (
        f"calculated: {totals.idle_bytes:,} bytes; {bill.days} days were played in {seconds:,.0f}"
        f" s, so a standing connection with heartbeats is added for {shifts} shifts of {hours} h"
    )
    expected = quarter.load_published().total
    if totals.reports < expected:
        yield (
            f"scaled down: {totals.reports:,} of {expected:,} reports bear the fees and heartbeats"
            " of a whole quarter; only the whole quarter's bill says something"
        )
