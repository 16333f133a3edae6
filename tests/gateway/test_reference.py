"""Reference data: the files, as tables that reports are checked against."""

from collections.abc import Mapping

import pytest

from gateway import reference
from gateway.protocol.report import Kind
from gateway.reference import BadReferenceDataError, load_reference, load_tables


def test_the_edition_in_force() -> None:
    """Edition 1 is the standard of 2007 for Longgang, and current."""
    tables = load_tables()
    edition = tables.editions[tables.current]
    assert (edition.number, edition.name, edition.district) == (1, "CJ/T 214-2007", 440307)
    assert (edition.lat0_e5, edition.lon0_e5) == (2_265_000, 11_429_000)
    assert (edition.grid_digits, edition.class_digits) == (14, 4)
    assert 101 in edition.component_classes & edition.event_classes


def test_streets_and_grids() -> None:
    """13 streets, 4 of them contracted, and 2,690 unit grids that lie in them [S]."""
    data = load_reference()
    assert len(data.streets) == 13
    assert sum(street.collection == "market" for street in data.streets) == 4
    assert len(data.unit_grids) == 2_690
    edition = data.tables.editions[1]
    assert edition.streets == {street.code for street in data.streets}
    assert all(edition.street_of(grid.grid) == grid.street_code for grid in data.unit_grids)


def test_codes_are_apart_by_kind() -> None:
    """0101 is a manhole cover and an illegal structure: one number, two kinds."""
    names = {(c.kind, c.code): c.minor for c in load_reference().classes}
    assert names[Kind.COMPONENT, 101] == "上水井盖"
    assert names[Kind.EVENT, 101] == "私搭乱建"


def test_positions_are_degrees() -> None:
    """The centre of 平湖 in 1e-5 degree."""
    street = next(s for s in load_reference().streets if s.code == 440307003)
    assert (street.name, street.lat_e5, street.lon_e5) == ("平湖街道", 2_265_600, 11_415_100)


@pytest.mark.parametrize(
    "file,rows,message",
    [
        ("unit-grids.csv", [{"grid": "1", "street": "2"}], "unknown street"),
        ("events-2007.csv", [{"code": "101", "major": "", "minor": ""}], "wrong length"),
        ("editions.csv", [], "not 0"),
    ],
)
def test_files_that_contradict_each_other(
    file: str, rows: list[Mapping[str, str]], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of the data is found when it is read, with its place."""
    real = reference._rows
    monkeypatch.setattr(reference, "_rows", lambda name: iter(rows) if name == file else real(name))
    with pytest.raises(BadReferenceDataError, match=message):
        load_reference.__wrapped__()
