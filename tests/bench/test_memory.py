"""The bound of the gateway's memory."""

from bench.memory import memory_bound_bytes
from gateway.settings import BatchSettings, Settings


def test_the_bound_follows_from_the_settings() -> None:
    """More that may wait, or more sessions, means more memory."""
    usual = memory_bound_bytes(Settings(), 773)
    assert 50_000_000 < usual < 250_000_000
    assert memory_bound_bytes(Settings(), 774) > usual
    wide = Settings(batch=BatchSettings(max_pending_items=64_000))
    assert memory_bound_bytes(wide, 773) > usual
