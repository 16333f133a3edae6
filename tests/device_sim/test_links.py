"""Tests of the link profiles."""

from random import Random

import pytest

from device_sim.links import LINK_NAMES, PERFECT, link_profile


@pytest.mark.parametrize("name", LINK_NAMES)
def test_each_named_profile_exists(name: str) -> None:
    """Its backlogs hold at least one report and at most what the protocol allows."""
    profile = link_profile(name)
    assert profile.name == name
    assert 1 <= profile.backlog_reports <= 255
    assert 0 <= profile.outage_share < 0.1


def test_an_unknown_profile_is_an_error() -> None:
    """The name is checked by the command line."""
    with pytest.raises(KeyError):
        link_profile("carrier pigeon")


def test_the_round_trips_of_gprs_follow_the_published_median() -> None:
    """Median 700 ms, 95 % below 1.5 s, give or take a tenth."""
    profile, random = link_profile("gprs"), Random(1)
    trips = sorted(profile.round_trip_seconds(random) for _ in range(4_000))
    assert 0.63 < trips[2_000] < 0.77
    assert 1.32 < trips[3_800] < 1.62


def test_a_lost_segment_costs_a_retransmission() -> None:
    """Two median round trips more."""
    profile = link_profile("gprs")

    class Unlucky(Random):
        def random(self) -> float:
            return 0.0

        def lognormvariate(self, mu: float = 0.0, sigma: float = 1.0) -> float:
            return 1.0 + 0 * (mu + sigma)

    assert profile.round_trip_seconds(Unlucky()) == pytest.approx(2.1)


def test_a_slow_link_gets_smaller_backlogs() -> None:
    """Four seconds of 15 kbit/s are 150 reports."""
    assert link_profile("gprs").backlog_reports == 150
    assert PERFECT.backlog_reports == 255
    assert PERFECT.is_perfect
