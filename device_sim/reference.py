"""The data a scenario is made from, read once: streets, unit grids, what is found where.

Streets and grids are the gateway's own reference data; the rest is the simulator's, all of it
assumptions (see `device_sim/data/README.md`).
"""

import csv
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from gateway.protocol.report import Kind


@dataclass(frozen=True, slots=True)
class Street:
    """A street (街道) as a disc, and its unit grids in the order of their numbers."""

    code: int
    """Nine digits."""
    name: str
    collection: str
    """How its reports are collected: "market" (contracted) or "self"."""
    lat: float
    """Centre, degrees north."""
    lon: float
    """Centre, degrees east."""
    area_km2: float
    grids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """What is found of one class, and how often."""

    kind: Kind
    class_code: int
    weight: int
    """How often, relative to the other classes."""
    unit: str
    """Measure word for its extent."""
    phrases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Quarter:
    """Published figures that a scenario has to meet, by collection: "market" and "self"."""

    reports: dict[str, int]
    inspectors: dict[str, int]


def _rows(package: str, name: str) -> list[dict[str, str]]:
    text = (files(package) / "data" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _toml(package: str, name: str) -> dict[str, Any]:
    return tomllib.loads((files(package) / "data" / name).read_text(encoding="utf-8"))


@cache
def streets() -> tuple[Street, ...]:
    """The 13 streets, in the order of their codes."""
    grids: dict[str, list[int]] = {}
    for row in _rows("gateway", "unit-grids.csv"):
        grids.setdefault(row["street"], []).append(int(row["grid"]))
    return tuple(
        Street(
            code=int(row["code"]),
            name=row["name"],
            collection=row["collection"],
            lat=float(row["lat"]),
            lon=float(row["lon"]),
            area_km2=float(row["area_km2"]),
            grids=tuple(grids[row["code"]]),
        )
        for row in _rows("gateway", "streets.csv")
    )


@cache
def findings() -> tuple[Finding, ...]:
    """Every class of both tables with its weight and phrases."""
    return tuple(
        Finding(
            kind=Kind[row["kind"].upper()],
            class_code=int(row["code"]),
            weight=int(row["weight"]),
            unit=row["unit"],
            phrases=tuple(row["findings"].split("|")),
        )
        for row in _rows("device_sim", "findings.csv")
    )


@cache
def quarter() -> Quarter:
    """Totals of the first quarter of 2008."""
    published = _toml("gateway", "quarter-2008q1.toml")
    return Quarter(
        reports={group: published["reports"][group] for group in ("market", "self")},
        inspectors={group: published["inspectors"][group] for group in ("market", "self")},
    )


@cache
def places() -> dict[str, dict[str, list[str]]]:
    """Words for descriptions: roads and communities by street code, shops, turns of phrase."""
    return _toml("device_sim", "places.toml")
