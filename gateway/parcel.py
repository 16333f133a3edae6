"""What goes through the batcher into storage, and what comes back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum, unique
from typing import Final

import msgspec

from gateway.handlers.outcome import Rejected
from gateway.protocol.errors import RefusalCode
from gateway.protocol.report import Report, Track


@unique
class Transport(StrEnum):
    """Over which transport a frame came; the labels of the database and of the metrics."""

    TCP = "tcp"
    MQTT = "mqtt"

    __hash__ = str.__hash__  # equal to its text as before; Enum's own hash is four times as dear


@unique
class Verdict(IntEnum):
    """What storage said of one item. All but FAILED are committed and may be acked or refused."""

    STORED = 0
    """A new row."""
    DUPLICATE = 1
    """Stored before with the same content: acked like STORED."""
    QUARANTINED = 2
    """Kept whole with its reason: refused with that reason, never to be sent again."""
    FAILED = 3
    """Nothing was committed and this gateway gives up: no ack, no refusal; the device keeps it."""

    __hash__ = int.__hash__  # as for `Transport`


POINTS_PER_LOAD: Final = 32
"""Points of a track that weigh on memory like one more item: some 6 KB."""


class ItemVerdict(msgspec.Struct, frozen=True, gc=False):
    """The verdict on one report, track or rejected item."""

    sequence: int | None
    """None only where the sequence number could not be read."""
    verdict: Verdict
    code: RefusalCode | None = None
    """Why, where it is in quarantine; else None."""


@dataclass(slots=True)
class Parcel:
    """Everything of one frame that is to be settled together."""

    device_id: int
    installation: int
    transport: Transport
    frame: bytes
    """The message body as received, kept where something of it goes to quarantine."""
    reports: list[Report] = field(default_factory=list)
    tracks: list[Track] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    urgent: bool = False
    """Whether it is an emergency, which never waits behind ordinary reports."""
    on_settled: Callable[["Parcel", list[ItemVerdict]], None] = lambda _parcel, _verdicts: None
    """Called once on the event loop when the verdicts are known, in the order reports, tracks,
    rejected. It must not block."""

    @property
    def items(self) -> int:
        """How many verdicts it will get; what the ledger and a session's window count."""
        return len(self.reports) + len(self.tracks) + len(self.rejected)

    @property
    def load(self) -> int:
        """What the batcher's bounds count: items, but a long track, of up to 48 KB, for several."""
        load = self.items
        for track in self.tracks:  # mostly none
            load += len(track.points) // POINTS_PER_LOAD
        return load

    def failed(self) -> list[ItemVerdict]:
        """Verdicts for a parcel that was not stored."""
        sequences = [
            *(item.sequence for item in self.reports),
            *(item.sequence for item in self.tracks),
            *(item.sequence for item in self.rejected),
        ]
        return [ItemVerdict(sequence, Verdict.FAILED) for sequence in sequences]
