"""The bill as tables, JSON and CSV, from one that is written by hand."""

import csv
import io
import json
from datetime import date
from decimal import Decimal

import msgspec
from rich.console import Console

from gateway.cost.statement import Period, Statement
from gateway.statement_view import (
    CSV_COLUMNS,
    render_statement,
    statement_csv,
    statement_json,
)
from tests.helpers.statements import GROUPS, NOTHING_METERED, STATEMENT

NAMES = {"440307003": "平湖"}
DIVIDED = msgspec.structs.replace(STATEMENT, groups=GROUPS)


def drawn(statement: Statement, names: dict[str, str] | None = None) -> str:
    """The tables as text, on a wide terminal."""
    console = Console(file=io.StringIO(), width=250)
    for table in render_statement(statement, names):
        console.print(table)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def line_with(text: str, word: str) -> str:
    """The first line that holds a word."""
    return next(line for line in text.splitlines() if word in line)


def table_rows(text: str) -> list[dict[str, str]]:
    """The rows of a CSV text."""
    return list(csv.DictReader(io.StringIO(text)))


def test_json_is_exact_and_comes_back() -> None:
    """Whoever reads the JSON gets the statement, to the last digit."""
    text = json.dumps(statement_json(DIVIDED))
    assert msgspec.json.decode(text, type=Statement) == DIVIDED


def test_json_writes_money_as_text() -> None:
    """A reader that knows only binary floats would lose cents."""
    fields = statement_json(STATEMENT)
    assert fields["lines"][0]["cost"] == "3.40"
    assert fields["lines"][1]["saving"] is None
    assert fields["period"] == {"first": "2026-11-01", "last": "2026-11-24"}
    assert fields["totals"]["bytes_per_report"] == "334.5"


def test_csv_has_a_row_for_each_tariff() -> None:
    """All figures of the statement stand in it; what does not exist is empty."""
    sms, iot = table_rows(statement_csv(STATEMENT))
    assert tuple(sms) == CSV_COLUMNS
    assert sms == {
        "first": "2026-11-01",
        "last": "2026-11-24",
        "by": "all",
        "key": "",
        "name": "",
        "devices": "2",
        "reports": "10",
        "tasks": "3",
        "answers": "1",
        "connections": "4",
        "bytes_up": "2000",
        "bytes_down": "1345",
        "idle_bytes": "0",
        "bytes_per_report": "334.5",
        "sms_segments_up": "21",
        "sms_segments_down": "13",
        "tariff": "sms-2006",
        "currency": "CNY",
        "cost": "3.40",
        "per_report": "0.3400",
        "a_year": "51.71",
        "saving": "0.00",
        "saving_percent": "0.0",
        "saving_a_year": "0.00",
    }
    assert (iot["tariff"], iot["a_year"], iot["saving"], iot["per_report"]) == (
        "iot",
        "1234.50",
        "",
        "",
    )


def test_csv_has_a_row_for_each_group_and_tariff() -> None:
    """Behind those of the whole, with key and name."""
    rows = table_rows(statement_csv(DIVIDED, "street", NAMES))
    assert [(r["by"], r["key"], r["name"], r["tariff"], r["cost"]) for r in rows[2:]] == [
        ("street", "440307003", "平湖", "sms-2006", "3.40"),
        ("street", "440307003", "平湖", "iot", "0.10"),
        ("street", "", "", "sms-2006", "0"),
        ("street", "", "", "iot", "0"),
    ]
    assert [r["currency"] for r in rows[2:4]] == ["CNY", "USD"]


def test_csv_writes_no_exponent() -> None:
    """Spreadsheets of some countries take 1E+2 for a text."""
    line = msgspec.structs.replace(STATEMENT.lines[0], cost=Decimal("1E+2"))
    (row,) = table_rows(statement_csv(msgspec.structs.replace(STATEMENT, lines=[line])))
    assert row["cost"] == "100"


