"""Tests of the largest-remainder method."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_sim.apportion import apportion


def test_gives_the_rest_to_the_largest_remainders() -> None:
    """Quotas 4.7, 3.2 and 2.1 of ten become 5, 3 and 2."""
    assert apportion(10, [47, 32, 21]) == [5, 3, 2]


def test_equal_remainders_go_to_the_earlier_weight() -> None:
    """The result does not depend on chance."""
    assert apportion(2, [1, 1, 1]) == [1, 1, 0]


def test_nothing_to_share_needs_no_weight() -> None:
    """Zero over zero weights is zero each."""
    assert apportion(0, [0, 0]) == [0, 0]


@pytest.mark.parametrize(
    "total, weights",
    [(-1, [1.0]), (1, [-1.0, 2.0]), (1, [0.0]), (1, [])],
)
def test_refuses_what_has_no_answer(total: int, weights: list[float]) -> None:
    """Negative numbers, and something to share without any weight, are errors."""
    with pytest.raises(ValueError, match=r"negative|nothing to share"):
        apportion(total, weights)


@given(
    st.integers(0, 10**6),
    st.lists(st.floats(0.01, 1e4), min_size=1, max_size=50),
)
def test_parts_add_up_and_stay_within_one_of_their_quota(total: int, weights: list[float]) -> None:
    """The whole is met exactly, and no part is a whole unit or more off."""
    parts = apportion(total, weights)
    assert sum(parts) == total
    whole = sum(weights)
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part - total * weight / whole) < 1 + 1e-6
