"""Tests of the scenario's time."""

import pytest
import trio
from trio.testing import MockClock

from device_sim.pace import MAX_SPEED, Pace, Wake


@pytest.mark.trio
async def test_a_moment_comes_sooner_at_speed(autojump_clock: MockClock) -> None:
    """An hour of the scenario in a minute; what is past does not wait."""
    pace = Pace(60, start=1_000)
    began = trio.current_time()
    await pace.sleep_until(4_600)
    assert trio.current_time() - began == pytest.approx(60)
    await pace.sleep_until(1_500)
    assert trio.current_time() - began == pytest.approx(60)
    assert pace.waits
    assert pace.seconds(30) == 0.5


@pytest.mark.trio
async def test_at_full_speed_nothing_waits(autojump_clock: MockClock) -> None:
    """Not even an outage of hours."""
    pace = Pace(MAX_SPEED, start=0)
    began = trio.current_time()
    await pace.sleep_until(10**9)
    assert trio.current_time() == began
    assert not pace.waits
    assert pace.seconds(14_400) == 0.0


@pytest.mark.trio
async def test_a_wake_that_was_set_before_is_not_lost(autojump_clock: MockClock) -> None:
    """Twice is as good as once; afterwards it waits again."""
    wake = Wake()
    wake.set()
    wake.set()
    await wake.wait()
    with trio.move_on_after(1) as scope:
        await wake.wait()
    assert scope.cancelled_caught
