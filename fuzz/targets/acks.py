"""Acks: they cover what is settled, all of it, and nothing else."""

from struct import Struct
from typing import Final

from gateway.protocol.acks import AckTracker, covered
from gateway.protocol.limits import MAX_ACK_RANGES, MAX_SEQUENCE
from gateway.protocol.messages import Ack, BadFrame, decode_or_bad, encode

_HEADER: Final = Struct("<I")
_TAKE: Final = 0
"""A step of no size: acks are taken."""
_MOST_RANGES: Final = 2 * MAX_ACK_RANGES


def check(data: bytes) -> None:
    """Settle and take in any order; then read an ack that a gateway never wrote."""
    if len(data) < _HEADER.size:
        return
    (through,) = _HEADER.unpack_from(data)
    steps = data[_HEADER.size :]
    _check_tracker(through % (MAX_SEQUENCE + 1), steps)
    event = decode_or_bad(b"\x92\x05" + steps)
    if not isinstance(event, BadFrame):
        _check_foreign(event)
    event = decode_or_bad(b"\x93\x05\x00" + steps)
    if isinstance(event, Ack):
        _check_foreign(event)


def _check_tracker(through: int, steps: bytes) -> None:
    tracker = AckTracker(through)
    settled: set[int] = set()
    fresh: set[int] = set()
    at = through
    for step in steps:
        if step == _TAKE:
            _check_taken(tracker, through, settled, fresh)
            fresh.clear()
            continue
        at = min(max(at + (step >> 3) - 8, 1), MAX_SEQUENCE)
        run = range(at, min(at + (step & 7), MAX_SEQUENCE) + 1)
        tracker.settle(run)
        settled.update(run)
        fresh.update(run)
    _check_taken(tracker, through, settled, fresh)


def _check_taken(tracker: AckTracker, through: int, settled: set[int], fresh: set[int]) -> None:
    """The acks say nothing beyond what was settled, and all that was settled since the last."""
    acks = tracker.take_acks()
    assert bool(acks) == bool(fresh)
    said: set[int] = set()
    for ack in acks:
        assert len(ack.ranges) <= _MOST_RANGES
        assert decode_or_bad(encode(ack)) == ack
        for run in covered(ack):
            new = range(max(run.start, through + 1), run.stop)
            assert len(new) <= len(settled)
            said.update(new)
    assert said <= settled
    assert all(number <= through or number in said for number in fresh)


def _check_foreign(ack: object) -> None:
    """An ack of any numbers is read without counting through them."""
    assert isinstance(ack, Ack)
    runs = list(covered(ack))
    assert len(runs) <= 1 + len(ack.ranges) // 2
    assert all(run.start <= run.stop and run.step == 1 for run in runs)
