"""Sums that are charged, in whole cents, and what they are charged for."""

from collections.abc import Sequence
from decimal import Decimal
from enum import Enum, unique
from typing import Final

import msgspec

from gateway.cost.cards import CardMonth

CENTS: Final = 100
"""Of a currency unit."""

DAYS_A_YEAR: Final = 365
MONTHS_A_YEAR: Final = 12


@unique
class Basis(Enum):
    """What a charge is divided by when a bill is divided into groups."""

    DAYS = "days"
    """Evenly over the days on which the card was used: a fee does not depend on traffic."""
    BYTES = "bytes"
    """In proportion to what the link carried."""
    MESSAGES = "messages"
    """In proportion to the price of the short messages."""


class Charge(msgspec.Struct, frozen=True):
    """One item of a bill: of one card and month, or of a pool of cards in a month."""

    cents: int
    basis: Basis
    cards: Sequence[CardMonth]


class Scale(msgspec.Struct, frozen=True):
    """By how much usage is multiplied before it is charged."""

    numerator: int = 1
    denominator: int = 1


UNSCALED: Final = Scale()
"""Usage as it was."""


def to_cents(price: Decimal, units: int = 1, scale: Scale = UNSCALED) -> int:
    """The price of so many units in cents, half a cent rounded up. Exact until then."""
    numerator, denominator = price.as_integer_ratio()
    numerator *= units * scale.numerator * CENTS
    denominator *= scale.denominator
    return (2 * numerator + denominator) // (2 * denominator)


def mean_month(days: int) -> Scale:
    """From so many days to a twelfth of a year of 365."""
    return Scale(DAYS_A_YEAR, MONTHS_A_YEAR * days)
