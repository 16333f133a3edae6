"""The bill: what the metered traffic costs under each tariff, beside the same work by SMS."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from gateway.cost.break_even import BreakEven, break_even
from gateway.cost.cards import CardMonth, card_months, used, whole_period
from gateway.cost.charge import MONTHS_A_YEAR, UNSCALED, Charge, Scale, mean_month
from gateway.cost.data_charge import data_charges
from gateway.cost.groups import GroupBy, Groups, Key
from gateway.cost.period import Period
from gateway.cost.played import play
from gateway.cost.sms_charge import sms_charges
from gateway.cost.tariff import Tariff
from gateway.cost.totals import Totals, ratio, sum_up
from gateway.cost.usage import Usage

__all__ = [
    "BreakEven",
    "Group",
    "GroupBy",
    "Line",
    "Period",
    "Statement",
    "Totals",
    "make_statement",
]

_HUNDREDTH_OF_A_CENT: Final = Decimal("0.0001")
_TENTH: Final = Decimal("0.1")


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One tariff."""

    tariff: str
    """Its id."""
    name: str
    currency: str
    assumption: bool
    is_sms: bool
    cost: Decimal
    """Of the period, to the cent."""
    per_report: Decimal | None
    """To a hundredth of a cent; None without reports."""
    a_year: Decimal
    """What a year like this period would cost."""
    saving: Decimal | None
    """Against the first SMS tariff, in the period; None where there is none in this currency."""
    saving_a_year: Decimal | None
    saving_percent: Decimal | None
    """To a tenth; None where SMS would have cost nothing."""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A street, device, transport or day."""

    key: str
    """Code, number, name or date; empty where nothing is known."""
    totals: Totals
    costs: dict[str, Decimal]
    """By tariff; over all groups they add up to the line's cost."""


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """The whole bill."""

    period: Period
    days: int
    """That are billed: those of `played_as`, where it is set."""
    played_as: Period | None
    """The period that a simulation stands for; its days are billed then."""
    totals: Totals
    lines: list[Line]
    groups: list[Group]
    break_even: BreakEven


class _Bill(msgspec.Struct, frozen=True):
    """What one tariff charges."""

    tariff: Tariff
    charges: list[Charge]
    cents: int
    a_year_cents: int


def make_statement(
    usages: Sequence[Usage],
    period: Period,
    tariffs: Sequence[Tariff],
    *,
    by: GroupBy | None = None,
    played_as: Period | None = None,
) -> Statement:
    """Bill what was metered in a period.

    Args:
        usages: At most one for each day, device and transport.
        period: The days that they are taken from.
        tariffs: What to bill them under. Savings are against the first one for SMS.
        by: How to divide the result.
        played_as: For a simulation, which plays months in a minute: bill the traffic as if spread
            evenly over these days, and add the calculated heartbeats of standing connections, for
            which the simulation had no time.

    Raises `ValueError` for a usage outside the period and for two tariffs of one id.
    """
    _check(usages, period, tariffs)
    days = (played_as or period).count_days()
    billed = used(usages)
    if played_as is not None:
        billed = play(billed, played_as, daily=by == "day" or any(map(_counts_days, tariffs)))
    bills = _make_bills(billed, tariffs, days)
    totals = sum_up(billed)
    return Statement(
        period=period,
        days=days,
        played_as=played_as,
        totals=totals,
        lines=_lines(bills, totals.reports),
        groups=_groups(by, billed, bills) if by else [],
        break_even=break_even(),
    )


def _check(usages: Sequence[Usage], period: Period, tariffs: Sequence[Tariff]) -> None:
    if any(not period.first <= usage.day <= period.last for usage in usages):
        raise ValueError(f"a usage is not of {period.first} to {period.last}")
    if len({tariff.id for tariff in tariffs}) < len(tariffs):
        raise ValueError(f"two tariffs of one id: {[tariff.id for tariff in tariffs]}")


def _counts_days(tariff: Tariff) -> bool:
    return tariff.data is not None and tariff.data.rounding == "day"


def _make_bills(usages: Sequence[Usage], tariffs: Sequence[Tariff], days: int) -> list[_Bill]:
    """What each tariff charges in the period, and in a year: usage is scaled to a mean month, which
    is charged twelve times.
    """
    cards, cards_at_all = card_months(usages), whole_period(usages)
    bills = []
    for tariff in tariffs:
        charges = list(_charge(tariff, cards))
        a_month = _charge(tariff, cards_at_all, mean_month(days))
        a_year_cents = MONTHS_A_YEAR * sum(charge.cents for charge in a_month)
        bills.append(_Bill(tariff, charges, sum(c.cents for c in charges), a_year_cents))
    return bills


def _charge(
    tariff: Tariff, cards: Sequence[CardMonth], scale: Scale = UNSCALED
) -> Iterator[Charge]:
    if tariff.sms is not None:
        yield from sms_charges(tariff.sms, cards, scale)
    if tariff.data is not None:
        yield from data_charges(tariff.data, cards, scale)


def _lines(bills: Sequence[_Bill], reports: int) -> list[Line]:
    by_sms: dict[str, _Bill] = {}
    for bill in bills:
        if bill.tariff.sms is not None:
            by_sms.setdefault(bill.tariff.currency, bill)
    return [_line(bill, by_sms.get(bill.tariff.currency), reports) for bill in bills]


def _line(bill: _Bill, by_sms: _Bill | None, reports: int) -> Line:
    tariff, cost, a_year = bill.tariff, _money(bill.cents), _money(bill.a_year_cents)
    saving = saving_a_year = percent = None
    if by_sms is not None:
        saving = _money(by_sms.cents) - cost
        saving_a_year = _money(by_sms.a_year_cents) - a_year
        percent = ratio(saving * 100, _money(by_sms.cents), _TENTH)
    return Line(
        tariff=tariff.id,
        name=tariff.name,
        currency=tariff.currency,
        assumption=tariff.assumption,
        is_sms=tariff.sms is not None,
        cost=cost,
        per_report=ratio(cost, Decimal(reports), _HUNDREDTH_OF_A_CENT),
        a_year=a_year,
        saving=saving,
        saving_a_year=saving_a_year,
        saving_percent=percent,
    )


def _groups(by: GroupBy, usages: Sequence[Usage], bills: Sequence[_Bill]) -> list[Group]:
    groups = Groups(by, usages)
    costs = {bill.tariff.id: groups.divide(bill.charges, bill.tariff.sms) for bill in bills}
    return [
        Group(
            key=_told(key),
            totals=sum_up(own),
            costs={tariff: _money(cents[key]) for tariff, cents in costs.items()},
        )
        for key, own in groups.usages.items()
    ]


def _told(key: Key) -> str:
    return "" if key is None else str(key)


def _money(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)
