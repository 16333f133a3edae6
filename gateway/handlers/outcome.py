"""What a handler asks for. Handlers decide; the session and the batcher act."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.protocol.errors import RefusalCode
from gateway.protocol.messages import Ping, Pong
from gateway.protocol.report import Report, Track


@dataclass(frozen=True, slots=True)
class Rejected:
    """Something that a device sent and that cannot be accepted; it is kept in quarantine."""

    sequence: int | None
    """None when even the sequence number could not be read."""
    code: RefusalCode
    detail: str


@dataclass(slots=True)
class Outcome:
    """What to store, what to keep in quarantine and what to reply at once."""

    reports: list[Report] = field(default_factory=list)
    tracks: list[Track] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    replies: list[Ping | Pong] = field(default_factory=list)

    @property
    def is_settled_later(self) -> bool:
        """Whether anything in it has to wait for storage's verdict."""
        return bool(self.reports or self.tracks or self.rejected)


def reject_all(sequences: Iterable[int], code: RefusalCode, detail: str) -> Outcome:
    """The outcome of a message none of whose reports can be accepted."""
    return Outcome(rejected=[Rejected(sequence, code, detail) for sequence in sequences])
