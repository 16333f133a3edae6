"""Dividing whole numbers so that the parts add up to them exactly."""

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

Key = TypeVar("Key")

GRAINS: Final = 1_000_000
"""Parts of a cent. A sum is divided into these for each card and month, and only what a group has
of all cards together is brought to whole cents: else each card would round in favour of the same
group."""


def spread(amount: int, weights: Sequence[int]) -> list[int]:
    """Shares of an amount in proportion to the weights. They add up to it exactly, and none is off
    by one or more. Without any weight all are equal; there must be at least one.
    """
    whole = sum(weights)
    if not whole:
        weights, whole = [1] * len(weights), len(weights)
    shares, seen, given = [], 0, 0
    for weight in weights:
        seen += weight
        due = amount * seen // whole
        shares.append(due - given)
        given = due
    return shares


def whole_cents(grains: Mapping[Key, int]) -> dict[Key, int]:
    """Grains of each group as cents, by largest remainder: the groups with the largest parts of a
    cent get those that rounding down leaves over. The grains of all together are whole cents.
    """
    cents = {key: amount // GRAINS for key, amount in grains.items()}
    left_over = sum(grains.values()) // GRAINS - sum(cents.values())
    by_remainder = sorted(grains, key=lambda key: grains[key] % GRAINS, reverse=True)
    for key in by_remainder[:left_over]:
        cents[key] += 1
    return cents
