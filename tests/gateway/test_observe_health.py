"""What ops look at first."""

import pytest

from gateway import __version__, observe_health
from gateway.batcher import Batcher
from gateway.settings import BatchSettings
from tests.helpers.memory_store import MemoryStore
from tests.helpers.metrics import value_of


def test_the_version_that_runs() -> None:
    """As a label."""
    assert value_of("gateway_build_info", {"version": __version__}) == 1


def test_gauges_are_read_when_they_are_asked() -> None:
    """Not when they are set up."""
    devices: list[int] = []
    observe_health.watch_devices(lambda: len(devices))
    assert value_of("gateway_devices_online") == 0
    devices += [1, 2]
    assert value_of("gateway_devices_online") == 2


@pytest.mark.asyncio
async def test_a_full_batcher() -> None:
    """As its sources see it."""
    batcher = Batcher(MemoryStore(), BatchSettings())
    observe_health.watch_batcher(lambda: batcher.is_full)
    assert value_of("gateway_batcher_full") == 0
    batcher.is_full = True
    assert value_of("gateway_batcher_full") == 1
