"""Prices to cents."""

from decimal import Decimal

import pytest

from gateway.cost.charge import Scale, mean_month, to_cents


@pytest.mark.parametrize(
    "price, units, cents",
    [
        ("20", 1, 2000),
        ("0.004", 1, 0),
        ("0.005", 1, 1),
        ("0.0049", 100, 49),
        ("0.29", 3, 87),
        ("0", 5, 0),
        ("0.03", 0, 0),
    ],
)
def test_half_a_cent_is_rounded_up(price: str, units: int, cents: int) -> None:
    """And only the whole sum is rounded, not the price."""
    assert to_cents(Decimal(price), units) == cents


def test_a_mean_month_of_the_quarter() -> None:
    """91 days are 91 x 12 / 365 = 2.99 mean months: 91 yuan are 365 / 12 = 30.4166.. a month."""
    assert to_cents(Decimal(91), scale=mean_month(91)) == 3042


def test_scaling_is_exact() -> None:
    """A third of 0.015 is half a cent and goes up; 0.0149 does not."""
    third = Scale(1, 3)
    assert to_cents(Decimal("0.015"), scale=third) == 1
    assert to_cents(Decimal("0.0149"), scale=third) == 0
