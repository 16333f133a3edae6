"""Sums of traffic by day, device and transport."""

from datetime import UTC, date, datetime

import pytest

from gateway.parcel import Transport
from gateway.traffic_account import Moment, TrafficAccount, kib_begun, moment_of

DAY = date(2026, 11, 24)
BY_DAY, BY_NIGHT = Moment(DAY, is_night=False), Moment(DAY, is_night=True)


def at(text: str) -> float:
    """Unix time of a moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "utc, day, is_night",
    [
        ("2026-11-24T14:59:59", 24, False),
        ("2026-11-24T15:00:00", 24, True),
        ("2026-11-24T15:59:59.999", 24, True),
        ("2026-11-24T16:00:00", 25, True),
        ("2026-11-24T22:59:59", 25, True),
        ("2026-11-24T23:00:00", 25, False),
    ],
)
def test_days_and_nights_are_those_of_china(utc: str, day: int, *, is_night: bool) -> None:
    """Night is from 23:00 to 07:00, and midnight is in it."""
    assert moment_of(at(utc)) == Moment(date(2026, 11, day), is_night)


@pytest.mark.parametrize("count, kib", [(0, 0), (1, 1), (1_024, 1), (1_025, 2)])
def test_a_begun_kib_is_a_whole_one(count: int, kib: int) -> None:
    """At the bound and just past it."""
    assert kib_begun(count) == kib


def test_sums_are_sorted_by_key() -> None:
    """By day, device, transport, whatever came first."""
    account = TrafficAccount()
    later = Moment(date(2026, 11, 25), is_night=False)
    account.add(2, Transport.TCP, later, up=1)
    account.add(1, Transport.TCP, BY_DAY, up=1)
    account.add(1, Transport.MQTT, BY_DAY, up=1)
    assert [row[:3] for row in account.take()] == [
        (DAY, 1, "mqtt"),
        (DAY, 1, "tcp"),
        (later.day, 2, "tcp"),
    ]


def test_what_falls_into_the_night() -> None:
    """Is in the day's sums too."""
    account = TrafficAccount()
    account.add(1, Transport.TCP, BY_DAY, up=10, down=20, kib=1, connections=1)
    account.add(1, Transport.TCP, BY_NIGHT, up=3, down=4, kib=2)
    assert account.take() == [(DAY, 1, "tcp", 13, 24, 7, 3, 2, 1)]


def test_what_was_taken_is_gone() -> None:
    """Each sum is written once."""
    account = TrafficAccount()
    account.add(1, Transport.TCP, BY_DAY, up=1)
    assert len(account) == 1
    account.take()
    assert (len(account), account.take()) == (0, [])


def test_the_bound() -> None:
    """A full account still adds to what it has, and takes no new sum."""
    account = TrafficAccount(most_rows=2)
    assert account.add(1, Transport.TCP, BY_DAY, up=1)
    assert account.add(2, Transport.TCP, BY_DAY, up=1)
    assert not account.add(3, Transport.TCP, BY_DAY, up=1)
    assert account.add(2, Transport.TCP, BY_DAY, up=1)
    assert [row[1:4] for row in account.take()] == [(1, "tcp", 1), (2, "tcp", 2)]
