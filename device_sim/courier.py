"""Between a handset and its link, the same for both transports: greeting, sending, replies, record.

The handset decides what to send; the courier makes durable what must be, verifies who answers,
keeps the record and counts. It does no network I/O and is told the time.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from device_sim.faults import Circumstance, Fault, FaultPlan
from device_sim.handset import Handset, Settled
from device_sim.outbox import Outbox
from device_sim.pace import Wake
from device_sim.tally import Tally
from device_sim.task_courier import BY_THE_WAY, TaskCourier, TaskPlan
from gateway.protocol.errors import RefusalCode, Resend
from gateway.protocol.limits import NONCE_BYTES, PROTOCOL_VERSION
from gateway.protocol.messages import (
    Ack,
    Hello,
    Message,
    Refusal,
    Welcome,
    WireBacklog,
    WireReport,
)
from gateway.protocol.proof import Greeting, device_proof, verify_gateway_proof
from gateway.protocol.report import Report
from gateway.protocol.tables import Edition
from gateway.protocol.task_messages import TaskAnswer, TaskMessage, TaskNoted
from gateway.protocol.wire_report import pack_backlog, pack_report

_FINAL_CODES: Final = frozenset({RefusalCode.UNSUPPORTED_VERSION, RefusalCode.NOT_ADMITTED})
"""Refusals of a greeting that no later attempt will change."""


class NotAdmittedError(Exception):
    """The gateway or the broker does not want this handset; to try again is pointless."""


class UntrustedGatewayError(Exception):
    """The welcome does not prove that the gateway knows this device: its acks mean nothing."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message, and what is to happen to its frame."""

    message: Message
    fault: Fault
    repeated: Message | None = None
    """To be sent behind it: a report that was acked before, or the message itself."""


