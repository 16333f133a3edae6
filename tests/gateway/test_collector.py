"""The garbage collector's settings."""

import gc
from collections.abc import Iterator

import pytest

from gateway.collector import NEW_OBJECTS, YOUNG_ROUNDS, calm_collector


@pytest.fixture(autouse=True)
def collector_as_before() -> Iterator[None]:
    """The settings are the whole process's."""
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_what_is_there_is_set_aside_and_the_rest_looked_through_less_often() -> None:
    """Frozen, and with our thresholds."""
    calm_collector()
    assert gc.get_threshold() == (NEW_OBJECTS, YOUNG_ROUNDS, YOUNG_ROUNDS)
    assert gc.get_freeze_count() > 0


def test_cycles_are_still_collected() -> None:
    """Calm is not off: closed sessions are cycles."""
    calm_collector()
    circle: list[object] = []
    circle.append(circle)
    del circle
    assert gc.isenabled()
    assert gc.collect() >= 1
