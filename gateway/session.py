"""One admitted device's conversation, the same on every transport: messages in, replies out.

A reply that promises something waits for storage's verdict. Acks of one turn of the event loop are
joined, so a device with many frames in a batch gets one small frame for them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from gateway import observe, observe_limits
from gateway.allowance import Allowances
from gateway.handlers import HANDLERS
from gateway.handlers.context import Context
from gateway.handlers.outcome import Answered, Outcome
from gateway.observe_limits import Limit
from gateway.parcel import ItemVerdict, Parcel, Transport, Verdict
from gateway.protocol.acks import AckTracker
from gateway.protocol.connection import Event
from gateway.protocol.errors import RefusalCode, Resend
from gateway.protocol.limits import MAX_BACKLOG_REPORTS, MAX_SEQUENCE
from gateway.protocol.messages import (
    STORED_MESSAGES,
    BadFrame,
    Message,
    Refusal,
    WireBacklog,
    WireReport,
    WireTrack,
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
    is_crowded: Callable[[], bool] = lambda: False
    """Whether what comes now would have to wait long."""
    allowances: Allowances = field(default_factory=Allowances)
    """What each device may do, over all its sessions."""


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
        end: Callable[[int], None] | None = None,
    ) -> None:
        self.send: Final = send
        """Sends messages to the device."""
        self.is_listening: Final = is_listening
        """Whether there is room for what is sent to it. It need not be asked before an answer."""
        self.shut_out: Final = shut_out
        """Ends it because its device is not admitted any more."""
        self.standing: Final = standing
        """The device's standing when it was looked up; see `revocation`."""
        self._end = end
        """Ends it, for so many seconds, when the device does not heed refusals. None: such a device
        is hardly answered any more.
        """
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
        self._allowance: Final = station.allowances.of(device_id, station.monotonic())
        self._was_told_to_wait = False

    def may_jump(self, event: Event) -> bool:
        """Whether a message may go past everything else: within the device's share an emergency,
        and in a crowd the report of a device that waits for nothing else. It would stand behind
        all that others have sent.
        """
        now = self._station.monotonic()
        if is_urgent(event):
            return self._allowance.emergencies.room(now) > 0
        return self._is_alone_in_a_crowd(event) and self._allowance.quick.room(now) > 0

    def _is_alone_in_a_crowd(self, event: Event) -> bool:
        is_alone = isinstance(event, WireReport) and not self.unsettled_items
        return is_alone and self._station.is_crowded()

    def _jumps(self, event: Event, now: float) -> bool:
        """The same, and it counts."""
        if is_urgent(event):
            return self._allowance.emergencies.take(1, now)
        return self._is_alone_in_a_crowd(event) and self._allowance.quick.take(1, now)

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
        station, now = self._station, self._station.monotonic()
        urgent = self._jumps(event, now)
        if not (urgent or self._allowance.take(cost(event), now)):
            self.refuse_for_now(event, Limit.REPORTS)
            if on_settled:
                on_settled()
            return
        handler = HANDLERS.get(type(event))
        if handler is None:
            if on_settled:
                on_settled()
            return
        outcome = handler(event, Context(station.tables, int(station.unix_time())))
        if outcome.replies:
            self.send(list(outcome.replies))
        if outcome.task_reply is not None:
            # A TCP session does not end for it: the device sends it again in its time.
            give_up = on_given_up if self.transport is Transport.MQTT else None
            station.take_task_reply(TaskReply(self, outcome.task_reply, body, on_settled, give_up))
        elif outcome.is_settled_later:
            self.store(outcome, body, on_settled, on_given_up, urgent=urgent)
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
        if outcome.rejected:
            self._refuse_beyond_quota(outcome, body)
            if not outcome.is_settled_later:
                if on_settled:
                    on_settled()
                return
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
        parcel.on_settled = lambda parcel, verdicts: self._settled(
            parcel, verdicts, received_at, receipt, on_settled, on_given_up
        )
        items = parcel.items
        self.unsettled_items += items
        self.statistics.frames += 1
        observe.parcel_received(self.transport, items)
        station.offer(parcel)

    def refuse_for_now(self, event: Event, limit: Limit) -> None:
        """Refuse a message unstored: the device has it, and is to send it again later."""
        if items := item_count(event):
            self._station.refused(self.transport, items)
        self._ask_later([numbers(event)], limit)

    def _refuse_beyond_quota(self, outcome: Outcome, body: bytes) -> None:
        """Take out of an outcome what its device may not have kept in quarantine just now. It keeps
        that itself; an answer to a task gets no receipt, so that it comes again.
        """
        now = self._station.monotonic()
        fitting = self._allowance.take_kept(len(outcome.rejected), len(body), now)
        beyond = outcome.rejected[fitting:]
        if beyond:
            del outcome.rejected[fitting:]
            outcome.receipt = None
            self._station.refused(self.transport, len(beyond))
            self._ask_later([(item.sequence or 0, 1) for item in beyond], Limit.QUARANTINE)

    def _ask_later(self, runs: list[tuple[int, int]], limit: Limit) -> None:
        """Refuse numbers, as (first, count), for now. A device that goes on all the same loses its
        session; where there is none to lose, it gets one word a second.
        """
        allowance, now = self._allowance, self._station.monotonic()
        seconds = allowance.refuse(now)
        observe_limits.over_limit(self.transport, limit)
        if not self._was_told_to_wait:
            self._was_told_to_wait = True
            observe_limits.device_told_to_wait(self.transport, self.device_id, limit, seconds)
        if allowance.is_defied and self._end is None and not allowance.may_be_told(now):
            return
        for first, count in runs:
            add_refusal(self._refusals, first, count, seconds)
        if allowance.is_defied and self._end is not None:
            self._reply()
            self._end(seconds)
        else:
            self._reply_soon()

    def _settled(
        self,
        parcel: Parcel,
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
            self._charge_unforeseen(parcel, statistics.quarantined - kept_before)
        acked = self._acked
        self._acks.settle(
            [v.sequence for v in verdicts if v.sequence is not None and v.verdict in acked]
        )
        self._reply_soon()
        if receipt:
            self._station.call_soon(lambda: self.send([receipt]))
        if on_settled:
            on_settled()

    def _charge_unforeseen(self, parcel: Parcel, kept: int) -> None:
        """What only the database found unacceptable has taken room in quarantine too."""
        if unforeseen := kept - len(parcel.rejected):
            self._allowance.charge_kept(unforeseen, len(parcel.frame), self._station.monotonic())

    def _reply_soon(self) -> None:
        if not self._reply_is_due:
            self._reply_is_due = True
            self._station.call_soon(self._reply)

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


def cost(event: Event) -> int:
    """What a message takes of its device's share: its items, and one if it has none."""
    if type(event) is WireReport:  # the usual case, worth a short way
        return 1
    return max(1, item_count(event))


def numbers(event: Event) -> tuple[int, int]:
    """The numbers of the reports in a message, as first and count; (0, 1) where it has none."""
    if isinstance(event, WireBacklog):
        first = event.first_sequence
        return first, min(len(event.times), MAX_SEQUENCE + 1 - first)
    if isinstance(event, BadFrame) and event.first_sequence:
        return event.first_sequence, min(event.count, MAX_SEQUENCE + 1 - event.first_sequence)
    return (event.sequence, 1) if isinstance(event, WireReport | WireTrack) else (0, 1)


def add_refusal(pending: list[Refusal], first: int, count: int, seconds: int) -> None:
    """Add a refusal for now, to the last one where it goes on with its numbers."""
    refusal = Refusal(RefusalCode.TOO_MANY_REPORTS, Resend.LATER, first, count, seconds)
    if pending and (last := pending[-1]).code == refusal.code:
        both = last.count + count
        if first and last.sequence + last.count == first and both <= MAX_BACKLOG_REPORTS:
            pending[-1] = Refusal(refusal.code, Resend.LATER, last.sequence, both, seconds)
            return
        if last == refusal:
            return
    pending.append(refusal)


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
