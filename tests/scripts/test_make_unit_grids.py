"""Tests of the unit grids, an assumption in detail that meets the published counts."""

import csv
import shutil
from collections import Counter
from pathlib import Path

import pytest

from scripts import make_unit_grids
from scripts.make_unit_grids import DATA, TRIAL_STREETS, identities, main, render


def _rows() -> list[dict[str, str]]:
    with (DATA / "unit-grids.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_file_is_what_the_script_writes() -> None:
    """Nobody edited it by hand."""
    assert (DATA / "unit-grids.csv").read_bytes() == render().encode()


def test_the_counts_are_the_published_ones() -> None:
    """2,690 in all: 516 in the trial streets and 2,174 in the other ten."""
    rows = _rows()
    assert len(rows) == len({row["grid"] for row in rows}) == 2690
    trial = Counter(row["street"] in TRIAL_STREETS for row in rows)
    assert trial == {True: 516, False: 2174}
    assert len({row["street"] for row in rows}) == 13


def test_identities_have_14_digits_and_begin_with_their_street() -> None:
    """Street, community from 001, sequence from 01."""
    for row in _rows():
        assert len(row["grid"]) == 14
        assert row["grid"].isdecimal()
        assert row["grid"].startswith(row["street"])
        assert row["grid"][9:12] != "000"
        assert row["grid"][12:] != "00"


def test_communities_share_evenly() -> None:
    """A street of 30 grids has two communities of 15."""
    grids = identities("440307099", 30)
    assert Counter(grid[:12] for grid in grids) == {"440307099001": 15, "440307099002": 15}


def test_main_writes_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Into the data folder, from what lies there."""
    for name in ("streets.csv", "quarter-2008q1.toml"):
        shutil.copy(DATA / name, tmp_path)
    written = (DATA / "unit-grids.csv").read_bytes()
    monkeypatch.setattr(make_unit_grids, "DATA", tmp_path)
    main()
    assert (tmp_path / "unit-grids.csv").read_bytes() == written
