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
from rich import box
from rich.table import Table
from rich.text import Text

from gateway.cost.statement import Line, Period, Statement, Totals

NOTHING: Final = "-"
"""Stands for a figure that does not exist, as the cost of a report where there is none."""

ASSUMPTION: Final = "some prices are our assumptions"

ID_COLUMNS: Final = 10
"""For a tariff's id beside its sums, on a terminal of 80; a longer one goes on in the next line."""

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
    """Tables for a terminal of 80 columns: what was metered, the tariffs, what they are, the
    groups where there are any, the break-even. `names` says what a group's key is called. No
    figure is ever cut off: where there is no room it goes on in the next line.
    """
    tables = [_metered(statement), _tariffs(statement), _legend(statement)]
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


def _metered(statement: Statement) -> Table:
    totals = statement.totals
    table = Table(title=f"Metered, {_days(statement.period)}", show_header=False)
    if statement.played_as is not None:
        table.caption = f"billed as {_days(statement.played_as)}"
    _add_columns(table, "", "")
    rows: list[tuple[str, int | Decimal | None]] = [
        ("devices", totals.devices),
        ("reports", totals.reports),
        ("tasks / answers", None),
        ("bytes from devices", totals.bytes_up),
        ("bytes to devices", totals.bytes_down),
        ("of both: calculated heartbeats, not metered", totals.idle_bytes),
        ("bytes per report, both ways", totals.bytes_per_report),
        ("SMS segments avoided, from devices", totals.sms_segments_up),
        ("SMS segments avoided, to devices", totals.sms_segments_down),
    ]
    for name, value in rows:
        both = f"{_count(totals.tasks)} / {_count(totals.answers)}"
        table.add_row(name, both if name == "tasks / answers" else _number(value))
    return table


def _tariffs(statement: Statement) -> Table:
    """Where there is one currency only, it stands in the title: the columns are many."""
    currencies = {line.currency for line in statement.lines}
    one = f" ({currencies.pop()})" if len(currencies) == 1 else ""
    table = _wide_table(f"What it costs, and what is saved against SMS{one}")
    headings = ("a report", "saved", "in %", "a year", "saved a year")
    _add_columns(table, "tariff", f"{_count(statement.days)} days", *headings)
    table.columns[0].max_width = ID_COLUMNS
    if currencies:
        table.add_column("")
    for line in statement.lines:
        cells = (*_tariff_cells(line), line.currency) if currencies else _tariff_cells(line)
        table.add_row(*cells, style="bold" if line.is_sms else None)
    return table


def _tariff_cells(line: Line) -> Iterator[str]:
    yield line.tariff
    yield _number(line.cost)
    yield _number(line.per_report)
    yield _number(line.saving)
    yield _number(line.saving_percent)
    yield _number(line.a_year)
    yield _number(line.saving_a_year)


def _wide_table(title: str) -> Table:
    """One with little between its columns."""
    return Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)


def _legend(statement: Statement) -> Table:
    """What the tariffs' ids stand for."""
    table = Table.grid(padding=(0, 2))
    _add_columns(table, "", "")
    table.columns[1].justify = "left"
    for line in statement.lines:
        assumption = f" ({ASSUMPTION})" if line.assumption else ""
        # Text: what people write in brackets is no markup.
        table.add_row(line.tariff, Text(f"{line.name}{assumption}"))
    return table


def _add_columns(table: Table, first: str, *others: str) -> None:
    """A column of names and columns of figures, none of which is ever cut off."""
    table.add_column(first, overflow="fold")
    for heading in others:
        table.add_column(heading, justify="right", overflow="fold")


def _groups(statement: Statement, names: Mapping[str, str]) -> Iterator[Table]:
    metered, costs = _wide_table("In parts: metered"), _wide_table("In parts: cost")
    headings = ("devices", "reports", "bytes up", "bytes down", "per report", "SMS up", "SMS down")
    _add_columns(metered, "", *headings)
    _add_columns(costs, "", *(line.tariff for line in statement.lines))
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
    hours = even.shift_hours
    table = Table(title="Standing connection or one for each report", show_header=False)
    table.caption = (
        f"from {_count(even.reports)} reports in {hours} h on, standing with"
        f" a heartbeat every {even.heartbeat_seconds} s is cheaper"
    )
    _add_columns(table, "", "")
    table.add_row(f"bytes of a connection that stands for {hours} h", _count(even.standing_bytes))
    table.add_row("bytes of each further connection", _count(even.connection_bytes))
    return table


def _days(period: Period) -> str:
    return f"{period.first} to {period.last}"


def _count(value: int) -> str:
    return f"{value:,}"


def _number(value: Decimal | int | None) -> str:
    return NOTHING if value is None else f"{value:,}"
