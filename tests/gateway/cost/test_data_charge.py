"""What data traffic is charged, by hand: a cent for each KiB unless the test says otherwise."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cost.cards import card_months, whole_period
from gateway.cost.charge import Basis, mean_month
from gateway.cost.data_charge import data_charges
from gateway.cost.usage import Usage
from tests.helpers.usages import data_prices, use

KIB = 1024


def cents(usages: Sequence[Usage], **prices: Any) -> int:
    """The sum of all charges."""
    charges = data_charges(data_prices(**prices), card_months(usages))
    return sum(charge.cents for charge in charges)


@pytest.mark.parametrize(
    "carried, due", [(0, 0), (1, 1), (KIB, 1), (KIB + 1, 2), (10 * KIB, 10), (10 * KIB + 1, 11)]
)
def test_a_begun_unit_is_paid_whole(carried: int, due: int) -> None:
    """Both directions count together."""
    assert cents([use(bytes_up=carried)]) == due
    assert cents([use(bytes_up=carried // 2, bytes_down=carried - carried // 2)]) == due


@pytest.mark.parametrize("rounding, due", [("session", 9), ("day", 6), ("month", 5)])
def test_each_rounding(rounding: str, due: int) -> None:
    """4,800 bytes. Month: 4.69 KiB, so 5. Day: 1,100 and 3,700 bytes are 1.07 and 3.61, so 2 + 4.
    Session: the meter counted 4 and 5 KiB begun by connections.
    """
    usages = [
        use("2008-01-01", bytes_up=1_000, bytes_down=100, kib=4),
        use("2008-01-02", bytes_up=3_700, kib=5),
    ]
    assert cents(usages, rounding=rounding) == due


def test_one_day_over_two_transports_is_rounded_once() -> None:
    """The operator sees one card: 512 + 512 bytes are one KiB."""
    usages = [use(transport="tcp", bytes_up=512), use(transport="mqtt", bytes_up=512)]
    assert cents(usages, rounding="day") == 1


@pytest.mark.parametrize("rounding, due", [("session", 8), ("day", 6), ("month", 6)])
def test_night_counts_by_its_factor(rounding: str, due: int) -> None:
    """8 KiB, 5 of them at night at 0.5: 3 + 2.5 = 5.5, so 6. Sessions began 10 KiB, 5 of them at
    night: 5 + 2.5 = 7.5, so 8.
    """
    usage = use(bytes_up=8 * KIB, night_bytes=5 * KIB, kib=10, night_kib=5)
    assert cents([usage], rounding=rounding, night_factor="0.5") == due


def test_a_night_that_is_free() -> None:
    """Factor 0: only the day's 3 KiB."""
    assert cents([use(bytes_up=8 * KIB, night_bytes=5 * KIB)], night_factor=0) == 3


@pytest.mark.parametrize("carried, due", [(0, 0), (50 * KIB, 0), (50 * KIB + 1, 1)])
def test_the_edge_of_the_allowance(carried: int, due: int) -> None:
    """Exactly the allowance is included, one byte more is a whole unit."""
    assert cents([use(bytes_up=carried)], allowance_bytes=50 * KIB) == due


def test_an_allowance_that_is_no_multiple_of_the_unit() -> None:
    """1,500 bytes included: of 2,525 bytes 1,025 are over, which is 1 KiB and 1 byte, so 2."""
    assert cents([use(bytes_up=2_524)], allowance_bytes=1_500) == 1
    assert cents([use(bytes_up=2_525)], allowance_bytes=1_500) == 2


def test_the_fee_is_for_each_card_and_month() -> None:
    """Card 1 in January and February, card 2 in February on one day: three fees of 20."""
    usages = [
        use("2008-01-31", bytes_up=1),
        use("2008-02-01", bytes_up=1),
        use("2008-02-29", device=2, reports=1),
    ]
    charges = list(data_charges(data_prices(fee=20, allowance_bytes=KIB), card_months(usages)))
    assert [(charge.cents, charge.basis) for charge in charges] == [(2_000, Basis.DAYS)] * 3


