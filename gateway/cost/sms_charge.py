"""What short messages are charged: each segment its price, no fee, nothing included."""

from collections.abc import Iterator, Sequence

from gateway.cost.cards import CardMonth
from gateway.cost.charge import UNSCALED, Basis, Charge, Scale, to_cents
from gateway.cost.tariff import SmsPrices


def sms_charges(
    prices: SmsPrices, cards: Sequence[CardMonth], scale: Scale = UNSCALED
) -> Iterator[Charge]:
    """One charge for each card and month: segments up and down at their prices, to the cent."""
    for card in cards:
        price = card.segments_up * prices.up + card.segments_down * prices.down
        yield Charge(to_cents(price, scale=scale), Basis.MESSAGES, [card])
