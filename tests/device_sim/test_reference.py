"""Tests of the data that scenarios are made from."""

import csv
import tomllib
from pathlib import Path

from device_sim.reference import findings, places, quarter, streets
from gateway.protocol.report import Kind
from gateway.protocol.text import check_description

DATA = Path(__file__).resolve().parents[2] / "gateway" / "data"


def _codes(table: str) -> set[int]:
    with (DATA / table).open(encoding="utf-8", newline="") as file:
        return {int(row["code"]) for row in csv.DictReader(file)}


def test_there_are_13_streets_four_of_them_market() -> None:
    """As published."""
    assert len(streets()) == 13
    market = {street.name for street in streets() if street.collection == "market"}
    assert market == {"平湖街道", "坪地街道", "坂田街道", "龙岗街道"}


def test_every_grid_belongs_to_its_street() -> None:
    """The first nine of its 14 digits are the street's code, and all 2,690 are there."""
    for street in streets():
        assert {grid // 10**5 for grid in street.grids} == {street.code}
    assert sum(len(street.grids) for street in streets()) == 2690


def test_findings_cover_both_tables_exactly() -> None:
    """Every class can occur, and no class is invented."""
    for kind, table in (
        (Kind.COMPONENT, "components-2007.csv"),
        (Kind.EVENT, "events-2007.csv"),
    ):
        own = [finding.class_code for finding in findings() if finding.kind == kind]
        assert len(own) == len(set(own))
        assert set(own) == _codes(table)


def test_findings_have_weights_units_and_phrases() -> None:
    """Nothing in the table is empty or unfit for a description."""
    for finding in findings():
        assert finding.weight > 0
        assert finding.unit
        assert all(phrase and check_description(phrase) is None for phrase in finding.phrases)


def test_every_street_has_roads_and_communities() -> None:
    """A description can name a place in each street."""
    words = places()
    for street in streets():
        assert words["roads"][str(street.code)]
        assert words["communities"][str(street.code)]


def test_published_figures_agree_with_each_other() -> None:
    """Sums and percentages of the file are those that its own numbers give."""
    with (DATA / "quarter-2008q1.toml").open("rb") as file:
        published = tomllib.load(file)
    reports, people, quota = published["reports"], published["inspectors"], published["quota"]
    assert reports["market"] + reports["self"] == reports["total"] == 265_735
    assert round(100 * reports["market"] / reports["total"], 1) == reports["market_percent"]
    assert round(100 * reports["self"] / reports["total"], 1) == reports["self_percent"]
    assert people["market"] + people["self"] == people["total"] == 773
    assert round(100 * reports["market"] / quota["reports"], 1) == quota["attained_percent"]
    period = published["period"]
    assert (period["last_day"] - period["first_day"]).days + 1 == period["days"]
    assert quarter().reports == {"market": 227_804, "self": 37_931}
    assert quarter().inspectors == {"market": 336, "self": 437}
