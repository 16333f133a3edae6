"""Keys as runs, and runs in portions: every report once, in order, in a place that stays."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.runs import Key, Run, Stretch, portions, runs_of, stretches

KEYS = st.lists(
    st.tuples(st.integers(1, 3), st.integers(0, 2), st.integers(0, 40)), unique=True, max_size=200
).map(sorted)
"""Of few devices and numbers, so that many follow each other."""

RUNS = st.lists(
    st.builds(
        lambda device, first, length: Run(device, 1, first, first + length - 1),
        st.integers(1, 5),
        st.integers(1, 1_000),
        st.integers(1, 60),
    ),
    max_size=12,
)


def keys_of(runs: Iterable[Run]) -> list[Key]:
    """Every key that runs stand for."""
    return [(r.device_id, r.installation, n) for r in runs for n in range(r.first, r.last + 1)]


def placed(some: Iterable[Stretch]) -> list[tuple[int, int, Key]]:
    """Position, index and key of each report."""
    return [
        (stretch.position, stretch.index + offset, key)
        for stretch in some
        for offset, key in enumerate(keys_of([stretch.run]))
    ]


@given(keys=KEYS)
def test_runs_give_back_every_key(keys: list[Key]) -> None:
    """In order, each once, and no two runs could be one."""
    runs = runs_of(keys)
    assert keys_of(runs) == keys
    for one, next_one in pairwise(runs):
        follows = (one.device_id, one.installation, one.last + 1)
        assert follows != (next_one.device_id, next_one.installation, next_one.first)


@pytest.mark.parametrize(
    "keys, runs",
    [
        ([], []),
        ([(1, 1, 0)], [Run(1, 1, 0, 0)]),
        ([(1, 1, 5), (1, 1, 6), (1, 1, 7)], [Run(1, 1, 5, 7)]),
        ([(1, 1, 5), (1, 1, 7)], [Run(1, 1, 5, 5), Run(1, 1, 7, 7)]),
        ([(1, 1, 5), (1, 2, 6)], [Run(1, 1, 5, 5), Run(1, 2, 6, 6)]),
        ([(1, 1, 5), (2, 1, 6)], [Run(1, 1, 5, 5), Run(2, 1, 6, 6)]),
    ],
)
def test_what_is_a_run(keys: list[Key], runs: list[Run]) -> None:
    """Numbers without a gap, of one installation of one device."""
    assert runs_of(keys) == runs


@given(runs=RUNS)
def test_places_count_through_a_publication(runs: list[Run]) -> None:
    """The index is the place of the report among all of the publication."""
    reports = placed(stretches(7, runs))
    assert [key for _, _, key in reports] == keys_of(runs)
    assert [(position, index) for position, index, _ in reports] == [
        (7, index) for index in range(len(reports))
    ]


@given(publications=st.lists(RUNS, max_size=4), most=st.integers(1, 70))
def test_portions_change_nothing_but_the_cuts(publications: list[list[Run]], most: int) -> None:
    """Every report once, in order, in its old place; no portion above the limit, none but the last
    below it.
    """
    whole = [s for position, runs in enumerate(publications) for s in stretches(position, runs)]
    divided = list(portions(whole, most))
    assert [report for portion in divided for report in placed(portion)] == placed(whole)
    sizes = [len(placed(portion)) for portion in divided]
    assert all(size == most for size in sizes[:-1])
    assert all(1 <= size <= most for size in sizes[-1:])


@pytest.mark.parametrize("length, parts", [(9, [9]), (10, [10]), (11, [10, 1]), (21, [10, 10, 1])])
def test_a_run_at_the_limit_and_beyond(length: int, parts: list[int]) -> None:
    """It is divided when it is one longer than a portion."""
    divided = portions(stretches(1, [Run(1, 1, 1, length)]), 10)
    assert [len(placed(portion)) for portion in divided] == parts
