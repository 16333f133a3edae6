"""Tests of when inspectors report."""

import itertools
from collections import Counter
from datetime import datetime
from random import Random

import pytest

from device_sim import shifts
from device_sim.shifts import (
    CHINA_TIME,
    DAY_SECONDS,
    DAYS,
    QUARTER_END,
    QUARTER_START,
    observation_times,
)


def test_the_quarter_is_that_of_china() -> None:
    """From midnight to midnight at UTC+8, 91 days."""
    first = datetime.fromtimestamp(QUARTER_START, CHINA_TIME)
    after = datetime.fromtimestamp(QUARTER_END, CHINA_TIME)
    assert first.isoformat() == "2008-01-01T00:00:00+08:00"
    assert after.isoformat() == "2008-04-01T00:00:00+08:00"


@pytest.mark.parametrize("count", [0, 1, 87, 678, 30_000])
def test_times_increase_within_the_quarter(count: int) -> None:
    """As many as asked for, no two in the same second."""
    times = observation_times(Random(count), count)
    assert len(times) == count
    assert all(a < b for a, b in itertools.pairwise(times))
    assert all(QUARTER_START <= time < QUARTER_END for time in times)


def test_work_is_heavier_on_weekdays_and_in_working_hours() -> None:
    """Over many inspectors the calendar shows."""
    days: Counter[int] = Counter()
    hours: Counter[int] = Counter()
    for seed in range(100):
        for time in observation_times(Random(seed), 200):
            moment = datetime.fromtimestamp(time, CHINA_TIME)
            days[moment.weekday()] += 1
            hours[moment.hour] += 1
    assert min(days[day] for day in range(5)) > days[5] > days[6]
    assert min(hours[9], hours[15]) > hours[12] > hours[23]
    assert not any(hours[hour] for hour in range(6))


def test_equal_times_move_apart_without_leaving_the_quarter() -> None:
    """What is pushed over the end comes back, and pushes others back in turn."""
    end = DAYS * DAY_SECONDS
    times = shifts._strictly_increasing([0, 0, end - 2, end - 1, end - 1])
    assert [time - QUARTER_START for time in times] == [0, 1, end - 3, end - 2, end - 1]


def test_more_reports_than_seconds_are_refused() -> None:
    """There is no answer to that."""
    with pytest.raises(ValueError, match="fewer than"):
        observation_times(Random(1), DAYS * DAY_SECONDS + 1)