def test_tables_for_people() -> None:
    """What was metered, each tariff with its saving, the break-even."""
    text = drawn(STATEMENT)
    assert "2026-11-01 to 2026-11-24" in text
    assert "24 days" in line_with(text, "saved a year")
    assert "334.5" in line_with(text, "bytes per report")
    assert "3 / 1" in line_with(text, "tasks / answers")
    assert "21" in line_with(text, "avoided, from devices")
    assert "13" in line_with(text, "avoided, to devices")
    assert "51.71" in line_with(text, "sms-2006")
    assert "1,234.50" in line_with(text, " iot ")
    assert " - " in line_with(text, " iot ")
    assert "assumptions" in line_with(text, "IoT")
    assert "from 13 reports in 8 h" in text
    assert "In parts" not in text


def test_the_currency_stands_once_or_in_each_line() -> None:
    """Sums of two currencies must not look alike."""
    assert "(CNY)" not in drawn(STATEMENT)
    assert "USD" in line_with(drawn(STATEMENT), " iot ")
    text = drawn(msgspec.structs.replace(STATEMENT, lines=STATEMENT.lines[:1]))
    assert "(CNY)" in text
    assert "CNY" not in line_with(text, " sms-2006 ")


def test_the_bill_of_a_district_fits_80_columns() -> None:
    """Each of its sums stands in one piece, the negative ones too."""
    sums = ("231900.00", "0.8727", "-153455.50", "-195.6", "927600.00", "-612960.84")
    names = ("cost", "per_report", "saving", "saving_percent", "a_year", "saving_a_year")
    figures = dict(zip(names, map(Decimal, sums), strict=True))
    line = msgspec.structs.replace(STATEMENT.lines[0], tariff="gprs-2006-plan-100", **figures)
    console = Console(file=io.StringIO(), width=80)
    for table in render_statement(msgspec.structs.replace(STATEMENT, lines=[line])):
        console.print(table)
    assert isinstance(console.file, io.StringIO)
    words = console.file.getvalue().split()
    assert set(words) >= {f"{Decimal(text):,}" for text in sums}
    assert "gprs-2006-plan-100" in words


def test_no_figure_is_cut_off_on_a_narrow_terminal() -> None:
    """A sum without its last digits is another sum."""
    line = msgspec.structs.replace(STATEMENT.lines[0], a_year=Decimal("1234567890.12"))
    console = Console(file=io.StringIO(), width=60)
    for table in render_statement(msgspec.structs.replace(DIVIDED, lines=[line])):
        console.print(table)
    assert isinstance(console.file, io.StringIO)
    assert "…" not in console.file.getvalue()


def test_tables_of_groups_name_them() -> None:
    """The street by its code and name; what belongs to none is told too."""
    text = drawn(DIVIDED, NAMES)
    metered, _, costs = text.partition("In parts: metered")[2].partition("In parts: cost")
    assert "2,000" in line_with(metered, "440307003 平湖")
    assert "3.40" in line_with(costs, "440307003 平湖")
    assert "unknown" in metered
    assert "unknown" in costs


def test_brackets_in_a_name_are_no_markup() -> None:
    """A plan's name is told as it was written."""
    line = msgspec.structs.replace(STATEMENT.lines[0], name="Plan [old] of [/x] 5")
    text = drawn(msgspec.structs.replace(STATEMENT, lines=[line]))
    assert "Plan [old] of [/x] 5" in text


def test_an_assumption_is_marked_only_where_there_is_one() -> None:
    """No footnote without its mark."""
    text = drawn(msgspec.structs.replace(STATEMENT, lines=STATEMENT.lines[:1]))
    assert "assumption" not in text


def test_a_simulation_says_what_it_stands_for() -> None:
    """Else its bill would be taken for that of a minute."""
    quarter = Period(date(2008, 1, 1), date(2008, 3, 31))
    text = drawn(msgspec.structs.replace(STATEMENT, played_as=quarter, totals=NOTHING_METERED))
    assert "2008-01-01 to 2008-03-31" in text
    assert " - " in line_with(text, "bytes per report")