def test_each_month_has_its_allowance() -> None:
    """10 KiB in each of two months with 8 included: 2 + 2. In one month: 12."""
    two = [use("2008-01-31", bytes_up=10 * KIB), use("2008-02-01", bytes_up=10 * KIB)]
    one = [use("2008-01-30", bytes_up=10 * KIB), use("2008-01-31", bytes_up=10 * KIB)]
    assert cents(two, allowance_bytes=8 * KIB) == 4
    assert cents(one, allowance_bytes=8 * KIB) == 12


def test_a_pool_shares_allowances() -> None:
    """Cards with 2 and 12 KiB and 8 included each: apart 0 + 4, pooled 14 of 16. In February one
    card with 9 has an allowance of 8 to itself: 1.
    """
    usages = [
        use("2008-01-01", device=1, bytes_up=2 * KIB),
        use("2008-02-01", device=1, bytes_up=9 * KIB),
        use("2008-01-01", device=2, bytes_up=12 * KIB),
    ]
    assert cents(usages, allowance_bytes=8 * KIB) == 5
    assert cents(usages, allowance_bytes=8 * KIB, pooled=True) == 1


def test_a_pool_rounds_once() -> None:
    """Two cards with half a KiB each: two units apart, one pooled."""
    usages = [use(device=1, bytes_up=512), use(device=2, bytes_up=512)]
    assert cents(usages) == 2
    assert cents(usages, pooled=True) == 1


def test_a_price_below_a_cent() -> None:
    """3 units at 0.0015 are 0.0045, nothing; 4 are 0.006, a cent. Each card and month by itself."""
    assert cents([use(bytes_up=3 * KIB)], price="0.0015") == 0
    assert cents([use(bytes_up=4 * KIB)], price="0.0015") == 1
    assert cents([use(device=n, bytes_up=4 * KIB) for n in (1, 2)], price="0.0015") == 2


def test_a_mean_month() -> None:
    """120 KiB in 30 days are 120 x 365 / 360 = 121.67 a mean month; 100 included, so 22 units. The
    fee stays a month's.
    """
    cards = whole_period([use(bytes_up=120 * KIB)])
    prices = data_prices(fee=1, allowance_bytes=100 * KIB)
    assert [charge.cents for charge in data_charges(prices, cards, mean_month(30))] == [100, 22]


def test_nothing_used_nothing_charged() -> None:
    """No card, no fee."""
    assert cents([], fee=20, pooled=True) == 0


usages = st.lists(
    st.builds(
        lambda day, device, up, night, kib: use(
            f"2008-0{day // 28 + 1}-{day % 28 + 1:02d}",
            device,
            bytes_up=up,
            night_bytes=up * night // 10,
            kib=kib,
            night_kib=kib * night // 10,
        ),
        st.integers(0, 80),
        st.integers(1, 4),
        st.integers(0, 200_000),
        st.integers(0, 10),
        st.integers(0, 300),
    ),
    max_size=12,
)
prices = st.fixed_dictionaries(
    {
        "fee": st.integers(0, 50),
        "allowance_bytes": st.integers(0, 300_000),
        "price": st.sampled_from(["0", "0.01", "0.29", "3"]),
        "unit_bytes": st.sampled_from([1, 1_000, 1_024, 65_536]),
        "rounding": st.sampled_from(["day", "month"]),
        "night_factor": st.sampled_from(["0", "0.25", "0.3333", "1"]),
    }
)


@given(usages, prices)
def test_a_pool_never_costs_more(used: list[Usage], chosen: dict[str, Any]) -> None:
    """Where prices are whole cents, so that no rounding to cents comes between."""
    assert cents(used, pooled=True, **chosen) <= cents(used, **chosen)


@given(usages, prices, st.booleans(), st.integers(1, 10**6), st.data())
def test_more_never_costs_less(
    used: list[Usage],
    chosen: dict[str, Any],
    pooled: bool,  # noqa: FBT001 - drawn by Hypothesis
    more: int,
    data: st.DataObject,
) -> None:
    """Whichever card carries more on whichever day."""
    place = data.draw(st.integers(0, len(used)))
    extra = used[place] if place < len(used) else use()
    grown = [*used, use(extra.day.isoformat(), extra.device, bytes_up=more, kib=more // KIB)]
    for rounding in (chosen["rounding"], "session"):
        unit = KIB if rounding == "session" else chosen["unit_bytes"]
        full = {**chosen, "rounding": rounding, "unit_bytes": unit, "pooled": pooled}
        assert cents(grown, **full) >= cents(used, **full)
