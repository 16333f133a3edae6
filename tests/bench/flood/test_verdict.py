"""What counts as a fault of a flood run, at the limit and past it."""

import pytest
from msgspec.structs import replace

from bench.flood.plan import Attack, Honest
from bench.flood.verdict import MAX_RATIO, Phase, render


def honest(ms: float = 10.0, unanswered: int = 0) -> Honest:
    """A hundred reports that waited as long, and one newcomer."""
    return Honest([ms] * 100, [20.0], unanswered, reconnections=0)


PHASE = Phase(
    name="pings",
    title="many pings",
    quiet=honest(),
    flooded=honest(10.0 * MAX_RATIO),
    attack=Attack(connections=1_000, open_at_most=7, frames=5, megabytes=0.04),
    rss_ready_bytes=50_000_000,
    rss_peak_bytes=150_000_000,
    bound_bytes=100_000_000,
)


def test_at_every_limit() -> None:
    """Five times the quiet wait and just the memory that the settings allow are no fault."""
    assert PHASE.faults() == []


@pytest.mark.parametrize(
    "changed, fault",
    [
        (replace(PHASE, flooded=honest(10.0 * MAX_RATIO + 0.1)), "pings: p99 to the ack is 5.0"),
        (replace(PHASE, rss_peak_bytes=150_000_001), "pings: memory grew by 100,000,001 bytes"),
        (replace(PHASE, flooded=honest(unanswered=1)), "pings: 1 reports went without an ack"),
        (replace(PHASE, flooded=replace(honest(), welcome_ms=[])), "pings: no newcomer"),
    ],
)
def test_just_past_a_limit(changed: Phase, fault: str) -> None:
    """Each limit is one of its own."""
    (found,) = changed.faults()
    assert found.startswith(fault)


def test_a_few_long_waits_are_no_fault_and_many_are() -> None:
    """The 99th percentile decides."""
    waits = [10.0] * 99
    assert replace(PHASE, flooded=replace(honest(), ack_ms=[*waits, 900.0])).faults() == []
    assert replace(PHASE, flooded=replace(honest(), ack_ms=[*waits, 900.0, 900.0])).faults()


def test_the_table() -> None:
    """What the attacker did not do is not told."""
    row = render([PHASE]).splitlines()[2]
    assert "| many pings | 50.0 | 50.0 | 10.0 | 10.0 | **5.0** | 100 |" in row
    assert "| 1,000 connections, 7 open at once, 5 frames | 95 | 95 |" in row
