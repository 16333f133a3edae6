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

from gateway.cost.statement import Group, Line, Period, Statement, Totals

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
        tables.append(_groups(statement, names or {}))
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


def _metered(statement: Statement) -> Table:
    totals = statement.totals
    table = Table(title=f"Metered, {_days(statement.period)} ({_count(statement.days)} days)")
    table.add_column("")
    table.add_column("", justify="right")
    if statement.played_as is not None:
        table.caption = f"billed as if it were {_days(statement.played_as)}"
    rows: list[tuple[str, int | Decimal | None]] = [
        ("devices", totals.devices),
        ("reports", totals.reports),
        ("tasks / answers", None),
        ("bytes from devices", totals.bytes_up),
        ("bytes to devices", totals.bytes_down),
        ("of these calculated (heartbeats that a simulation has no time for)", totals.idle_bytes),
        ("bytes per report, both ways", totals.bytes_per_report),
        ("SMS segments avoided, from devices", totals.sms_segments_up),
        ("SMS segments avoided, to devices", totals.sms_segments_down),
    ]
    for name, value in rows:
        both = f"{_count(totals.tasks)} / {_count(totals.answers)}"
        table.add_row(name, both if name == "tasks / answers" else _number(value))
    return table


def _tariffs(statement: Statement) -> Table:
    table = Table(title="What it costs, and what is saved against SMS")
    table.add_column("tariff")
    for heading in ("cost", "per report", "a year", "saving", "saving %", "saving a year"):
        table.add_column(heading, justify="right")
    table.add_column("")
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


def _groups(statement: Statement, names: Mapping[str, str]) -> Table:
    table = Table(title="Divided")
    table.add_column("")
    headings = ["devices", "reports", "bytes up", "bytes down", "bytes/report", "SMS up / down"]
    for heading in (*headings, *(line.tariff for line in statement.lines)):
        table.add_column(heading, justify="right")
    for group in statement.groups:
        table.add_row(*_group_cells(group, statement, names))
    return table


def _group_cells(group: Group, statement: Statement, names: Mapping[str, str]) -> Iterator[str]:
    totals = group.totals
    yield " ".join(filter(None, (group.key, names.get(group.key)))) or "unknown"
    yield _count(totals.devices)
    yield _count(totals.reports)
    yield _count(totals.bytes_up)
    yield _count(totals.bytes_down)
    yield _number(totals.bytes_per_report)
    yield f"{_count(totals.sms_segments_up)} / {_count(totals.sms_segments_down)}"
    for line in statement.lines:
        yield _number(group.costs.get(line.tariff))


def _break_even(statement: Statement) -> Table:
    even = statement.break_even
    table = Table(title="Standing connection or one for each report")
    table.add_column("")
    table.add_column("", justify="right")
    table.caption = (
        f"from {_count(even.reports)} reports in {even.shift_hours} h"
        f" a connection with a heartbeat every {even.heartbeat_seconds} s is cheaper"
    )
    table.add_row(f"bytes of standing for {even.shift_hours} h", _count(even.standing_bytes))
    table.add_row("bytes of each further connection", _count(even.connection_bytes))
    table.add_row("break-even, reports a shift", _count(even.reports))
    return table


def _days(period: Period) -> str:
    return f"{period.first} to {period.last}"


def _count(value: int) -> str:
    return f"{value:,}"


def _number(value: Decimal | int | None) -> str:
    return NOTHING if value is None else f"{value:,}"
