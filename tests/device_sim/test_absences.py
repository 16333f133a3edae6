"""Tests of when handsets are offline."""

from itertools import pairwise
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from device_sim.absences import ABSENT_SHARE, BEGINS_UNTIL, LASTS, Absence, absences, be_absent
from device_sim.pace import Pace
from tests.helpers.couriers import build_courier, open_outbox


def test_some_handsets_are_offline_for_a_while() -> None:
    """In about their share, within their bounds, in order of time, and the same for one seed."""
    planned = [absences(1, device, 100.0) for device in range(1_000)]
    assert sum(map(bool, planned)) == pytest.approx(1_000 * ABSENT_SHARE, rel=0.1)
    assert {len(one) for one in planned} == {0, 1, 2}
    every = [absence for one in planned for absence in one]
    assert all(absence.begins_after < 100.0 * BEGINS_UNTIL for absence in every)
    assert all(100 * LASTS[0] <= absence.seconds <= 100 * LASTS[1] for absence in every)
    for one in planned:
        assert all(a.begins_after <= b.begins_after for a, b in pairwise(one))
    assert absences(1, 7, 100.0) == planned[7]


@pytest.mark.trio
async def test_a_handset_loses_its_link_when_the_time_has_come(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """For so many seconds of the event loop, whatever the pace of the scenario."""
    courier, pace = build_courier(open_outbox(tmp_path)), Pace(1_000.0, 0)
    began = trio.current_time()
    await be_absent(courier, [Absence(5.0, 3.0)], pace)
    assert trio.current_time() == pytest.approx(began + 5.0)
    assert pace.seconds(courier.outage_seconds) == pytest.approx(3.0)
    assert courier.tally.outages == 1
