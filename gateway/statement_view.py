"""The bill for people, for programs and for spreadsheets.

Each figure is the statement's own: nothing is calculated here, so that command, demo and page
cannot differ. Decimal numbers stay exact: in JSON and CSV they are text.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec
from rich.table import Table

from gateway.cost.statement import Line, Period, Statement, Totals

NOTHING: Final = "-"
"""Stands for a figure that does not exist, as the cost of a report where there is none."""

ASSUMPTION_MARK: Final = "*"

_TARIFF_COLUMNS: Final = (
    "tariff", "currency", "cost", "per_report", "a_year", "saving", "saving_percent",
    "saving_a_year",
)  # fmt: skip

CSV_COLUMNS: Final = (
    "first", "last", "by", "key", "name", *Totals.__struct_fields__, *_TARIFF_COLUMNS,
)  # fmt: skip
"""New ones are added at the end; none changes its meaning."""

ALL: Final = "all"
"""In the column `by` of the rows that stand for everything together."""


def statement_json(statement: Statement) -> dict[str, Any]:
    """The whole statement with the names of its structs' fields. Sums of money and other decimal
    numbers are strings, days are `2026-11-24`, what does not exist is null.
    """
    fields: dict[str, Any] = msgspec.to_builtins(statement)
    return fields


def statement_csv(
    statement: Statement, by: str | None = None, names: Mapping[str, str] | None = None
) -> str:
    """One row for each tariff of the whole, then of each group: `by` says which they are. A group
    has a cost under each tariff, and no saving of its own.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    period = msgspec.to_builtins(statement.period)
    for line in statement.lines:
        figures = {name: getattr(line, name) for name in _TARIFF_COLUMNS}
        writer.writerow(_row({**period, "by": ALL}, statement.totals, figures))
    currencies = {line.tariff: line.currency for line in statement.lines}
    for group in statement.groups:
        head = {**period, "by": by, "key": group.key, "name": (names or {}).get(group.key)}
        for tariff, cost in group.costs.items():
            figures = {"tariff": tariff, "currency": currencies[tariff], "cost": cost}
            writer.writerow(_row(head, group.totals, figures))
    return text.getvalue()


def render_statement(statement: Statement, names: Mapping[str, str] | None = None) -> list[Table]:
    """Tables for a terminal: what was metered, the tariffs, the groups where there are any, the
    break-even. `names` says what a group's key is called.
    """
    tables = [_metered(statement), _tariffs(statement)]
    if statement.groups:
        tables += _groups(statement, names or {})
    return [*tables, _break_even(statement)]


def _row(
    head: Mapping[str, object], totals: Totals, figures: Mapping[str, object]
) -> dict[str, str]:
    cells = {
        **head,
        **{name: getattr(totals, name) for name in totals.__struct_fields__},
        **figures,
    }
    return {name: "" if value is None else _plain(value) for name, value in cells.items()}


def _plain(value: object) -> str:
    """A decimal without an exponent, everything else as it is."""
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _table(title: str, *headings: str) -> Table:
    """A first column of names, then numbers. Too narrow a terminal folds them: none is cut off."""
    table = Table(title=title, show_header=any(headings))
    table.add_column("", overflow="fold")
    for heading in headings:
        table.add_column(heading, justify="right", overflow="fold")
    return table


def _metered(statement: Statement) -> Table:
    totals, days = statement.totals, f"{_count(statement.days)} days"
    table = _table(f"Metered, {_days(statement.period)} ({days})", "")
    if statement.played_as is not None:
        table.caption = f"billed as if it were {_days(statement.played_as)}"
    table.add_row("devices", _count(totals.devices))
    table.add_row("reports", _count(totals.reports))
    table.add_row("tasks / answers", f"{_count(totals.tasks)} / {_count(totals.answers)}")
    table.add_row("bytes from devices", _count(totals.bytes_up))
    table.add_row("bytes to devices", _count(totals.bytes_down))
    if totals.idle_bytes:
        idle = "of these calculated: heartbeats that a simulation has no time for"
        table.add_row(idle, _count(totals.idle_bytes))
    table.add_row("bytes per report, both ways", _number(totals.bytes_per_report))
    table.add_row("SMS segments avoided, from devices", _count(totals.sms_segments_up))
    table.add_row("SMS segments avoided, to devices", _count(totals.sms_segments_down))
    return table


def _tariffs(statement: Statement) -> Table:
    headings = ("cost", "per report", "a year", "saving", "saving %", "saving a year")
    table = _table("What it costs, and what is saved against SMS", *headings, "currency")
    for line in statement.lines:
        table.add_row(*_tariff_cells(line), style="bold" if line.is_sms else None)
    if any(line.assumption for line in statement.lines):
        table.caption = f"{ASSUMPTION_MARK} a price in it is an assumption of ours"
    return table


def _tariff_cells(line: Line) -> Iterator[str]:
    yield f"{line.name} ({line.tariff})" + (f" {ASSUMPTION_MARK}" if line.assumption else "")
    yield _number(line.cost)
    yield _number(line.per_report)
    yield _number(line.a_year)
    yield _number(line.saving)
    yield _number(line.saving_percent)
    yield _number(line.saving_a_year)
    yield line.currency


def _groups(statement: Statement, names: Mapping[str, str]) -> Iterator[Table]:
    headings = ("devices", "reports", "bytes up", "bytes down", "per report", "SMS up", "SMS down")
    metered = _table("In parts: what was metered", *headings)
    costs = _table("In parts: what it costs", *(line.tariff for line in statement.lines))
    for group in statement.groups:
        name = " ".join(filter(None, (group.key, names.get(group.key)))) or "unknown"
        metered.add_row(name, *_group_cells(group.totals))
        costs.add_row(name, *(_number(group.costs[line.tariff]) for line in statement.lines))
    yield metered
    yield costs


def _group_cells(totals: Totals) -> Iterator[str]:
    yield _count(totals.devices)
    yield _count(totals.reports)
    yield _count(totals.bytes_up)
    yield _count(totals.bytes_down)
    yield _number(totals.bytes_per_report)
    yield _count(totals.sms_segments_up)
    yield _count(totals.sms_segments_down)


def _break_even(statement: Statement) -> Table:
    even = statement.break_even
    table = _table("Standing connection, or one for each report", "")
    hours, seconds = even.shift_hours, even.heartbeat_seconds
    table.add_row(f"bytes of standing for {hours} h, a heartbeat every {seconds} s",
                  _count(even.standing_bytes))  # fmt: skip
    table.add_row("bytes of each further connection", _count(even.connection_bytes))
    table.add_row(f"standing is cheaper from so many reports in {hours} h", _count(even.reports))
    return table


def _days(period: Period) -> str:
    return f"{period.first} to {period.last}"


def _count(value: int) -> str:
    return f"{value:,}"


def _number(value: Decimal | int | None) -> str:
    return NOTHING if value is None else f"{value:,}"
