"""Schedules: repeatable, complete, recoverable, quiet at the end."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.schedule import (
    FIRST_AFTER_SECONDS,
    LANES,
    LEAST_SECONDS,
    MOST_SECONDS,
    QUIET_SECONDS,
    REST_SECONDS,
    TARGETS,
    Fault,
    kinds,
    make_schedule,
)

SEEDS = st.integers(0, 2**32)
SECONDS = st.floats(20, 1_200)

ROUNDING_SECONDS = 0.11
"""Times are told in tenths."""


@given(SEEDS, SECONDS)
def test_the_same_seed_gives_the_same_schedule(seed: int, seconds: float) -> None:
    """And each line of it is told the same."""
    first, second = make_schedule(seed, seconds), make_schedule(seed, seconds)
    assert first == second
    assert list(map(str, first)) == list(map(str, second))


def test_other_seeds_give_other_schedules() -> None:
    """A hundred seeds, a hundred schedules."""
    assert len({make_schedule(seed, 60) for seed in range(100)}) == 100


@given(SEEDS, st.floats(60, 1_200))
def test_from_a_minute_on_every_fault_comes(seed: int, seconds: float) -> None:
    """At least once."""
    assert set(kinds(make_schedule(seed, seconds))) == set(Fault)


@given(SEEDS, SECONDS)
def test_it_is_in_order_and_within_the_run(seed: int, seconds: float) -> None:
    """The end is quiet."""
    schedule = make_schedule(seed, seconds)
    assert schedule
    times = [injection.at_seconds for injection in schedule]
    assert times == sorted(times)
    assert times[0] >= FIRST_AFTER_SECONDS
    last = max(injection.ends_at_seconds for injection in schedule)
    assert last <= seconds - QUIET_SECONDS + ROUNDING_SECONDS


@given(SEEDS, SECONDS)
def test_faults_of_a_lane_never_meet(seed: int, seconds: float) -> None:
    """What could not recover together stands in one lane, with a rest after each fault."""
    schedule = make_schedule(seed, seconds)
    for lane in range(len(LANES)):
        own = [injection for injection in schedule if injection.lane == lane]
        for before, after in pairwise(own):
            assert after.at_seconds >= before.ends_at_seconds + REST_SECONDS - 2 * ROUNDING_SECONDS


@given(SEEDS, SECONDS)
def test_each_fault_is_possible(seed: int, seconds: float) -> None:
    """It hits what it may hit, for a while, from its own lane."""
    for injection in make_schedule(seed, seconds):
        assert injection.target in TARGETS[injection.fault]
        assert LEAST_SECONDS <= injection.seconds <= MOST_SECONDS
        assert injection.fault in LANES[injection.lane].deck
        needs_amount = injection.fault in {Fault.CLOCK_JUMP, Fault.LINK_SLOW}
        assert bool(injection.amount) == needs_amount


def test_every_fault_stands_in_one_lane() -> None:
    """None is forgotten, none is dealt twice."""
    dealt = [fault for lane in LANES for fault in lane.deck]
    assert sorted(dealt) == sorted(Fault)


def test_clocks_jump_both_ways() -> None:
    """Ahead and back, in a long run."""
    jumps = [one.amount for one in make_schedule(1, 600) if one.fault is Fault.CLOCK_JUMP]
    assert min(jumps) < 0 < max(jumps)


@pytest.mark.parametrize("seconds", [0, 5, 12])
def test_too_short_a_run_breaks_nothing(seconds: float) -> None:
    """There is no room for a fault and the rest after it."""
    assert make_schedule(1, seconds) == ()