class Courier:
    """Carries the reports of one handset, and what it says of its tasks.

    Args:
        handset: whose reports.
        secret: of the device.
        edition: of the code tables.
        outbox: the record.
        tally: the fleet's counts.
        plan: the faults.
        new_installation: a number for the handset's installation of this ordinal.
        task_plan: how its inspector deals with tasks.
    """

    def __init__(
        self,
        handset: Handset,
        secret: bytes,
        edition: Edition,
        outbox: Outbox,
        tally: Tally,
        plan: FaultPlan,
        new_installation: Callable[[int], int],
        task_plan: TaskPlan = BY_THE_WAY,
    ) -> None:
        self.handset = handset
        self.tally = tally
        self.tasks = TaskCourier(handset.device, outbox.tasks, tally.tasks, task_plan)
        self.wake = Wake()
        """Set when the link's task has something to do."""
        self.room = Wake()
        """Set when the handset has room for more fresh reports."""
        self.is_all_written = False
        """Whether the inspector has written the last report."""
        self.stays_on = False
        """Whether tasks may come that nobody has asked for yet: then it never finishes."""
        self.is_welcome = False
        """Whether a gateway that proved itself has welcomed the handset on the present link."""
        self.outage_seconds = 0.0
        """The link is to be cut now, for so long in the scenario's time; 0 when it is not."""
        self.is_first_of_installation = False
        """Whether no link has served this installation yet."""
        self._secret = secret
        self._edition = edition
        self._outbox = outbox
        self._plan = plan
        self._new_installation = new_installation
        self._installations = 1
        self._greeting: Greeting | None = None
        self._last_acked: Report | None = None

    # Writing.

    def start(self) -> int:
        """Take up what the outbox holds; returns how many reports were written before."""
        handset, position = self.handset, self._outbox.position(self.handset.device)
        if position is None:
            handset.installation = self._new_installation(1)
            self._outbox.begin(handset.device, handset.installation)
            self.tasks.begin(handset.installation)
            self.is_first_of_installation = True
            return 0
        handset.installation = position.installation
        handset.next_sequence = position.next_sequence
        self._installations = position.installations
        key = (handset.device, handset.installation)
        handset.restore(self._outbox.unsettled(*key))
        handset.restore_conflicting(self._outbox.conflicting(*key))
        self.tasks.begin(handset.installation)
        return position.written

    def write(self, first_serial: int, circumstances: Sequence[Circumstance]) -> None:
        """Make fresh reports durable and hand them over for sending."""
        handset = self.handset
        reports = handset.number(circumstance.report for circumstance in circumstances)
        self._outbox.add(handset.device, handset.installation, first_serial, reports)
        for report, circumstance in zip(reports, circumstances, strict=True):
            handset.add(report, offline=circumstance.offline, wiped=circumstance.wiped)
            if circumstance.outage_seconds:
                self.go_offline(circumstance.outage_seconds)
        self.tally.written += len(reports)
        self.wake.set()

    async def wait_for_room(self) -> None:
        """Wait until the handset has room for more fresh reports."""
        while not self.handset.wants_more:
            await self.room.wait()

    @property
    def is_finished(self) -> bool:
        """Whether everything was written, settled and answered."""
        is_settled = self.is_all_written and self.handset.is_empty and self.tasks.is_idle
        return is_settled and not self.stays_on

    def dismiss(self) -> None:
        """No task comes any more: finish when everything is settled."""
        self.stays_on = False
        self.wake.set()

    def go_offline(self, seconds: float) -> None:
        """Cut the link now, for so long in the scenario's time."""
        self.outage_seconds = seconds
        self.tally.outages += 1
        self.wake.set()

    @property
    def retry_at(self) -> float | None:
        """When to ask for something to send again though nothing has happened, or None."""
        due = (self.handset.retry_at, self.tasks.due_at)
        return min((moment for moment in due if moment is not None), default=None)

    # Sending.

    def hello(self, gateway_nonce: bytes | None) -> Hello:
        """The greeting: over TCP with the proof of the secret, over MQTT without (`None`)."""
        handset = self.handset
        nonce = secrets.token_bytes(NONCE_BYTES)
        self._greeting = greeting = Greeting(
            gateway_nonce or b"", nonce, handset.device, handset.installation
        )
        self.is_welcome = False
        return Hello(
            version=PROTOCOL_VERSION,
            device=handset.device,
            installation=handset.installation,
            settled_through=handset.settled_through,
            nonce=nonce,
            proof=b"" if gateway_nonce is None else device_proof(self._secret, greeting),
            edition=self._edition.number,
        )

    def next_outgoing(self, now: float) -> Outgoing | None:
        """The next message, or None when nothing may go now."""
        if not self.is_welcome:
            return None
        message = self.tasks.take(now)
        return self._next_reports(now) if message is None else self._about_task(message)

    def _about_task(self, message: TaskNoted | TaskAnswer) -> Outgoing:
        fault = self._plan.of_frame()
        if fault is Fault.LOST_ACK and isinstance(message, TaskNoted):
            fault = Fault.NONE  # there is no reply that could be lost
        if fault is not Fault.NONE:
            self.tally.faults[fault] += 1
        return Outgoing(message, fault, message if fault is Fault.REPEAT else None)

    def _next_reports(self, now: float) -> Outgoing | None:
        handset = self.handset
        dispatch = handset.take(now)
        if dispatch is None:
            self._renew_if_due()
            return None
        if handset.wants_more:
            self.room.set()
        reports = dispatch.reports
        if dispatch.is_again:
            self.tally.resends += len(reports)
        self._sent(reports)
        fault = self._plan.of_frame()
        repeated = self._repeated() if fault is Fault.REPEAT else None
        if fault is not Fault.NONE and (fault is not Fault.REPEAT or repeated):
            self.tally.faults[fault] += 1
        return Outgoing(self._pack(reports), fault, repeated)

    def _pack(self, reports: Sequence[Report]) -> WireReport | WireBacklog:
        if len(reports) == 1:
            return pack_report(reports[0], self._edition)
        self.tally.backlogs += 1
        return pack_backlog(reports, self._edition)

    def _sent(self, reports: Sequence[Report]) -> None:
        self.tally.frames += 1
        self.tally.transmissions += len(reports)
        self._outbox.note_sent(self.handset.device, self.handset.installation, reports)

    def _repeated(self) -> WireReport | None:
        report = self._last_acked
        if report is None:
            return None
        self.tally.resends += 1
        self._sent([report])
        return pack_report(report, self._edition)

    # Answers.

    def receive(self, message: object, now: float) -> None:
        """Take a welcome, an ack, a refusal or what is about tasks; pass over everything else.

        Raises:
            UntrustedGatewayError: the welcome does not prove the gateway.
            NotAdmittedError: the greeting was refused for good.
        """
        if isinstance(message, Welcome):
            self._welcomed(message, now)
        elif isinstance(message, Refusal):
            self._refused(message, now)
        elif isinstance(message, Ack) and self.is_welcome:
            self._settle(self.handset.acked(message), now)
        elif isinstance(message, TaskMessage) and self.is_welcome:
            self.tasks.receive(message, now)
        self._renew_if_due()
        self.wake.set()

    def _welcomed(self, welcome: Welcome, now: float) -> None:
        greeting = self._greeting
        if greeting is None or not verify_gateway_proof(self._secret, greeting, welcome.proof):
            raise UntrustedGatewayError(f"device {self.handset.device}: false welcome")
        if not self.is_welcome:
            self.tally.connections += 1
        self.is_welcome = True
        self.is_first_of_installation = False
        self.tasks.welcomed(welcome.server_time, now)
        self._settle(self.handset.welcomed(welcome), now)

    def _refused(self, refusal: Refusal, now: float) -> None:
        if not self.is_welcome:
            if refusal.code in _FINAL_CODES:
                code = RefusalCode(refusal.code).name
                raise NotAdmittedError(f"greeting refused: {code}")
            return
        if refusal.resend == Resend.LATER:
            self.tally.asked_later += refusal.count
        self._settle(self.handset.refused(refusal, now), now)

    def _settle(self, settled: Sequence[Settled], now: float) -> None:
        handset, outbox, tally = self.handset, self._outbox, self.tally
        for item in settled:
            sequence = item.report.sequence
            outbox.note_settled(handset.device, handset.installation, sequence, item.code)
            if item.code is not None:
                tally.refused[item.code] += 1
                continue
            tally.acked += 1
            self._last_acked = item.report
            if item.sent_at is not None:
                tally.ack_seconds.append(now - item.sent_at)

    def link_lost(self) -> None:
        """The link is gone, however it went."""
        self.is_welcome = False
        self.handset.link_lost()
        self.tasks.link_lost()
        self._renew_if_due()

    def _renew_if_due(self) -> None:
        """Begin a new installation when it is time; the link's task then greets anew."""
        handset = self.handset
        if not handset.must_renew:
            return
        old = handset.installation
        self._installations += 1
        if handset.has_conflict:
            self.tally.conflicts += 1
        else:
            self.tally.wipes += 1
        # A greeting is for one installation: the next report has to wait for a new one.
        self.is_welcome = False
        new = self._new_installation(self._installations)
        moves = handset.renew(new)
        self._outbox.renumber(handset.device, old, new, moves)
        self.tasks.begin(new)
        self.wake.set()
        self._last_acked = None
        self.is_first_of_installation = True
