"""What a handler asks for. Handlers decide; the session and the batcher act."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.protocol.errors import RefusalCode
from gateway.protocol.messages import Ping, Pong
from gateway.protocol.report import Report, Track
from gateway.protocol.task_messages import Answer, Receipt, TaskNoted, TaskReceipt


@dataclass(frozen=True, slots=True)
class Rejected:
    """Something that a device sent and that cannot be accepted; it is kept in quarantine."""

    sequence: int | None
    """None when even the sequence number could not be read."""
    code: RefusalCode
    detail: str


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer to a task, its text read."""

    task: int
    answer: Answer
    answered_at: int
    """Unix time in seconds by the handset's clock."""
    text: str


@dataclass(slots=True)
class Outcome:
    """What to store, what to keep in quarantine, what to reply at once, and what the handset says
    of a task.
    """

    reports: list[Report] = field(default_factory=list)
    tracks: list[Track] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    replies: list[Ping | Pong] = field(default_factory=list)
    task_reply: TaskNoted | Answered | None = None
    """For the database to judge."""
    receipt: TaskReceipt | None = None
    """To be sent when all the above is committed, behind the refusals."""

    @property
    def is_settled_later(self) -> bool:
        """Whether anything in it has to wait for storage's verdict."""
        return bool(self.reports or self.tracks or self.rejected)


def reject_all(sequences: Iterable[int], code: RefusalCode, detail: str) -> Outcome:
    """The outcome of a message none of whose reports can be accepted."""
    return Outcome(rejected=[Rejected(sequence, code, detail) for sequence in sequences])


def reject_answer(task: int, code: RefusalCode, detail: str) -> Outcome:
    """The outcome of an answer that cannot be accepted: kept in quarantine, and then both refused,
    which says why, and receipted, which names the task.
    """
    return Outcome(
        rejected=[Rejected(None, code, f"task {task}: {detail}")],
        receipt=TaskReceipt(task, Receipt.NOT_ACCEPTED),
    )
