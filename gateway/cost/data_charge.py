"""What data traffic is charged: a fee for each card and month, and units over the allowance."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter

from gateway.cost.cards import CardMonth
from gateway.cost.charge import UNSCALED, Basis, Charge, Scale, to_cents
from gateway.cost.tariff import DataPrices
from gateway.cost.usage import KIB


def data_charges(
    prices: DataPrices, cards: Sequence[CardMonth], scale: Scale = UNSCALED
) -> Iterator[Charge]:
    """A fee and a charge for traffic, to the cent.

    The fee is charged whole for each card and calendar month with any usage: operators sell months,
    and a card that was used on one day has been paid for the month. Traffic is charged for each
    card and month, or, pooled, for all cards of a month together.
    """
    fee = to_cents(prices.fee)
    if fee:
        yield from (Charge(fee, Basis.DAYS, [card]) for card in cards)
    for account in _accounts(prices, cards):
        units = _units_over_allowance(prices, account, scale)
        if units:
            yield Charge(to_cents(prices.price, units), Basis.BYTES, account)


def _accounts(prices: DataPrices, cards: Sequence[CardMonth]) -> Iterator[Sequence[CardMonth]]:
    """The cards that share an allowance."""
    if not prices.pooled:
        yield from ([card] for card in cards)
        return
    by_month = attrgetter("month")
    for _, pool in groupby(sorted(cards, key=by_month), by_month):
        yield list(pool)


def _units_over_allowance(prices: DataPrices, account: Sequence[CardMonth], scale: Scale) -> int:
    """Units to pay for, a begun one counted whole. All in integers: the night factor is a ratio,
    and the bytes are multiplied by its denominator.
    """
    night, day = prices.night_factor.as_integer_ratio()
    counted = sum(_counted(prices, card, night, day) for card in account) * scale.numerator
    included = prices.allowance_bytes * len(account) * day * scale.denominator
    unit = prices.unit_bytes * day * scale.denominator
    return max(-((included - counted) // unit), 0)


def _counted(prices: DataPrices, card: CardMonth, night: int, day: int) -> int:
    """The bytes that a card is charged for, times `day`: those of the day count `day`, those of
    the night `night`, and begun units are filled up as the tariff says.
    """
    if prices.rounding == "session":
        return (card.kib * day - card.night_kib * (day - night)) * KIB
    if prices.rounding == "month":
        return card.bytes * day - card.night_bytes * (day - night)
    unit = prices.unit_bytes * day
    counted = (whole * day - at_night * (day - night) for whole, at_night in card.days())
    return sum(-(-amount // unit) * unit for amount in counted)
