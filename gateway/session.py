"""One admitted device's conversation, the same on every transport: messages in, replies out.

A reply that promises something waits for storage's verdict. Acks of one turn of the event loop are
joined, so a device with many frames in a batch gets one small frame for them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from gateway import observe
from gateway.handlers import HANDLERS
from gateway.handlers.context import Context
from gateway.handlers.outcome import Answered, Outcome
from gateway.parcel import ItemVerdict, Parcel, Transport, Verdict
from gateway.protocol.acks import AckTracker
from gateway.protocol.connection import Event
from gateway.protocol.errors import RefusalCode, Resend
from gateway.protocol.limits import MAX_BACKLOG_REPORTS
from gateway.protocol.messages import (
    STORED_MESSAGES,
    BadFrame,
    Message,
    Refusal,
    WireBacklog,
)
from gateway.protocol.tables import Tables
from gateway.protocol.task_messages import TaskNoted, TaskReceipt
from gateway.protocol.wire_report import is_urgent

IN_TABLE: Final = frozenset({Verdict.STORED, Verdict.DUPLICATE})
SETTLED: Final = IN_TABLE | {Verdict.QUARANTINED}


@dataclass(frozen=True, slots=True)
class TaskReply:
    """What a device said of a task, on its way to the task desk."""

    session: "Session"
    reply: TaskNoted | Answered
    body: bytes
    """Its frame, kept if it goes to quarantine."""
    on_settled: Callable[[], None] | None
    """To be called when it is committed."""
    on_given_up: Callable[[], None] | None
    """To be called instead when nothing comes of it here: the device sends it again."""

    def give_up(self) -> None:
        """Nothing comes of it here."""
        if self.on_given_up:
            self.on_given_up()


@dataclass(frozen=True, slots=True)
class Station:
    """What every session of a gateway works with."""

    tables: Tables
    offer: Callable[[Parcel], None]
    """Hands a parcel to the batcher."""
    refused: Callable[[Transport, int], None]
    """Counts items in the ledger that were refused without being kept."""
    unix_time: Callable[[], float]
    monotonic: Callable[[], float]
    call_soon: Callable[[Callable[[], None]], object]
    """Runs something at the end of this turn of the event loop."""
    take_task_reply: Callable[[TaskReply], None] = TaskReply.give_up
    """Hands what a device said of a task to the desk."""
    arrived: Callable[["Session"], None] = lambda _session: None
    """A device was welcomed."""
    left: Callable[["Session"], None] = lambda _session: None
    """A session is over."""


class Session:
    """Counts what one device has under way and answers when it is settled."""

    def __init__(
        self,
        station: Station,
        device_id: int,
        installation: int,
        transport: Transport,
        *,
        settled_through: int,
        send: Callable[[list[Message]], None],
        is_listening: Callable[[], bool] = lambda: True,
        standing: int = 0,
        shut_out: Callable[[], None] = lambda: None,
    ) -> None:
        self.send: Final = send
        """Sends messages to the device."""
        self.is_listening: Final = is_listening
        """Whether there is room for what is sent to it. It need not be asked before an answer."""
        self.shut_out: Final = shut_out
        """Ends it because its device is not admitted any more."""
        self.standing: Final = standing
        """The device's standing when it was looked up; see `revocation`."""
        self.device_id = device_id
        self.installation = installation
        self.transport = transport
        self.unsettled_items = 0
        self.has_sent_bad_frame = False
        """Whether the log has had its one line about them."""
        self.statistics = SessionStatistics()
        self._station = station
        self._acks = AckTracker(settled_through)
        # On a stream a refusal arrives before the ack behind it. Over MQTT it can be lost alone; a
        # device that is acked past it would take the refused report for a stored one.
        self._acked = SETTLED if transport is Transport.TCP else IN_TABLE
        self._refusals: list[Refusal] = []
        self._reply_is_due = False

    def handle(
        self,
        event: Event,
        body: bytes,
        on_settled: Callable[[], None] | None = None,
        on_given_up: Callable[[], None] | None = None,
    ) -> None:
        """Do what a message asks for. `body` is its frame, kept if it goes to quarantine.

        `on_settled` is called when everything in it is committed, at once if there is nothing to
        commit, and never if this gateway gives up; then `on_given_up` is called instead.
        """
        handler = HANDLERS.get(type(event))
        if handler is None:
            if on_settled:
                on_settled()
            return
        station = self._station
        outcome = handler(event, Context(station.tables, int(station.unix_time())))
        if outcome.replies:
            self.send(list(outcome.replies))
        if outcome.task_reply is not None:
            # A TCP session does not end for it: the device sends it again in its time.
            give_up = on_given_up if self.transport is Transport.MQTT else None
            station.take_task_reply(TaskReply(self, outcome.task_reply, body, on_settled, give_up))
        elif outcome.is_settled_later:
            self.store(outcome, body, on_settled, on_given_up, urgent=is_urgent(event))
        elif on_settled:
            on_settled()

    def store(
        self,
        outcome: Outcome,
        body: bytes,
        on_settled: Callable[[], None] | None = None,
        on_given_up: Callable[[], None] | None = None,
        *,
        urgent: bool = False,
    ) -> None:
        """Have what a message brought stored or kept in quarantine, and answer. See `handle`."""
        station, receipt = self._station, outcome.receipt
        parcel = Parcel(
            self.device_id,
            self.installation,
            self.transport,
            body,
            outcome.reports,
            outcome.tracks,
            outcome.rejected,
            urgent=urgent,
        )
        received_at = station.monotonic()
        parcel.on_settled = lambda _parcel, verdicts: self._settled(
            verdicts, received_at, receipt, on_settled, on_given_up
        )
        items = parcel.items
        self.unsettled_items += items
        self.statistics.frames += 1
        observe.parcel_received(self.transport, items)
        station.offer(parcel)

    def _settled(
        self,
        verdicts: list[ItemVerdict],
        received_at: float,
        receipt: TaskReceipt | None,
        on_settled: Callable[[], None] | None,
        on_given_up: Callable[[], None] | None,
    ) -> None:
        self.unsettled_items -= len(verdicts)
        statistics = self.statistics
        kept_before = statistics.quarantined
        if not statistics.count(verdicts):
            if on_given_up:
                on_given_up()
            return
        observe.parcel_settled(self.transport, self._station.monotonic() - received_at)
        if statistics.quarantined > kept_before:
            self._refusals += refusals(verdicts)
        acked = self._acked
        self._acks.settle(
            [v.sequence for v in verdicts if v.sequence is not None and v.verdict in acked]
        )
        if not self._reply_is_due:
            self._reply_is_due = True
            self._station.call_soon(self._reply)
        if receipt:
            self._station.call_soon(lambda: self.send([receipt]))
        if on_settled:
            on_settled()

    def _reply(self) -> None:
        """Send the refusals, then the acks that cover them."""
        self._reply_is_due = False
        messages: list[Message] = [*self._refusals, *self._acks.take_acks()]
        self._refusals.clear()
        self.send(messages)


