"""No group crowds out the others: held against a slow, obvious model."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.crowd import Crowd

STEPS = st.lists(st.tuples(st.integers(0, 5), st.sampled_from("abc")), max_size=60)
"""What to do (0 to 2: add; then remove, take the next, take from the largest) and which group."""


@given(STEPS)
def test_as_the_model(steps: list[tuple[int, str]]) -> None:
    """Whoever goes is the oldest of its group, and with `take_from_largest` of a largest group."""
    crowd: Crowd[str, int] = Crowd()
    there: list[tuple[str, int]] = []
    for number, (what, group) in enumerate(steps):
        if what <= 2:
            crowd.add(group, number)
            there.append((group, number))
        elif there:
            sizes = Counter(group for group, _ in there)
            if what == 3:
                gone = there[number % len(there)]
                crowd.remove(*gone)
            else:
                member = crowd.take_next() if what == 4 else crowd.take_from_largest()
                (gone,) = [entry for entry in there if entry[1] == member]
                assert gone == next(entry for entry in there if entry[0] == gone[0])
                assert what == 4 or sizes[gone[0]] == max(sizes.values())
            there.remove(gone)
        assert len(crowd) == len(there)


@given(st.dictionaries(st.integers(), st.integers(1, 20), min_size=1, max_size=6))
def test_turns_are_even(sizes: dict[int, int]) -> None:
    """Until it is empty, no group has had two turns more than another that still waits."""
    crowd: Crowd[int, tuple[int, int]] = Crowd()
    for group, size in sizes.items():
        for number in range(size):
            crowd.add(group, (group, number))
    turns: Counter[int] = Counter()
    while crowd:
        turns[crowd.take_next()[0]] += 1
        waiting = [turns[group] for group in sizes if turns[group] < sizes[group]]
        assert not waiting or max(turns.values()) - min(waiting) <= 1
    assert turns == Counter(sizes)


def test_of_groups_of_one_the_oldest_goes() -> None:
    """Where nobody stands out, waiting decides."""
    crowd: Crowd[str, int] = Crowd()
    for number, group in enumerate("abc"):
        crowd.add(group, number)
    assert [crowd.take_from_largest() for _ in range(3)] == [0, 1, 2]


def test_nobody_is_there() -> None:
    """There is nobody to take."""
    crowd: Crowd[str, int] = Crowd()
    with pytest.raises(KeyError):
        crowd.take_next()
    with pytest.raises(KeyError):
        crowd.take_from_largest()
    with pytest.raises(KeyError):
        crowd.remove("a", 1)
