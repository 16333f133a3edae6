"""How long a refusal waits: by address, by device, and less with time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import failed_proofs as module
from gateway.failed_proofs import (
    FIRST_HOLD_SECONDS,
    FORGET_ONE_SECONDS,
    MAX_HOLD_SECONDS,
    FailedProofs,
)
from gateway.protocol.limits import REPLY_TIMEOUT_SECONDS

ADDRESS, OTHER = "192.0.2.1", "198.51.100.7"


def test_it_doubles_up_to_a_bound() -> None:
    """Eight failures in one moment."""
    proofs = FailedProofs()
    holds = [proofs.hold_seconds(ADDRESS, 1, 0.0) for _ in range(8)]
    assert holds == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert (holds[0], holds[-1]) == (FIRST_HOLD_SECONDS, MAX_HOLD_SECONDS)


def test_a_handset_still_hears_why() -> None:
    """It would take the link for dead otherwise."""
    assert MAX_HOLD_SECONDS <= REPLY_TIMEOUT_SECONDS / 2


def test_other_devices_from_one_address() -> None:
    """Somebody who tries one number after the other is slowed down by his address."""
    proofs = FailedProofs()
    assert [proofs.hold_seconds(ADDRESS, device, 0.0) for device in (1, 2, 3)] == [0.5, 1.0, 2.0]


def test_one_device_from_other_addresses() -> None:
    """Somebody who changes his address is slowed down by the number."""
    proofs = FailedProofs()
    assert [proofs.hold_seconds(address, 1, 0.0) for address in (ADDRESS, OTHER)] == [0.5, 1.0]
    assert proofs.hold_seconds("203.0.113.5", 2, 0.0) == 0.5


def test_one_failure_a_minute_is_forgotten() -> None:
    """At that pace nothing grows; an instant before, a little is left."""
    proofs = FailedProofs()
    assert proofs.hold_seconds(ADDRESS, 1, 0.0) == 0.5
    assert proofs.hold_seconds(ADDRESS, 1, FORGET_ONE_SECONDS) == 0.5
    assert proofs.hold_seconds(ADDRESS, 1, 2 * FORGET_ONE_SECONDS - 1) > 0.5


def test_a_burst_is_forgotten_in_minutes() -> None:
    """However many there were."""
    proofs = FailedProofs()
    for _ in range(1_000):
        proofs.hold_seconds(ADDRESS, 1, 0.0)
    assert proofs.hold_seconds(ADDRESS, 2, 7 * FORGET_ONE_SECONDS) == 0.5


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who failed longest ago is forgotten first, at the bound and not before."""
    monkeypatch.setattr(module, "MAX_REMEMBERED", 2)
    proofs = FailedProofs()
    proofs.hold_seconds("a", 1, 0.0)
    proofs.hold_seconds("b", 2, 0.0)
    assert proofs.hold_seconds("a", 11, 0.0) == 1.0
    assert len(proofs) == 4
    proofs.hold_seconds("c", 12, 0.0)
    assert len(proofs) == 4
    assert proofs.hold_seconds("a", 13, 0.0) == 2.0
    assert proofs.hold_seconds("b", 14, 0.0) == 0.5


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3), st.floats(0, 100))))
def test_always_within_its_bounds(failures: list[tuple[str, int, float]]) -> None:
    """Whatever came before and however long ago."""
    proofs, now = FailedProofs(), 0.0
    for address, device, later in failures:
        now += later
        hold = proofs.hold_seconds(address, device, now)
        assert FIRST_HOLD_SECONDS <= hold <= MAX_HOLD_SECONDS
