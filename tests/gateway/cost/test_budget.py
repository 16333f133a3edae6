"""A month's cost while it lasts, reckoned by hand."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from gateway.cost.budget import (
    PROJECTS_AFTER_DAYS,
    Excess,
    Outlook,
    Sums,
    find_excess,
    look_ahead,
    month_of,
)
from gateway.cost.period import Period
from gateway.cost.tariff import DataPrices
from gateway.cost.usage import Traffic, Usage

MIB = 1_048_576

PLAN = DataPrices(fee=Decimal(20), allowance_bytes=10 * MIB, price=Decimal("0.01"), unit_bytes=1024)
"""20.00 a month with 10 MiB, 0.01 for each further KiB."""


def at(china: str) -> int:
    """Unix time of a moment in China."""
    return int(datetime.fromisoformat(f"{china}+08:00").timestamp())


def usage(day: int, device: int, up: int, down: int = 0, **more: int) -> Usage:
    """What a device's link carried on a day of April 2026, which has 30."""
    traffic = Traffic(bytes_up=up, bytes_down=down, connections=1, **more)
    return Usage(
        day=date(2026, 4, day), device=device, transport="tcp", street=None, traffic=traffic
    )


def sums(spent: str, projected: str) -> Sums:
    """Sums of money."""
    return Sums(Decimal(spent), Decimal(projected))


@pytest.mark.parametrize(
    "moment, first, last",
    [
        ("2026-04-01T00:00:00", date(2026, 4, 1), date(2026, 4, 30)),
        ("2026-04-30T23:59:59", date(2026, 4, 1), date(2026, 4, 30)),
        ("2026-02-28T12:00:00", date(2026, 2, 1), date(2026, 2, 28)),
        ("2028-02-10T12:00:00", date(2028, 2, 1), date(2028, 2, 29)),
        ("2026-12-31T23:59:59", date(2026, 12, 1), date(2026, 12, 31)),
    ],
)
def test_a_month_begins_and_ends_in_china(moment: str, first: date, last: date) -> None:
    """To the second, in short months and at the end of the year."""
    assert month_of(at(moment)) == Period(first, last)


def test_the_month_in_china_is_ahead_of_that_in_greenwich() -> None:
    """The last evening of March in UTC is the first of April there."""
    evening = int(datetime(2026, 3, 31, 16, tzinfo=UTC).timestamp())
    assert month_of(evening).first == date(2026, 4, 1)
    assert month_of(evening - 1).first == date(2026, 3, 1)


def test_usage_is_extrapolated_and_then_charged() -> None:
    """After 15 of 30 days 8 MiB are within the allowance and 16 MiB will not be: 6 MiB over it are
    6144 KiB, 61.44, and the fee is paid once. 4 MiB will be 8: nothing on top.
    """
    outlook = look_ahead(
        [usage(2, 1, 6 * MIB, MIB), usage(9, 1, MIB), usage(9, 2, 4 * MIB)],
        PLAN,
        at("2026-04-16T00:00:00"),
    )
    assert outlook == Outlook(
        date(2026, 4, 1),
        sums("40.00", "101.44"),
        {1: sums("20.00", "81.44"), 2: sums("20.00", "20.00")},
    )


def test_what_is_over_the_allowance_is_spent() -> None:
    """After 20 of 30 days 12 MiB: 2 MiB over it are 20.48; 18 MiB will be 8 over it, 81.92."""
    outlook = look_ahead([usage(5, 1, 12 * MIB)], PLAN, at("2026-04-21T00:00:00"))
    assert outlook.together == sums("40.48", "101.92")


def test_a_pool_is_divided_by_bytes() -> None:
    """24 MiB of two cards that share 20: 4 MiB over it are 40.96, three quarters of them for the
    device with three quarters of the bytes. At the end of the month nothing is added.
    """
    pooled = DataPrices(
        fee=Decimal(20),
        allowance_bytes=10 * MIB,
        price=Decimal("0.01"),
        unit_bytes=1024,
        pooled=True,
    )
    outlook = look_ahead(
        [usage(5, 1, 18 * MIB), usage(5, 2, 6 * MIB)], pooled, at("2026-05-01T00:00:00") - 1
    )
    assert outlook.together.spent == Decimal("80.96")
    assert [s.spent for s in outlook.devices.values()] == [Decimal("50.72"), Decimal("30.24")]


@pytest.mark.parametrize(
    "seconds, projected",
    [(-1, "20.00"), (0, "20.00"), (1, "20.00")],
)
def test_a_light_month_costs_its_fee(seconds: int, projected: str) -> None:
    """Before and after projections begin."""
    begin = at("2026-04-01T00:00:00") + PROJECTS_AFTER_DAYS * 86_400
    outlook = look_ahead([usage(1, 1, 1)], PLAN, begin + seconds)
    assert outlook.together == sums("20.00", projected)


@pytest.mark.parametrize(
    "seconds, projected",
    # 2 MiB in three days are 20 MiB in thirty: 10 over the allowance, 102.40.
    [(0, "122.40"), (-1, "20.00")],
)
def test_the_first_days_are_not_extrapolated(seconds: int, projected: str) -> None:
    """One second before the third day is over nothing is projected."""
    begin = at("2026-04-01T00:00:00") + PROJECTS_AFTER_DAYS * 86_400
    outlook = look_ahead([usage(1, 1, 2 * MIB)], PLAN, begin + seconds)
    assert outlook.together == sums("20.00", projected)


def test_nothing_used_costs_nothing() -> None:
    """No device, no fee; neither is one that only has empty rows."""
    nothing = Outlook(date(2026, 4, 1), sums("0.00", "0.00"), {})
    assert look_ahead([], PLAN, at("2026-04-16T00:00:00")) == nothing
    idle = Usage(day=date(2026, 4, 2), device=1, transport="tcp", street=None)
    assert look_ahead([idle], PLAN, at("2026-04-16T00:00:00")) == nothing


OUTLOOK = Outlook(
    date(2026, 4, 1),
    sums("40.00", "101.44"),
    {1: sums("20.00", "81.44"), 2: sums("20.00", "20.00")},
)


def test_who_will_exceed_a_budget() -> None:
    """All together, and the device."""
    assert find_excess(OUTLOOK, Decimal(50), Decimal(100)) == [
        Excess(None, Decimal(100), OUTLOOK.together),
        Excess(1, Decimal(50), OUTLOOK.devices[1]),
    ]


def test_a_budget_that_is_just_used_up_is_kept() -> None:
    """A cent less is not."""
    assert find_excess(OUTLOOK, Decimal("81.44"), Decimal("101.44")) == []
    found = find_excess(OUTLOOK, Decimal("81.43"), Decimal("101.43"))
    assert [excess.device for excess in found] == [None, 1]


def test_without_a_budget_nothing_exceeds_it() -> None:
    """Neither kind."""
    assert find_excess(OUTLOOK, None, None) == []
