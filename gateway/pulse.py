"""How fast this gateway has been lately: what it stored a second, and how soon it acked.

A reading of the process's own counters every two seconds, kept for ten minutes. Each sample tells
of the ten seconds before it, so that a batch does not look like a storm.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from gateway.observe_readings import ACK_BOUNDS, Readings

EVERY_SECONDS: Final = 2.0
"""Between two readings: often enough for an eye, some 0.01 % of a processor."""

WINDOW_READINGS: Final = 5
"""A sample tells what happened over so many readings."""

KEPT_SAMPLES: Final = 300
"""Ten minutes, some 50 kB."""


class Sample(msgspec.Struct, frozen=True):
    """What happened in the ten seconds before a moment."""

    at: int
    """Unix milliseconds."""
    stored_per_second: float
    """Reports and tracks."""
    p50_ms: float | None
    """From a frame received to its ack; None where none was acked."""
    p95_ms: float | None
    p99_ms: float | None


class Pulse:
    """The last ten minutes.

    Args:
        read: What the process has counted.
        unix_time: Now, in seconds.
        monotonic: The same by a clock that is never set.
    """

    def __init__(
        self,
        read: Callable[[], Readings],
        unix_time: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._read = read
        self._unix_time = unix_time
        self._monotonic = monotonic
        self._readings = deque([(monotonic(), read())], maxlen=WINDOW_READINGS + 1)
        self._samples: deque[Sample] = deque(maxlen=KEPT_SAMPLES)

    async def run(self) -> None:
        """Take samples until cancelled."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            self.beat()

    def beat(self) -> None:
        """Take a sample."""
        now, reading = self._monotonic(), self._read()
        self._readings.append((now, reading))
        then, before = self._readings[0]
        counts = [n - m for n, m in zip(reading.acks, before.acks, strict=True)]
        seconds = max(now - then, 0.001)
        self._samples.append(
            Sample(
                int(self._unix_time() * 1_000),
                round((reading.stored - before.stored) / seconds, 1),
                *(_milliseconds(quantile(ACK_BOUNDS, counts, q)) for q in (0.5, 0.95, 0.99)),
            )
        )

    def since(self, unix_ms: int) -> list[Sample]:
        """The samples after a moment, oldest first."""
        return [sample for sample in self._samples if sample.at > unix_ms]


def quantile(bounds: Sequence[float], counts: Sequence[int], share: float) -> float | None:
    """The value that a share of observations does not exceed, from a histogram.

    Within a bucket values are taken as spread evenly, as Prometheus does; above the last finite
    bound its value is the answer. None without observations.

    Args:
        bounds: Upper bounds, ascending, the last infinite.
        counts: Observations no greater than each bound.
        share: Between 0 and 1.
    """
    total = counts[-1]
    if not total:
        return None
    rank = share * total
    index = next(i for i, count in enumerate(counts) if count >= rank)
    if index == len(bounds) - 1:
        return bounds[-2]
    low, below = (bounds[index - 1], counts[index - 1]) if index else (0.0, 0)
    return low + (bounds[index] - low) * (rank - below) / (counts[index] - below)


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1_000, 1)
