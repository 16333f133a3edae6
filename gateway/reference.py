"""Reference data: editions of the code tables, streets and unit grids, from files to table rows.

The files and their sources stand in `gateway/data/README.md`. A new edition is a line in
`editions.csv` and two files of classes: data, no code.
"""

import csv
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from importlib import resources

import msgspec

from gateway.protocol.report import Kind
from gateway.protocol.tables import Edition, Tables

DEGREES_TO_E5 = 100_000


class BadReferenceDataError(Exception):
    """The data files contradict themselves: a fault of the package, not of its user."""


class ClassCode(msgspec.Struct, frozen=True):
    """One class of components or events."""

    edition: int
    kind: Kind
    code: int
    major: str
    minor: str


class Street(msgspec.Struct, frozen=True):
    """One street (街道), with its rough centre and area."""

    code: int
    name: str
    collection: str
    """`market` (contracted) or `self` (the street's own inspectors)."""
    lat_e5: int
    lon_e5: int
    area_km2: Decimal


class UnitGrid(msgspec.Struct, frozen=True):
    """One unit grid (单元网格) and the street that it lies in."""

    grid: int
    street_code: int


class Reference(msgspec.Struct, frozen=True):
    """All reference data, as rows, and as the tables that reports are checked against."""

    tables: Tables
    classes: tuple[ClassCode, ...]
    streets: tuple[Street, ...]
    unit_grids: tuple[UnitGrid, ...]


@cache
def load_reference() -> Reference:
    """Read all data files, once.

    Raises:
        BadReferenceDataError: A file contradicts another.
    """
    streets = tuple(_streets())
    editions = list(_rows("editions.csv"))
    classes = tuple(code for row in editions for code in _classes(row))
    return Reference(
        tables=_tables(editions, classes, streets),
        classes=classes,
        streets=streets,
        unit_grids=tuple(_unit_grids(frozenset(street.code for street in streets))),
    )


def load_tables() -> Tables:
    """The code tables that reports are checked against."""
    return load_reference().tables


def _rows(name: str) -> Iterator[Mapping[str, str]]:
    text = resources.files("gateway").joinpath("data", name).read_text(encoding="utf-8")
    return csv.DictReader(text.splitlines())


def _streets() -> Iterator[Street]:
    for row in _rows("streets.csv"):
        yield Street(
            code=int(row["code"]),
            name=row["name"],
            collection=row["collection"],
            lat_e5=round(float(row["lat"]) * DEGREES_TO_E5),
            lon_e5=round(float(row["lon"]) * DEGREES_TO_E5),
            area_km2=Decimal(row["area_km2"]),
        )


def _unit_grids(streets: frozenset[int]) -> Iterator[UnitGrid]:
    for row in _rows("unit-grids.csv"):
        grid = UnitGrid(int(row["grid"]), int(row["street"]))
        if grid.street_code not in streets:
            raise BadReferenceDataError(f"unit grid {grid.grid} lies in an unknown street")
        yield grid


def _classes(edition: Mapping[str, str]) -> Iterator[ClassCode]:
    for kind, column in ((Kind.COMPONENT, "components"), (Kind.EVENT, "events")):
        for row in _rows(edition[column]):
            code, number = row["code"], int(edition["number"])
            if len(code) != int(edition["class_digits"]):
                raise BadReferenceDataError(f"class {code} of edition {number} has a wrong length")
            yield ClassCode(number, kind, int(code), row["major"], row["minor"])


def _tables(
    editions: list[Mapping[str, str]],
    classes: tuple[ClassCode, ...],
    streets: tuple[Street, ...],
) -> Tables:
    current = [int(row["number"]) for row in editions if row["current"] == "yes"]
    if len(current) != 1:
        raise BadReferenceDataError(f"one edition must be the current one, not {len(current)}")
    by_number = {int(row["number"]): _edition(row, classes, streets) for row in editions}
    return Tables(editions=by_number, current=current[0])


def _edition(
    row: Mapping[str, str], classes: tuple[ClassCode, ...], streets: tuple[Street, ...]
) -> Edition:
    number, district = int(row["number"]), int(row["district"])
    codes = {
        kind: frozenset(c.code for c in classes if c.edition == number and c.kind == kind)
        for kind in Kind
    }
    return Edition(
        number=number,
        name=row["name"],
        district=district,
        lat0_e5=int(row["lat0_e5"]),
        lon0_e5=int(row["lon0_e5"]),
        grid_digits=int(row["grid_digits"]),
        class_digits=int(row["class_digits"]),
        component_classes=codes[Kind.COMPONENT],
        event_classes=codes[Kind.EVENT],
        streets=frozenset(s.code for s in streets if s.code // 1000 == district),
    )
