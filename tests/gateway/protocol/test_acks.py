"""Acks: what was settled, in few bytes, and never anything else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.acks import MAX_REMEMBERED_BEYOND, AckTracker, covered
from gateway.protocol.limits import MAX_SEQUENCE
from gateway.protocol.messages import Ack, encode
from tests.helpers.strategies import INT_64, UNHURRIED


def _numbers(acks: list[Ack]) -> set[int]:
    return {number for ack in acks for run in covered(ack) for number in run}


def test_nothing_settled_is_nothing_to_ack() -> None:
    """A new tracker has nothing to say."""
    tracker = AckTracker(7)
    assert tracker.take_acks() == []
    tracker.settle([])
    assert tracker.take_acks() == []


def test_run_from_the_front_is_one_number() -> None:
    """Consecutive numbers from the front need no range, and are said once."""
    tracker = AckTracker()
    tracker.settle(range(1, 101))
    assert tracker.take_acks() == [Ack(100)]
    assert tracker.take_acks() == []


def test_order_does_not_matter() -> None:
    """Numbers that come backwards close the gap when the first one comes."""
    tracker = AckTracker(10)
    tracker.settle([14, 13, 12])
    assert tracker.take_acks() == [Ack(10, [2, 3])]
    tracker.settle([11])
    assert tracker.take_acks() == [Ack(14)]


def test_ranges_beyond_a_gap() -> None:
    """What lies beyond a gap is acked by offset and count."""
    tracker = AckTracker(100)
    tracker.settle([101, 103, 104, 105, 110])
    assert tracker.take_acks() == [Ack(101, [2, 3, 9, 1])]


def test_ranges_are_said_once() -> None:
    """A later ack does not repeat ranges that were acked already."""
    tracker = AckTracker()
    tracker.settle([5])
    tracker.take_acks()
    tracker.settle([9])
    assert tracker.take_acks() == [Ack(0, [9, 1])]


def test_settled_again_is_acked_again() -> None:
    """A report that is sent again had lost its ack, so it gets another."""
    tracker = AckTracker()
    tracker.settle([1, 2, 5])
    tracker.take_acks()
    tracker.settle([1])
    assert tracker.take_acks() == [Ack(2)]
    tracker.settle([5])
    assert tracker.take_acks() == [Ack(2, [3, 1])]


@pytest.mark.parametrize("ranges, acks", [(63, 1), (64, 1), (65, 2), (128, 2), (129, 3)])
def test_one_ack_holds_64_ranges(ranges: int, acks: int) -> None:
    """The 65th range goes into a second ack, and no number is lost between them."""
    scattered = [10 + 2 * place for place in range(ranges)]
    tracker = AckTracker()
    tracker.settle(scattered)
    taken = tracker.take_acks()
    assert len(taken) == acks
    assert all(len(ack.ranges) <= 2 * 64 for ack in taken)
    assert _numbers(taken) == set(scattered)


def test_full_ack_stays_small() -> None:
    """64 ranges within 65,535 numbers beyond the cumulative one stay under 400 bytes."""
    tracker = AckTracker(MAX_SEQUENCE - 65_536)
    first = MAX_SEQUENCE - 65_536 + 257
    tracker.settle(
        number
        for start in range(first, first + 64 * 900, 900)
        for number in range(start, start + 300)
    )
    [ack] = tracker.take_acks()
    assert len(ack.ranges) == 128
    assert len(encode(ack)) < 400


@pytest.mark.parametrize("beyond, through", [(4_096, 4_097), (4_097, 1)])
def test_memory_beyond_a_gap_is_bounded(beyond: int, through: int) -> None:
    """4,096 numbers beyond a gap are remembered; more are acked once and forgotten."""
    tracker = AckTracker()
    late = range(2, 2 + beyond)
    tracker.settle(late)
    assert _numbers(tracker.take_acks()) == set(late)
    tracker.settle([1])
    assert tracker.take_acks() == [Ack(through)]


def test_forgotten_numbers_are_acked_when_they_come_again() -> None:
    """What was forgotten only leaves the cumulative number behind."""
    tracker = AckTracker()
    tracker.settle(range(2, 2 + MAX_REMEMBERED_BEYOND + 1))
    tracker.take_acks()
    tracker.settle([1, 2, 3])
    assert tracker.take_acks() == [Ack(3)]


def test_numbers_passed_one_by_one_do_not_fill_the_memory() -> None:
    """Numbers that the cumulative one has passed are not counted as lying beyond a gap."""
    tracker = AckTracker()
    for start in range(0, 2 * MAX_REMEMBERED_BEYOND + 2, 2):
        tracker.settle([start + 2])
        tracker.settle([start + 1, start + 2])
    front = tracker.through
    tracker.settle([front + 2])
    tracker.take_acks()
    tracker.settle([front + 1])
    assert tracker.take_acks() == [Ack(front + 2)]


@UNHURRIED
@given(
    st.integers(0, 20),
    st.lists(st.one_of(st.none(), st.lists(st.integers(1, 60), max_size=12)), max_size=30),
)
def test_tracker_agrees_with_a_naive_model(start: int, steps: list[list[int] | None]) -> None:
    """Acks cover all that was settled since the last, and only what was settled ever."""
    tracker = AckTracker(start)
    settled = set(range(1, start + 1))
    fresh: set[int] = set()
    for step in [*steps, None]:
        if step is not None:
            tracker.settle(step)
            settled |= set(step)
            fresh |= set(step)
            continue
        acks = tracker.take_acks()
        acked = _numbers(acks)
        assert bool(acks) == bool(fresh)
        assert fresh <= acked <= settled
        through = next(number for number in range(1, 99) if number not in settled) - 1
        assert all(ack.through == through for ack in acks)
        assert tracker.through == through
        fresh = set()


def test_covered_reads_pairs() -> None:
    """The cumulative run comes first, then each pair counted from its end."""
    assert list(covered(Ack(10, [2, 3, 9, 1]))) == [range(1, 11), range(12, 15), range(19, 20)]


def test_covered_of_nothing() -> None:
    """An ack of 0 covers nothing."""
    assert [list(run) for run in covered(Ack(0))] == [[]]


@pytest.mark.parametrize("pair", [[0, 5], [-3, 5], [2, 0], [2, -1], [-(2**63), 2**64 - 1], [4]])
def test_covered_passes_over_nonsense(pair: list[int]) -> None:
    """A pair that lies at or before the cumulative number, is empty or cut is nothing."""
    assert list(covered(Ack(10, pair))) == [range(1, 11)]


@UNHURRIED
@given(st.integers(0, MAX_SEQUENCE), st.lists(INT_64, max_size=9))
def test_covered_never_raises(through: int, ranges: list[int]) -> None:
    """Whatever a gateway sends, all runs behind the first go forward."""
    first, *others = covered(Ack(through, ranges))
    assert first == range(1, through + 1)
    assert all(run.start > through and run.stop > run.start for run in others)


def test_covered_goes_on_behind_nonsense() -> None:
    """A pair that makes no sense does not cost those behind it."""
    assert list(covered(Ack(10, [0, 5, 5, 1]))) == [range(1, 11), range(15, 16)]


def test_a_gap_that_closes_before_the_ack_leaves_no_range() -> None:
    """What stood beyond a gap is covered by the cumulative number once the gap is closed."""
    tracker = AckTracker()
    tracker.settle([2, 3])
    tracker.settle([1])
    assert tracker.take_acks() == [Ack(3)]
    assert tracker.take_acks() == []
