"""Tests of who walks where."""

from collections import Counter

import pytest

from device_sim.fleet import MAX_DEVICES, build_fleet, inspectors_by_group, split_by_group

REPORTS = {"market": 227_804, "self": 37_931}


def test_the_published_fleet() -> None:
    """773 inspectors, 336 of them market, over all 13 streets, with ids of their own."""
    fleet = build_fleet(1, REPORTS)
    groups = Counter(inspector.collection for inspector in fleet.inspectors)
    assert groups == {"market": 336, "self": 437}
    assert len({inspector.street.code for inspector in fleet.inspectors}) == 13
    assert fleet.device_ids == tuple(range(4403070001, 4403070774))


def test_reports_of_each_collection_are_shared_exactly() -> None:
    """The inspectors' shares add up to the totals asked for, and differ."""
    fleet = build_fleet(7, REPORTS)
    for group, total in REPORTS.items():
        shares = [one.reports for one in fleet.inspectors if one.collection == group]
        assert sum(shares) == total
        assert max(shares) > 2 * min(shares)


def test_a_beat_is_two_or_three_neighbouring_grids_of_the_street() -> None:
    """They follow each other in the street's list."""
    for inspector in build_fleet(3, REPORTS).inspectors:
        assert len(inspector.grids) in {2, 3}
        first = inspector.first_grid
        own = inspector.street.grids[first : first + len(inspector.grids)]
        assert inspector.grids == own


def test_the_same_seed_gives_the_same_fleet_and_another_does_not() -> None:
    """Everything random comes from the seed."""
    assert build_fleet(5, REPORTS) == build_fleet(5, REPORTS)
    assert build_fleet(5, REPORTS) != build_fleet(6, REPORTS)


def test_transports() -> None:
    """A mixed fleet has as many handsets of either kind as can be; another has one kind."""
    mixed = Counter(one.transport for one in build_fleet(1, REPORTS).inspectors)
    assert mixed == {"tcp": 387, "mqtt": 386}
    for transport in ("tcp", "mqtt"):
        fleet = build_fleet(1, REPORTS, 10, transport)
        assert {one.transport for one in fleet.inspectors} == {transport}


def test_fewer_devices_keep_the_proportion_of_the_collections() -> None:
    """Ten inspectors are four and six, and two are one of each."""
    assert inspectors_by_group(10) == {"market": 4, "self": 6}
    assert inspectors_by_group(2) == {"market": 1, "self": 1}


@pytest.mark.parametrize("devices", [2, 3, 50, 773, 2690, MAX_DEVICES])
def test_any_allowed_number_of_devices(devices: int) -> None:
    """All of them have a beat, and both collections report."""
    fleet = build_fleet(1, {"market": 100, "self": 20}, devices)
    assert len(fleet.inspectors) == devices
    assert {one.collection for one in fleet.inspectors} == {"market", "self"}
    assert sum(one.reports for one in fleet.inspectors) == 120


@pytest.mark.parametrize("devices", [-1, 0, 1, MAX_DEVICES + 1])
def test_too_few_or_too_many_devices_are_refused(devices: int) -> None:
    """The message names the limits."""
    with pytest.raises(ValueError, match="devices must be 2 to 9999"):
        build_fleet(1, REPORTS, devices)


def test_splitting_keeps_the_published_proportion() -> None:
    """Largest remainder, as for the whole."""
    assert split_by_group(265_735, REPORTS) == REPORTS
    assert split_by_group(100, REPORTS) == {"market": 86, "self": 14}
