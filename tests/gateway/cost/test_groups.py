"""A bill divided, by hand."""

from datetime import date

from gateway.cost.cards import card_months
from gateway.cost.charge import Charge
from gateway.cost.data_charge import data_charges
from gateway.cost.groups import Groups
from gateway.cost.sms_charge import sms_charges
from gateway.cost.usage import Usage
from tests.helpers.usages import data_prices, sms_tariff, use


def fee(usages: list[Usage], yuan: int) -> list[Charge]:
    """The fees of the cards; their traffic is free."""
    return list(data_charges(data_prices(fee=yuan, price=0), card_months(usages)))


def test_keys_stand_in_order_and_the_unknown_last() -> None:
    """Numbers by value, None at the end."""
    usages = [use(street=None), use(street=9, bytes_up=1), use(street=10), use(street=9)]
    groups = Groups("street", usages)
    assert list(groups.usages) == [9, 10, None]
    assert len(groups.usages[9]) == 2


def test_a_fee_by_day() -> None:
    """1.00 yuan over the three days on which the card was used, whatever it carried: 0.33 each,
    and the cent left over goes to one of them, because their remainders are 1/3 each.
    """
    usages = [use(f"2008-01-0{day}", bytes_up=10**day) for day in (1, 2, 3)]
    cents = Groups("day", usages).divide(fee(usages, 1), None)
    assert sorted(cents.values()) == [33, 33, 34]


def test_a_fee_by_transport() -> None:
    """Two days at 1.00 each: the first 3 to 1 by bytes, the second, with messages only, halved."""
    usages = [
        use("2008-01-01", transport="tcp", bytes_up=300),
        use("2008-01-01", transport="mqtt", bytes_up=100),
        use("2008-01-02", transport="tcp", reports=1),
        use("2008-01-02", transport="mqtt", reports=1),
    ]
    cents = Groups("transport", usages).divide(fee(usages, 2), None)
    assert cents == {"mqtt": 25 + 50, "tcp": 75 + 50}


def test_a_fee_of_a_device_is_its_own() -> None:
    """However little it carried, and in a pool too."""
    usages = [use(device=1, bytes_up=1), use(device=2, bytes_up=10**9)]
    charges = data_charges(data_prices(fee=20, price=0, pooled=True), card_months(usages))
    assert Groups("device", usages).divide(charges, None) == {1: 2_000, 2: 2_000}


def test_traffic_by_bytes() -> None:
    """4 KiB at 0.01: 3 to 1."""
    usages = [use(street=1, bytes_up=3_072), use(street=2, device=2, bytes_down=1_024)]
    charges = data_charges(data_prices(pooled=True), card_months(usages))
    assert Groups("street", usages).divide(charges, None) == {1: 3, 2: 1}


def test_messages_by_their_price() -> None:
    """2 up at 0.1 and 1 down at 0.05 on one day, 1 down on the other."""
    sms = sms_tariff(up="0.1", down="0.05").sms
    assert sms is not None
    usages = [
        use("2008-01-01", report_segments=2, confirmation_segments=1),
        use("2008-01-02", transport=None, task_segments=1),
    ]
    cents = Groups("day", usages).divide(sms_charges(sms, card_months(usages)), sms)
    assert cents == {date(2008, 1, 1): 25, date(2008, 1, 2): 5}


def test_rounding_does_not_favour_a_group() -> None:
    """Ten cards of one fee of 0.01 each over two days: 5 and 5, not 10 and 0."""
    usages = [use(f"2008-01-0{day}", n, bytes_up=1) for n in range(10) for day in (1, 2)]
    charges = list(data_charges(data_prices(fee="0.01", price=0), card_months(usages)))
    assert list(Groups("day", usages).divide(charges, None).values()) == [5, 5]


def test_a_charge_without_anything_to_divide_it_by() -> None:
    """Units begun by sessions, of which no bytes were metered: evenly."""
    usages = [use("2008-01-01", kib=1), use("2008-01-02", kib=1)]
    charges = data_charges(data_prices(rounding="session"), card_months(usages))
    assert list(Groups("day", usages).divide(charges, None).values()) == [1, 1]
