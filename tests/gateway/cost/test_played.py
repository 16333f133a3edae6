"""A simulation's usage as that of the months it stands for."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cost.idle import connection_bytes, heartbeats_bytes
from gateway.cost.period import Period
from gateway.cost.played import count_shifts, play
from gateway.cost.totals import sum_up
from gateway.cost.usage import Usage
from tests.helpers.usages import use

QUARTER = Period(date(2008, 1, 1), date(2008, 3, 31))
A_SHIFT = connection_bytes().both + heartbeats_bytes().both


@pytest.mark.parametrize("last, shifts", [(1, 1), (2, 2), (7, 5), (8, 6), (14, 10), (31, 23)])
def test_shifts(last: int, shifts: int) -> None:
    """Five in seven days, a begun one counted: 31 days are 22.14."""
    assert count_shifts(Period(date(2008, 1, 1), date(2008, 1, last))) == shifts


def test_by_month() -> None:
    """910 reports in 91 days: 310, 290, 310. 65 shifts, each with a connection and heartbeats:
    700 + 17,172 = 17,872 bytes, 1,161,680 in the quarter, beside the 9,100 that were metered.
    """
    played = play([use("2026-11-24", bytes_up=9_100, reports=910)], QUARTER, daily=False)
    assert [usage.day for usage in played] == [date(2008, month, 1) for month in (1, 2, 3)]
    assert [usage.sms.reports for usage in played] == [310, 290, 310]
    totals = sum_up(played)
    assert totals.idle_bytes == 65 * A_SHIFT == 1_161_680
    assert totals.bytes_up + totals.bytes_down == 9_100 + 1_161_680
    assert totals.connections == 65


def test_by_day() -> None:
    """The same sums, one row for each day."""
    metered = [use("2026-11-24", bytes_up=9_100, reports=910, report_segments=1_820)]
    daily = play(metered, QUARTER, daily=True)
    assert [usage.day for usage in daily] == list(QUARTER.days())
    assert [usage.sms.reports for usage in daily] == [10] * 91
    by_month = play(metered, QUARTER, daily=False)
    february = [usage for usage in daily if usage.day.month == 2]
    assert sum_up(february) == sum_up(by_month[1:2])


def test_nothing_falls_into_the_night() -> None:
    """When a simulation ran says nothing about when inspectors work."""
    metered = use(bytes_up=10, night_bytes=10, kib=1, night_kib=1)
    (played,) = play([metered], Period(date(2008, 1, 1), date(2008, 1, 1)), daily=True)
    assert (played.traffic.night_bytes, played.traffic.night_kib) == (0, 0)


def test_sessions_are_shifts() -> None:
    """7 days, 5 shifts: 5 x 17,872 + 1,000 bytes are 18,072 a session, 17.65 KiB, so 18 each."""
    week = Period(date(2008, 1, 7), date(2008, 1, 13))
    (played,) = play([use(bytes_up=1_000, kib=1)], week, daily=False)
    assert played.traffic.kib == 5 * 18
    (played,) = play([use(bytes_up=1_000, kib=95)], week, daily=False)
    assert played.traffic.kib == 95


def test_one_link_of_a_device_stands() -> None:
    """The one that carried most; a task, of which nobody notes the way, and a device of which no
    traffic was metered, get nothing on top.
    """
    metered = [
        use(transport="tcp", bytes_up=10),
        use(transport="mqtt", bytes_up=20),
        use(transport=None, tasks=1),
        use(device=2, reports=1),
    ]
    played = play(metered, QUARTER, daily=False)
    idle = {(u.device, u.transport): u.idle_bytes for u in played if u.day == QUARTER.first}
    assert [key for key, count in idle.items() if count] == [(1, "mqtt")]


@given(
    st.lists(
        st.builds(
            use,
            st.dates(date(2026, 1, 1), date(2026, 1, 3)).map(date.isoformat),
            st.integers(1, 3),
            st.sampled_from(["tcp", "mqtt", None]),
            bytes_up=st.integers(0, 10**6),
            bytes_down=st.integers(0, 10**6),
            reports=st.integers(0, 500),
            answer_segments=st.integers(0, 9),
        ),
        max_size=8,
    ),
    st.dates(date(2008, 1, 1), date(2008, 2, 1)),
    st.integers(0, 100),
    st.booleans(),
)
def test_nothing_is_lost(
    metered: list[Usage],
    first: date,
    days: int,
    daily: bool,  # noqa: FBT001 - drawn by Hypothesis
) -> None:
    """Whatever the period: the sums stay, but for what is added and said to be."""
    period = Period(first, date.fromordinal(first.toordinal() + days))
    before, after = sum_up(metered), sum_up(play(metered, period, daily=daily))
    assert (after.reports, after.sms_segments_up) == (before.reports, before.sms_segments_up)
    bytes_before = before.bytes_up + before.bytes_down
    assert after.bytes_up + after.bytes_down == bytes_before + after.idle_bytes
    assert after.idle_bytes % (count_shifts(period) * A_SHIFT) == 0
