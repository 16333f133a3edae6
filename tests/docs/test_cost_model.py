"""`docs/cost-model.md` explains each figure, field and price of the code, and no other."""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

import msgspec
import pytest

from gateway.cost.break_even import break_even
from gateway.cost.idle import (
    HEADER_BYTES,
    HEADER_BYTES_PLAIN,
    HEARTBEATS_PER_SHIFT,
    SHIFT_HOURS,
    heartbeats_bytes,
)
from gateway.cost.old_texts import ANSWER_FIELDS, REPORT_FIELDS, TASK_FIELDS
from gateway.cost.period import Period
from gateway.cost.played import SHIFTS_PER_WEEK, count_shifts
from gateway.cost.statement import Line, Totals
from gateway.cost.tariff import MAX_BYTES, MAX_PRICE, DataPrices, SmsPrices, Tariff
from gateway.cost.templates import FieldKind, Template
from gateway.price_lists import load_tariffs
from gateway.settings import MeterSettings
from tests.helpers.markdown import code, rows, section_of

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "cost-model.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "gateway" / "tariffs" / "README.md").read_text(encoding="utf-8")


def names(cell: str) -> list[str]:
    """What stands between backquotes, perhaps several."""
    return re.findall(r"`([^`]+)`", cell)


def first_cells(markdown: str, head: str) -> list[str]:
    """The names in the first column of a table."""
    return [name for row in rows(markdown, head) for name in names(row[0])]


def tariff_fields() -> Iterator[tuple[str, str]]:
    """Fields as they are written in a file, and their defaults."""
    sections: dict[str, type[msgspec.Struct]] = {
        "": Tariff,
        "sms.": SmsPrices,
        "data.": DataPrices,
    }
    for prefix, struct in sections.items():
        for field in msgspec.structs.fields(struct):
            if field.name not in {"id", "sms", "data"}:
                default = "–" if field.default is msgspec.NODEFAULT else str(field.default)
                yield prefix + field.name, default.lower()


def test_every_figure_is_explained() -> None:
    """Those of the totals and those of a tariff's line, in their order."""
    section = section_of(DOCUMENT, "The figures")
    of_all, of_line = section.split("Of each tariff:")
    assert first_cells(of_all, "figure") == list(Totals.__struct_fields__)
    assert first_cells(of_line, "figure") == list(Line.__struct_fields__)


def test_every_field_of_a_tariff_is_explained() -> None:
    """With its default, in its order, and each stands in the guide for writing one."""
    section = section_of(DOCUMENT, "Tariffs")
    written = [(code(name), default.strip("`")) for name, default, _ in rows(section, "field")]
    assert written == list(tariff_fields())
    assert f"{MAX_BYTES:,}" in section
    assert f"0 to {MAX_PRICE:,}" in section
    examples = set(re.findall(r"^(\w+) = ", GUIDE, re.MULTILINE))
    assert examples == {name.rpartition(".")[2] for name, _ in tariff_fields()}


def test_every_shipped_tariff_stands_there() -> None:
    """With the prices of its file."""
    written = {code(row[0]): row[1:6] for row in rows(section_of(DOCUMENT, "Tariffs"), "tariff")}
    assert written == {name: list(shown(tariff)) for name, tariff in load_tariffs().items()}


def shown(tariff: Tariff) -> Iterator[str]:
    """Fee, allowance, price, unit and night factor as the document writes them."""
    if tariff.sms is not None:
        assert tariff.sms.up == tariff.sms.down
        yield from ("–", "–", f"{tariff.sms.up} each way", "segment", "–")
    if tariff.data is not None:
        data = tariff.data
        yield from (str(data.fee), f"{data.allowance_bytes:,}", str(data.price))
        yield from (f"{data.unit_bytes:,}", str(data.night_factor))


@pytest.mark.parametrize(
    "head, fields",
    [("report", REPORT_FIELDS), ("task", TASK_FIELDS), ("answer", ANSWER_FIELDS)],
)
def test_every_field_of_a_template_is_explained(head: str, fields: Mapping[str, FieldKind]) -> None:
    """With its kind, in its order."""
    written = {
        name: row[1]
        for row in rows(section_of(DOCUMENT, "What SMS would have cost"), head)
        for name in names(row[0])
    }
    assert written == {name: kind.name.lower() for name, kind in fields.items()}
    assert list(written) == list(fields)


def test_formats_are_taken() -> None:
    """Every kind of field has a row, and its example is a template."""
    table = rows(section_of(DOCUMENT, "What SMS would have cost"), "kind")
    assert [row[0] for row in table] == [kind.name.lower() for kind in FieldKind]
    for row in table:
        Template("report", code(row[2]), REPORT_FIELDS)


def test_default_templates() -> None:
    """As the settings have them."""
    table = rows(section_of(DOCUMENT, "What SMS would have cost"), "setting")
    settings = MeterSettings()
    for name, default in table:
        assert getattr(settings, code(name).removeprefix("meter.")) == code(default)
    assert len(table) == len([f for f in MeterSettings.__struct_fields__ if f.startswith("sms_")])


def test_break_even() -> None:
    """The sums of the table, and the result."""
    section = section_of(DOCUMENT, "A standing connection")
    with_stamps, plain = break_even(HEADER_BYTES), break_even(HEADER_BYTES_PLAIN)
    sums = {row[0].partition(":")[0]: row[1] for row in rows(section, "what")}
    assert sums["one connection"] == (
        f"{with_stamps.connection_bytes:,} ({plain.connection_bytes:,})"
    )
    assert sums["standing for a shift"] == (
        f"{with_stamps.standing_bytes:,} ({plain.standing_bytes:,})"
    )
    heartbeats = f"{HEARTBEATS_PER_SHIFT} heartbeats in {SHIFT_HOURS} hours, one each 270 s"
    both = [heartbeats_bytes(header).both for header in (HEADER_BYTES, HEADER_BYTES_PLAIN)]
    assert sums[heartbeats] == f"{both[0]:,} ({both[1]:,})"
    assert f"from {with_stamps.reports} ({plain.reports}) reports a shift" in section


def test_a_simulation() -> None:
    """What is added for a shift, and how many there are."""
    section = section_of(DOCUMENT, "A simulation")
    connection = break_even().connection_bytes
    assert f"{connection} + {heartbeats_bytes().both:,} bytes" in section
    quarter = Period(date(2008, 1, 1), date(2008, 3, 31))
    assert f"{count_shifts(quarter)} shifts in the {quarter.count_days()} days" in section
    assert f"{SHIFTS_PER_WEEK} days in 7" in section


def test_the_quarter_shows_every_shipped_tariff() -> None:
    """Those that are a guess are marked."""
    table = rows(section_of(DOCUMENT, "The quarter beside"), "tariff")
    assert {names(row[0])[0]: "[A]" in row[0] for row in table} == {
        name: tariff.assumption for name, tariff in load_tariffs().items()
    }


def test_the_place_of_the_demos_bill() -> None:
    """Begin and end, once each, in order."""
    begin, end = "<!-- bill:begin -->", "<!-- bill:end -->"
    assert (DOCUMENT.count(begin), DOCUMENT.count(end)) == (1, 1)
    assert DOCUMENT.index(begin) < DOCUMENT.index(end)
