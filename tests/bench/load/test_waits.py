"""Waits by the handset's clock."""

import pytest

from bench.load.waits import Stopwatch, thinned


def test_each_report_waits_from_its_own_frame() -> None:
    """An ack may cover a part of what was sent at once, or several of them."""
    watch = Stopwatch()
    watch.sent(3, 1.0)
    watch.sent(5, 2.0)
    assert watch.acked(2, 3.0) == [(2_000, 2)]
    assert watch.acked(5, 4.0) == [(3_000, 1), (2_000, 2)]


def test_what_is_acked_again_has_waited_once() -> None:
    """Nor does an ack count for what was not sent."""
    watch = Stopwatch()
    watch.sent(1, 1.0)
    assert watch.acked(9, 2.0) == [(1_000, 1)]
    assert watch.acked(9, 3.0) == []


@pytest.mark.parametrize(
    "waits,samples,expected",
    [
        ([], 3, []),
        ([(5.0, 2)], 3, [5.0, 5.0]),
        ([(9.0, 1), (1.0, 1)], 2, [1.0, 9.0]),
        ([(1.0, 98), (7.0, 2)], 50, [1.0] * 49 + [7.0]),
        ([(float(n), 1) for n in range(9)], 3, [1.0, 4.0, 7.0]),
    ],
)
def test_thinned(waits: list[tuple[float, int]], samples: int, expected: list[float]) -> None:
    """Few are kept all; of many the middle of each part."""
    assert thinned(waits, samples) == expected
