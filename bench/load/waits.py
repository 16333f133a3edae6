"""How long reports wait for their acks, by the handset's clock. Pure."""

from collections import deque
from collections.abc import Iterable
from typing import Final

MILLISECONDS: Final = 1_000

MAX_SAMPLES: Final = 1_000
"""Kept of a run's ordinary waits: enough for a median and a 99th percentile."""


class Stopwatch:
    """Times the reports of one device from its socket to its ack."""

    def __init__(self) -> None:
        self._sent: deque[tuple[int, float]] = deque()
        self._through = 0

    def sent(self, through: int, now: float) -> None:
        """All up to this number, and not before, are given to the socket."""
        self._sent.append((through, now))

    def acked(self, through: int, now: float) -> list[tuple[float, int]]:
        """Milliseconds, and how many reports have waited so long."""
        waits = []
        while self._sent and self._through < through:
            last, sent_at = self._sent[0]
            count = min(last, through) - self._through
            waits.append(((now - sent_at) * MILLISECONDS, count))
            self._through += count
            if self._through == last:
                self._sent.popleft()
        return waits


def thinned(waits: Iterable[tuple[float, int]], samples: int = MAX_SAMPLES) -> list[float]:
    """At most so many of all waits, from the shortest to the longest, evenly spread: quantiles of
    them are nearly those of all.
    """
    ordered = sorted(waits)
    total = sum(count for _, count in ordered)
    kept: list[float] = []
    seen, size = 0, min(samples, total)
    for wait, count in ordered:
        seen += count
        # The middle of each of `size` equal parts.
        while len(kept) < size and (2 * len(kept) + 1) * total < 2 * size * seen:
            kept.append(wait)
    return kept
