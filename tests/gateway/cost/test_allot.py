"""Whole numbers divided, so that the parts add up."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.cost.allot import GRAINS, spread, whole_cents


def test_in_proportion() -> None:
    """Nothing is left over when it divides evenly."""
    assert spread(60, [1, 2, 3]) == [10, 20, 30]


def test_what_does_not_divide_evenly() -> None:
    """10 over three days: due after each 3.33, 6.67, 10, rounded down 3, 6, 10."""
    assert spread(10, [1, 1, 1]) == [3, 3, 4]


def test_without_weights_all_are_equal() -> None:
    """There is no proportion to keep."""
    assert spread(9, [0, 0, 0]) == [3, 3, 3]


def test_a_weight_of_nothing_gets_nothing() -> None:
    """Wherever it stands."""
    assert spread(7, [0, 5, 0]) == [0, 7, 0]


@given(st.integers(0, 10**15), st.lists(st.integers(0, 10**12), min_size=1, max_size=50))
def test_shares_add_up(amount: int, weights: list[int]) -> None:
    """And none is off its due by one or more."""
    shares = spread(amount, weights)
    assert sum(shares) == amount
    whole = sum(weights)
    if whole:
        for share, weight in zip(shares, weights, strict=True):
            assert abs(share * whole - amount * weight) < whole


def test_largest_remainder_gets_the_cent() -> None:
    """0.6, 0.3 and 1.1 cents are 0, 0 and 1, and the cent that is left goes to the first."""
    grains = {"a": GRAINS * 6 // 10, "b": GRAINS * 3 // 10, "c": GRAINS * 11 // 10}
    assert whole_cents(grains) == {"a": 1, "b": 0, "c": 1}


def test_nothing_to_divide() -> None:
    """No group, no cents."""
    assert whole_cents({}) == {}
