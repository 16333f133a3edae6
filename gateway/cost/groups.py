"""Divides a bill among streets, devices, transports or days, so that the parts add up to it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final, Literal

from gateway.cost.allot import GRAINS, spread, whole_cents
from gateway.cost.cards import CardMonth, segments_down, segments_up
from gateway.cost.charge import Basis, Charge
from gateway.cost.tariff import MAX_PRICE_DECIMALS, SmsPrices
from gateway.cost.usage import Usage

GroupBy = Literal["street", "device", "transport", "day"]

Key = int | str | date | None
"""What usages of one group have in common; None where it is not known."""

_PRICE_PARTS: Final = 10**MAX_PRICE_DECIMALS


class Groups:
    """The usages in groups.

    A fee is divided evenly over the days on which its card was used, and within a day as traffic
    is: in proportion to bytes. Short messages are divided as they are priced.
    """

    def __init__(self, by: GroupBy, usages: Iterable[Usage]) -> None:
        self._by = by
        found: dict[Any, list[Usage]] = {}
        for usage in usages:
            found.setdefault(getattr(usage, by), []).append(usage)
        self.usages: Mapping[Key, Sequence[Usage]] = {
            key: found[key] for key in sorted(found, key=lambda key: (key is None, key))
        }
        """By key, in order; what is not known comes last."""
        self._weights: dict[tuple[int, int, Basis], dict[Key, int]] = {}

    def divide(self, charges: Iterable[Charge], sms: SmsPrices | None) -> dict[Key, int]:
        """Cents of each group. They add up to those of the charges.

        Args:
            charges: All of one tariff.
            sms: Its prices of short messages.
        """
        grains: dict[Key, int] = dict.fromkeys(self.usages, 0)
        for charge in charges:
            weights: dict[Key, int] = {}
            for card in charge.cards:
                for key, weight in self._weigh(card, charge.basis, sms).items():
                    weights[key] = weights.get(key, 0) + weight
            shares = spread(charge.cents * GRAINS, list(weights.values()))
            for key, share in zip(weights, shares, strict=True):
                grains[key] += share
        return whole_cents(grains)

    def _weigh(self, card: CardMonth, basis: Basis, sms: SmsPrices | None) -> Mapping[Key, int]:
        """Each group's part in a card's month."""
        if sms is not None:
            up, down = int(sms.up * _PRICE_PARTS), int(sms.down * _PRICE_PARTS)
            return self._sum(
                card.usages, lambda usage: segments_up(usage) * up + segments_down(usage) * down
            )
        place = (card.device, card.month, basis)
        weights = self._weights.get(place)
        if weights is None:
            by_basis = self._days if basis is Basis.DAYS else self._bytes
            weights = self._weights[place] = by_basis(card.usages)
        return weights

    def _bytes(self, usages: Iterable[Usage]) -> dict[Key, int]:
        return self._sum(usages, _carried)

    def _days(self, usages: Iterable[Usage]) -> dict[Key, int]:
        """The same for each day, divided in proportion to the day's bytes."""
        weights: dict[Key, int] = {}
        days: dict[date, list[Usage]] = {}
        for usage in usages:
            days.setdefault(usage.day, []).append(usage)
        for own in days.values():
            shares = spread(GRAINS, [_carried(usage) for usage in own])
            for usage, share in zip(own, shares, strict=True):
                key = getattr(usage, self._by)
                weights[key] = weights.get(key, 0) + share
        return weights

    def _sum(self, usages: Iterable[Usage], weigh: Callable[[Usage], int]) -> dict[Key, int]:
        weights: dict[Key, int] = {}
        for usage in usages:
            key = getattr(usage, self._by)
            weights[key] = weights.get(key, 0) + weigh(usage)
        return weights


def _carried(usage: Usage) -> int:
    return usage.traffic.bytes_up + usage.traffic.bytes_down
