"""How fast the gateway has been: samples and quantiles."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.observe_readings import ACK_BOUNDS, Readings
from gateway.pulse import EVERY_SECONDS, KEPT_SAMPLES, WINDOW_READINGS, Pulse, Sample, quantile
from tests.helpers.tcp_gateway import until


class Process:
    """What a process has counted, and its clock."""

    def __init__(self) -> None:
        self.now = 100.0
        self.stored = 7
        self.acks = [0] * len(ACK_BOUNDS)

    def store(self, reports: int, ack_seconds: float) -> None:
        """So many reports, each in a frame of its own, acked after so long."""
        self.stored += reports
        self.acks = [
            n + reports * (ack_seconds <= b) for n, b in zip(self.acks, ACK_BOUNDS, strict=True)
        ]

    def read(self) -> Readings:
        """The counts of now."""
        return Readings(self.stored, 0, tuple(self.acks))

    def pulse(self) -> Pulse:
        """Of this process; Unix time is the same clock."""
        return Pulse(self.read, lambda: self.now, lambda: self.now)

    def beats(self, pulse: Pulse, count: int) -> None:
        """Let time pass."""
        for _ in range(count):
            self.now += EVERY_SECONDS
            pulse.beat()


def test_a_sample_tells_of_the_time_since_the_first_reading() -> None:
    """20 reports in 2 s, though there is no window of 10 s yet."""
    process = Process()
    pulse = process.pulse()
    process.store(20, ack_seconds=0.001)
    process.beats(pulse, 1)
    (sample,) = pulse.since(0)
    assert (sample.at, sample.stored_per_second) == (102_000, 10.0)
    assert sample.p50_ms == 0.5
    assert sample.p99_ms == pytest.approx(1.0, abs=0.02)


def test_a_burst_is_seen_for_the_window_and_no_longer() -> None:
    """100 reports are 10 a second for 10 s."""
    process = Process()
    pulse = process.pulse()
    process.beats(pulse, WINDOW_READINGS)
    process.store(100, ack_seconds=0.2)
    process.beats(pulse, WINDOW_READINGS + 1)
    rates = [sample.stored_per_second for sample in pulse.since(0)]
    assert rates == [0.0] * WINDOW_READINGS + [10.0] * WINDOW_READINGS + [0.0]


def test_without_acks_there_is_no_latency() -> None:
    """None, not zero: nobody was answered quickly."""
    process = Process()
    pulse = process.pulse()
    process.beats(pulse, 1)
    assert pulse.since(0) == [Sample(102_000, 0.0, None, None, None)]


def test_only_what_is_new_is_given() -> None:
    """After the last sample that a viewer has."""
    process = Process()
    pulse = process.pulse()
    process.beats(pulse, 3)
    first, second, third = pulse.since(0)
    assert pulse.since(first.at) == [second, third]
    assert pulse.since(third.at) == []


def test_bounded() -> None:
    """Ten minutes, the oldest go first."""
    process = Process()
    pulse = process.pulse()
    process.beats(pulse, KEPT_SAMPLES)
    before = pulse.since(0)
    process.beats(pulse, 1)
    assert len(pulse.since(0)) == KEPT_SAMPLES == len(before)
    assert pulse.since(0)[:-1] == before[1:]


@pytest.mark.asyncio
async def test_it_beats_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it is cancelled."""
    monkeypatch.setattr("gateway.pulse.EVERY_SECONDS", 0)
    pulse = Process().pulse()
    async with asyncio.TaskGroup() as tasks:
        beating = tasks.create_task(pulse.run())
        await until(lambda: len(pulse.since(0)) >= 3)
        beating.cancel()


@pytest.mark.parametrize(
    "counts, share, expected",
    [
        ((10, 10, 10), 0.5, 0.5),  # half of the way into the first bucket
        ((0, 10, 10), 0.5, 1.5),
        ((5, 10, 10), 0.5, 1.0),  # exactly its bound
        ((5, 10, 10), 0.95, 1.9),
        ((0, 0, 10), 0.5, 2.0),  # beyond the last bound nothing is known but that
        ((0, 0, 0), 0.5, None),
    ],
)
def test_quantiles(counts: Sequence[int], share: float, expected: float | None) -> None:
    """By hand."""
    assert quantile((1.0, 2.0, float("inf")), counts, share) == (
        None if expected is None else pytest.approx(expected)
    )


@given(st.lists(st.integers(0, 1_000), min_size=len(ACK_BOUNDS), max_size=len(ACK_BOUNDS)))
def test_quantiles_ascend(each: list[int]) -> None:
    """Whatever was counted, a larger share is no smaller, and none leaves the bounds."""
    counts = [sum(each[: n + 1]) for n in range(len(each))]
    found = [quantile(ACK_BOUNDS, counts, share) for share in (0.01, 0.5, 0.95, 0.99, 1.0)]
    if not counts[-1]:
        assert found == [None] * 5
        return
    values = [value for value in found if value is not None]
    assert len(values) == 5
    assert all(a <= b + 1e-9 for a, b in pairwise(values))
    assert values[0] >= 0
    assert values[-1] <= ACK_BOUNDS[-2]
