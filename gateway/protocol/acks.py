"""Cumulative acks with exceptions: one small frame for many reports."""

from collections.abc import Iterable, Iterator
from typing import Final

from gateway.protocol.limits import MAX_ACK_RANGES
from gateway.protocol.messages import Ack

MAX_REMEMBERED_BEYOND: Final = 4_096
"""Numbers remembered beyond a gap. More are forgotten: each was acked on its own already, so only
the cumulative number stays behind until the next greeting."""


class AckTracker:
    """Collects the settled numbers of one installation and says what to ack."""

    __slots__ = ("_beyond", "_fresh", "_moved", "through")

    def __init__(self, through: int = 0) -> None:
        self.through = through
        self._beyond: set[int] = set()
        self._fresh: set[int] = set()
        self._moved = False

    def settle(self, sequences: Iterable[int]) -> None:
        """Add numbers that are committed, in any order, again or not."""
        for sequence in sequences:
            if sequence == self.through + 1:
                self.through = sequence
            elif sequence > self.through:
                self._beyond.add(sequence)
                self._fresh.add(sequence)
            self._moved = True
        self._close_gap()

    def take_acks(self) -> list[Ack]:
        """What to send now: nothing, one ack, or more when the numbers are scattered.

        A number that was settled again is acked again, because the device has missed the first.
        """
        if not self._moved:
            return []
        if not self._fresh:  # the usual case, worth a short way
            self._moved = False
            return [Ack(self.through)]
        fresh = sorted(number for number in self._fresh if number > self.through)
        ranges = list(_ranges(fresh))
        self._fresh.clear()
        self._moved = False
        if len(self._beyond) > MAX_REMEMBERED_BEYOND:
            self._forget()
        return [
            Ack(self.through, [n for first, count in part for n in (first - self.through, count)])
            for part in _parts(ranges)
        ]

    def _close_gap(self) -> None:
        through, beyond = self.through, self._beyond
        if not beyond:
            return
        while through + 1 in beyond:
            through += 1
            beyond.discard(through)
        if through != self.through:
            self.through = through
            self._beyond = {number for number in beyond if number > through}

    def _forget(self) -> None:
        # Some may stand below the cumulative number, which also moves past them one by one.
        self._beyond = {number for number in self._beyond if number > self.through}
        if len(self._beyond) > MAX_REMEMBERED_BEYOND:
            self._beyond.clear()


def covered(ack: Ack) -> Iterator[range]:
    """The runs of sequence numbers that an ack covers, the cumulative one first.

    A device uses it on its outbox. Pairs that make no sense are passed over.
    """
    yield range(1, ack.through + 1)
    for offset, count in zip(ack.ranges[::2], ack.ranges[1::2], strict=False):
        if offset > 0 and count > 0:
            yield range(ack.through + offset, ack.through + offset + count)


def _ranges(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """Runs of consecutive numbers as (first, count)."""
    start = previous = 0
    for number in numbers:
        if start and number == previous + 1:
            previous = number
            continue
        if start:
            yield start, previous - start + 1
        start = previous = number
    if start:
        yield start, previous - start + 1


def _parts(ranges: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """The ranges in portions that fit one ack each; an empty portion when there are none."""
    for begin in range(0, max(len(ranges), 1), MAX_ACK_RANGES):
        yield ranges[begin : begin + MAX_ACK_RANGES]
