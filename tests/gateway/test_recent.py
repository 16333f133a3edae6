"""The memory of what was committed lately."""

import pytest

from gateway.recent import RecentlyCommitted
from tests.helpers.builders import build_report, build_track


def test_same_and_other_content() -> None:
    """Only exactly the content that was committed is known; a track is never a report."""
    recent = RecentlyCommitted(10)
    recent.remember({(1, 1, 9): build_report(sequence=9)})
    assert recent.holds((1, 1, 9), build_report(sequence=9))
    assert not recent.holds((1, 1, 9), build_report(sequence=9, pictures=3))
    assert not recent.holds((1, 1, 9), build_track(sequence=9))
    assert not recent.holds((2, 1, 9), build_report(sequence=9))


@pytest.mark.parametrize("limit_items", [0, 1, 2, 10])
def test_bounded(limit_items: int) -> None:
    """It never holds more than its limit, whatever it is given one by one."""
    recent = RecentlyCommitted(limit_items)
    for number in range(100):
        recent.remember({(1, 1, number): build_report(sequence=number)})
        assert len(recent) <= max(limit_items, 0)


def test_the_latest_half_is_kept() -> None:
    """At least the latest half of the limit is remembered."""
    recent = RecentlyCommitted(10)
    for number in range(1, 24):
        recent.remember({(1, 1, number): build_report(sequence=number)})
    assert all(recent.holds((1, 1, n), build_report(sequence=n)) for n in range(19, 24))
    assert not recent.holds((1, 1, 1), build_report())
