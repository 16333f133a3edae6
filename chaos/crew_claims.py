"""What a frame must come to: a claim for each thing in it that is to be stored or refused. Pure.

A claim is written into the journal before its frame is sent for the first time, and held against
the database at the end.
"""

from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final

import msgspec

from gateway.handlers import backlog, report, track
from gateway.handlers.context import Context
from gateway.handlers.outcome import Outcome
from gateway.protocol.errors import RefusalCode
from gateway.protocol.limits import MAX_CLOCK_AHEAD_SECONDS
from gateway.protocol.messages import (
    BadFrame,
    WireBacklog,
    WireReport,
    WireTrack,
    decode_or_bad,
    encode,
)
from gateway.protocol.report import Report, Track
from gateway.protocol.tables import Tables
from gateway.protocol.wire_report import pack_report, pack_track

STORED: Final = 0
"""Stands in place of a refusal code for what is to be stored."""

CLOCK_BACK_SECONDS: Final = 22 * 3_600
CLOCK_FORWARD_SECONDS: Final = 5 * 86_400
"""The fault run sets a gateway's clock back and forward by hours. What lies so near to the limit of
times that are too far ahead would be judged differently from one moment to the next."""


@unique
class Kind(StrEnum):
    """Which table it belongs to; numbers of reports and of tracks are compared apart."""

    REPORT = "report"
    TRACK = "track"
    FRAME = "frame"
    """A frame that is no message: it belongs to quarantine as it is."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that was sent, and what must become of it."""

    sequence: int | None
    kind: Kind
    code: int
    """`STORED`, or the refusal code that it must get."""
    content: bytes
    """Of what is to be stored: the report or track as msgpack. Of all else: the frame."""
    body: bytes
    """A frame that brings it and nothing else."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A body to be sent, and all that it claims."""

    body: bytes
    claims: tuple[Claim, ...]


def content_of(item: Report | Track) -> bytes:
    """The content of a report or track, to be compared byte by byte."""
    return msgspec.msgpack.encode(item)


def frame_of(body: bytes, tables: Tables, now: int) -> Frame | None:
    """What a body must come to by the gateway's own rules.

    None for what is no report, track or bad frame, and for what depends on the gateway's clock.
    """
    event = decode_or_bad(body)
    if isinstance(event, BadFrame):
        first = event.first_sequence
        numbers = [None] if first is None else list(range(first, first + event.count))
        return Frame(body, tuple(Claim(n, Kind.FRAME, event.code, body, body) for n in numbers))
    context = Context(tables, now)
    if isinstance(event, WireReport):
        outcome, kind = report.handle(event, context), Kind.REPORT
    elif isinstance(event, WireBacklog):
        outcome, kind = backlog.handle(event, context), Kind.REPORT
    elif isinstance(event, WireTrack):
        outcome, kind = track.handle(event, context), Kind.TRACK
    else:
        return None
    return None if _hangs_on_the_clock(event, now) else _frame(body, kind, outcome, tables)


def _frame(body: bytes, kind: Kind, outcome: Outcome, tables: Tables) -> Frame:
    """Claims of what handlers decided. A rejected report of a backlog is claimed with the whole
    backlog: what it holds may fit in no frame of its own.
    """
    good: list[Report | Track] = [*outcome.reports, *outcome.tracks]
    claims = [
        Claim(item.sequence, kind, STORED, content_of(item), _alone(item, tables)) for item in good
    ]
    claims += [
        Claim(rejected.sequence, kind, rejected.code, body, body) for rejected in outcome.rejected
    ]
    return Frame(body, tuple(claims))


def _alone(item: Report | Track, tables: Tables) -> bytes:
    edition = tables.editions[item.edition]
    if isinstance(item, Track):
        return encode(pack_track(item, edition))
    return encode(pack_report(item, edition))


def _hangs_on_the_clock(event: WireReport | WireBacklog | WireTrack, now: int) -> bool:
    times = [event.observed_at] if isinstance(event, WireReport) else event.times
    limit, at = now + MAX_CLOCK_AHEAD_SECONDS, 0
    for place, value in enumerate(times):
        at = value if place == 0 else at + value
        if -CLOCK_BACK_SECONDS < at - limit < CLOCK_FORWARD_SECONDS:
            return True
    return False


NEVER_READ: Final = frozenset(
    {
        RefusalCode.UNKNOWN_MESSAGE,
        RefusalCode.MALFORMED_MESSAGE,
        RefusalCode.UNEXPECTED_MESSAGE,
    }
)
"""Codes of frames that are no message: the quarantine keeps each such frame."""
