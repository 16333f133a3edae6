"""Turns: a flood of one owner stands before nobody else."""

import pytest

from gateway.fair_queue import FairQueue


def test_owners_have_turns_and_each_keeps_its_order() -> None:
    """The third of a flood comes behind the first of everybody."""
    queue: FairQueue[int, str] = FairQueue()
    for item in ("a1", "a2", "a3"):
        queue.add(1, item)
    queue.add(2, "b1")
    assert (queue.waiting(1), queue.waiting(2), queue.waiting(3)) == (3, 1, 0)
    assert [queue.take() for _ in range(4)] == ["a1", "b1", "a2", "a3"]
    assert not queue


def test_what_comes_back_goes_first() -> None:
    """In its order, before what its owner has put in since."""
    queue: FairQueue[int, str] = FairQueue()
    queue.add(2, "b1")
    queue.add(1, "a3")
    queue.add_first(1, ["a1", "a2"])
    queue.add_first(3, [])
    assert [queue.take() for _ in range(4)] == ["a1", "b1", "a2", "a3"]


def test_cleared() -> None:
    """Nothing is left."""
    queue: FairQueue[int, str] = FairQueue()
    queue.add(1, "a1")
    queue.clear()
    with pytest.raises(KeyError):
        queue.take()
