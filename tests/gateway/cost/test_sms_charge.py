"""What short messages are charged, by hand."""

from decimal import Decimal

from gateway.cost.cards import card_months, whole_period
from gateway.cost.charge import Basis, mean_month
from gateway.cost.sms_charge import sms_charges
from gateway.cost.tariff import SmsPrices
from tests.helpers.usages import use

PRICES = SmsPrices(up=Decimal("0.1"), down=Decimal("0.05"))
USAGES = [
    use("2008-01-01", report_segments=4, confirmation_segments=2),
    use("2008-01-02", answer_segments=1, task_segments=1),
    use("2008-02-01", report_segments=1),
]


def test_each_way_has_its_price() -> None:
    """January 5 x 0.1 + 3 x 0.05 = 0.65, February 0.1."""
    charges = list(sms_charges(PRICES, card_months(USAGES)))
    assert [(charge.cents, charge.basis) for charge in charges] == [
        (65, Basis.MESSAGES),
        (10, Basis.MESSAGES),
    ]


def test_a_mean_month() -> None:
    """0.75 yuan in 60 days are 0.75 x 365 / 720 = 0.3802 in a mean month."""
    (charge,) = sms_charges(PRICES, whole_period(USAGES), mean_month(60))
    assert charge.cents == 38


def test_fractions_of_a_cent() -> None:
    """Three segments at 0.0015 are 0.0045: rounded down once, not three times up."""
    prices = SmsPrices(up=Decimal("0.0015"), down=Decimal(0))
    (charge,) = sms_charges(prices, card_months([use(report_segments=3)]))
    assert charge.cents == 0
    (charge,) = sms_charges(prices, card_months([use(report_segments=4)]))
    assert charge.cents == 1