@dataclass(slots=True)
class SessionStatistics:
    """What a session did, for its closing line in the log."""

    frames: int = 0
    stored: int = 0
    duplicate: int = 0
    quarantined: int = 0

    def counts(self) -> dict[str, int]:
        """All of them by name."""
        return {
            "frames": self.frames,
            "stored": self.stored,
            "duplicate": self.duplicate,
            "quarantined": self.quarantined,
        }

    def count(self, verdicts: list[ItemVerdict]) -> bool:
        """Add the verdicts on one frame. False: it was given up, nothing of it is settled."""
        for item in verdicts:
            verdict = item.verdict
            if verdict is Verdict.STORED:
                self.stored += 1
            elif verdict is Verdict.DUPLICATE:
                self.duplicate += 1
            elif verdict is Verdict.QUARANTINED:
                self.quarantined += 1
            else:
                return False
        return True


def item_count(event: Event) -> int:
    """How many items a message brings that the ledger counts."""
    if isinstance(event, WireBacklog):
        return len(event.times)
    return event.count if isinstance(event, BadFrame) else int(isinstance(event, STORED_MESSAGES))


def refusals(verdicts: list[ItemVerdict]) -> Iterator[Refusal]:
    """What to tell the device of what went to quarantine: one refusal for a run of numbers that
    share a code.
    """
    first, count, code = 0, 0, RefusalCode.MALFORMED_MESSAGE
    for item in verdicts:
        if item.verdict is not Verdict.QUARANTINED:
            continue
        item_code = item.code or RefusalCode.UNSTORABLE
        sequence = item.sequence or 0
        continues = first and sequence == first + count and item_code == code
        if count and continues and count < MAX_BACKLOG_REPORTS:
            count += 1
            continue
        if count:
            yield Refusal(code, Resend.NEVER, first, count)
        first, count, code = sequence, 1, item_code
    if count:
        yield Refusal(code, Resend.NEVER, first, count)
