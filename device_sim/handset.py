"""What one virtual handset sends next, and what it makes of the answers. No I/O and no clock.

A report is in one of three places: fresh (never sent), to be sent again (sent or perhaps sent, and
not under way now) or under way. It leaves only by an ack that covers it or a refusal for good.

Order of sending: emergencies first, each as a single report; then what has to be sent again, oldest
first, in backlogs of consecutive numbers; then the fresh ones: those written while the link was up
go singly, one frame each, as an inspector sends them; those written without a link go as backlogs.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

import msgspec

from device_sim.backlog import BacklogRun
from gateway.protocol.acks import covered
from gateway.protocol.errors import RefusalCode, Resend
from gateway.protocol.limits import REPLY_TIMEOUT_SECONDS
from gateway.protocol.messages import Ack, Refusal, Welcome
from gateway.protocol.report import Report, Urgency

DEFAULT_WINDOW_REPORTS: Final = 16
"""Reports under way, unacked, when the gateway allows more: an inspector's handset sends reports as
they are written and has few under way; one backlog may go beyond it."""

MIN_RETRY_SECONDS: Final = 1
"""Shortest pause after a refusal that asks to send again later."""

FRESH_REPORTS: Final = 48
"""Fresh reports in memory up to which a handset asks for more."""


class Written(msgspec.Struct, frozen=True, gc=False):
    """A fresh report and how it came to be."""

    report: Report
    offline: bool
    """Written while the handset had no link."""


class Dispatch(msgspec.Struct, frozen=True):
    """The reports of one frame: one, or a backlog with consecutive numbers."""

    reports: list[Report]
    is_again: bool
    """Whether they were, or perhaps were, sent before."""


class UnderWay(msgspec.Struct, frozen=True, gc=False):
    """A report that was sent on the present link."""

    report: Report
    sent_at: float


class Settled(msgspec.Struct, frozen=True, gc=False):
    """A report that is home, or refused for good."""

    report: Report
    sent_at: float | None
    """When it was sent on the present link; None when the answer was to an earlier one."""
    code: int | None = None
    """Of the refusal."""


class Handset:
    """The reports of one handset that are not settled, and its numbers.

    Args:
        device: number of the device.
        installation: number of the present installation.
        next_sequence: number of the next report that is written.
        backlog_reports: most reports in one backlog: what the link carries in a few seconds.
        window_reports: most reports under way by our own choice.
    """

    def __init__(
        self,
        device: int,
        installation: int,
        next_sequence: int = 1,
        *,
        backlog_reports: int,
        window_reports: int = DEFAULT_WINDOW_REPORTS,
    ) -> None:
        self.device = device
        self.installation = installation
        self.next_sequence = next_sequence
        self._backlog_reports = backlog_reports
        self._own_window = self._window = window_reports
        self._gateway_window = window_reports
        self._fresh: deque[Written] = deque()
        self._fresh_urgent: deque[Report] = deque()
        self._again: deque[Report] = deque()
        self._again_urgent: deque[Report] = deque()
        self._under_way: dict[int, UnderWay] = {}
        self._conflicting: list[Report] = []
        self._barrier: int | None = None
        self._not_before = 0.0
        self._urgent_not_before = 0.0

    # Writing reports.

    def number(self, reports: Iterable[Report]) -> list[Report]:
        """Give reports the next numbers. Make them durable, then `add` them."""
        numbered = []
        for sequence, report in enumerate(reports, self.next_sequence):
            same = report.sequence == sequence
            numbered.append(report if same else msgspec.structs.replace(report, sequence=sequence))
        self.next_sequence += len(numbered)
        return numbered

    def add(self, report: Report, *, offline: bool = False, wiped: bool = False) -> None:
        """Take a fresh report. `wiped`: before this one is sent, the handset will be wiped."""
        if wiped and self._barrier is None:
            self._barrier = report.sequence
        if report.urgency == Urgency.EMERGENCY:
            self._fresh_urgent.append(report)
        else:
            self._fresh.append(Written(report, offline))

    def restore(self, reports: Iterable[Report]) -> None:
        """Take unsettled reports of an earlier run of the program: perhaps they were sent."""
        self._to_again(reports)

    def restore_conflicting(self, reports: Iterable[Report]) -> None:
        """Take reports that an earlier run saw refused for their numbers and did not renumber."""
        self._conflicting += reports
        if self._conflicting:
            self._barrier = 0

    # What is left to do.

    @property
    def wants_more(self) -> bool:
        """Whether there is room for more fresh reports."""
        return len(self._fresh) + len(self._fresh_urgent) < FRESH_REPORTS

    @property
    def is_empty(self) -> bool:
        """Whether everything is settled."""
        return not (
            self._fresh
            or self._under_way
            or self._again
            or self._fresh_urgent
            or self._again_urgent
            or self._conflicting
        )

    @property
    def under_way(self) -> int:
        """Reports that were sent on the present link and not answered."""
        return len(self._under_way)

    @property
    def settled_through(self) -> int:
        """All reports of this installation up to this number are settled, as far as is known."""
        queues = (self._fresh_urgent, self._again, self._again_urgent)
        lowest = [queue[0].sequence for queue in queues if queue]
        if self._fresh:
            lowest.append(self._fresh[0].report.sequence)
        return min([*lowest, *self._under_way, self.next_sequence]) - 1

    @property
    def retry_at(self) -> float | None:
        """When to `take` again though nothing has happened, or None."""
        due = (self._not_before, self._urgent_not_before)
        return min((moment for moment in due if moment), default=None)

    @property
    def overdue_at(self) -> float | None:
        """When the report that is longest under way should have been answered, or None."""
        first = next(iter(self._under_way.values()), None)
        return None if first is None else first.sent_at + REPLY_TIMEOUT_SECONDS

    # Sending.

    def take(self, now: float) -> Dispatch | None:
        """What the next frame holds, now under way; None when nothing may go now."""
        if len(self._under_way) >= self._window:
            return None
        dispatch = None
        if now >= self._urgent_not_before:
            self._urgent_not_before = 0.0
            dispatch = self._next_emergency()
        if dispatch is None and now >= self._not_before:
            self._not_before = 0.0
            dispatch = self._next_dispatch()
        if dispatch:
            for report in dispatch.reports:
                self._under_way[report.sequence] = UnderWay(report, now)
        return dispatch

    def _next_emergency(self) -> Dispatch | None:
        if self._again_urgent:
            return Dispatch([self._again_urgent.popleft()], is_again=True)
        if self._fresh_urgent and self._may_go(self._fresh_urgent[0]):
            return Dispatch([self._fresh_urgent.popleft()], is_again=False)
        return None

    def _next_dispatch(self) -> Dispatch | None:
        if self._again:
            return Dispatch(self._run_again(), is_again=True)
        if self._fresh and self._may_go(self._fresh[0].report):
            return Dispatch(self._run_of_fresh(), is_again=False)
        return None

    def _may_go(self, fresh: Report) -> bool:
        return self._barrier is None or fresh.sequence < self._barrier

    def _run_again(self) -> list[Report]:
        run = BacklogRun(self._most_in_backlog)
        while self._again and run.takes(self._again[0]):
            run.add(self._again.popleft())
        return run.reports

    def _run_of_fresh(self) -> list[Report]:
        first = self._fresh.popleft()
        run = BacklogRun(self._most_in_backlog if first.offline else 1)
        run.add(first.report)
        while (
            self._fresh
            and self._fresh[0].offline
            and self._may_go(self._fresh[0].report)
            and run.takes(self._fresh[0].report)
        ):
            run.add(self._fresh.popleft().report)
        return run.reports

    @property
    def _most_in_backlog(self) -> int:
        """As many as the link takes, and never beyond what the gateway allows under way."""
        return min(self._backlog_reports, self._gateway_window - len(self._under_way))

    # Answers.

    def welcomed(self, welcome: Welcome) -> list[Settled]:
        """Drop what the gateway knows to be settled; the rest is to be sent again."""
        self._gateway_window = welcome.window_reports
        self._window = min(self._own_window, welcome.window_reports)
        settled = []
        for sequence, code in welcome.refused:
            settled += self._refused_for_good(range(sequence, sequence + 1), code)
        return settled + self._settle([range(1, welcome.settled_through + 1)])

    def acked(self, ack: Ack) -> list[Settled]:
        """Drop what the ack covers. A report that was never sent is not touched by any ack."""
        return self._settle(list(covered(ack)))

    def refused(self, refusal: Refusal, now: float) -> list[Settled]:
        """Drop or keep what was refused, as the refusal says."""
        if not refusal.sequence:
            self._pause(refusal, now, urgent=True)
            return []
        sequences = range(refusal.sequence, refusal.sequence + refusal.count)
        if refusal.resend == Resend.NEVER:
            return self._refused_for_good(sequences, refusal.code)
        reports = [
            self._under_way.pop(sequence).report
            for sequence in sequences
            if sequence in self._under_way
        ]
        self._to_again(reports)
        urgent = any(report.urgency == Urgency.EMERGENCY for report in reports)
        self._pause(refusal, now, urgent=urgent)
        return []

    def link_lost(self) -> None:
        """Nothing is under way any more: what was not answered has to be sent again."""
        self._to_again([sent.report for sent in self._under_way.values()])
        self._under_way.clear()

    def overdue(self, now: float) -> None:
        """Take for lost what was not answered in time. Only MQTT needs it: TCP loses its link."""
        late = []
        for sent in self._under_way.values():
            if now < sent.sent_at + REPLY_TIMEOUT_SECONDS:
                break  # what follows was sent later
            late.append(sent.report)
        for report in late:
            del self._under_way[report.sequence]
        self._to_again(late)

    def _pause(self, refusal: Refusal, now: float, *, urgent: bool) -> None:
        """Emergencies wait only when one of them was refused, or what no number says."""
        if refusal.resend == Resend.LATER:
            until = now + max(MIN_RETRY_SECONDS, refusal.retry_after_seconds)
            self._not_before = max(self._not_before, until)
            if urgent:
                self._urgent_not_before = max(self._urgent_not_before, until)

    def _refused_for_good(self, sequences: range, code: int) -> list[Settled]:
        refused = [
            Settled(settled.report, settled.sent_at, code) for settled in self._settle([sequences])
        ]
        if code == RefusalCode.SEQUENCE_CONFLICT and refused:
            self._conflicting += [settled.report for settled in refused]
            self._barrier = 0
        return refused

    def _settle(self, ranges: list[range]) -> list[Settled]:
        under_way = self._under_way
        numbers = [n for n in under_way if any(n in run for run in ranges)]
        settled = [Settled((sent := under_way.pop(n)).report, sent.sent_at) for n in numbers]
        for queue in (self._again, self._again_urgent):
            if queue:
                settled += _take_covered(queue, ranges)
        return settled

    def _to_again(self, reports: Iterable[Report]) -> None:
        for report in reports:
            urgent = report.urgency == Urgency.EMERGENCY
            (self._again_urgent if urgent else self._again).append(report)
        self._again = _in_order(self._again)
        self._again_urgent = _in_order(self._again_urgent)

    # A new installation.

    @property
    def must_renew(self) -> bool:
        """Whether to begin a new installation now: the handset was wiped or its numbers conflict,
        and everything that was sent is settled, so that nothing can be stored under two numbers.
        """
        return (
            self._barrier is not None
            and not (self._under_way or self._again or self._again_urgent)
            and not any(self._may_go(report) for report in list(self._fresh_urgent)[:1])
            and not any(self._may_go(written.report) for written in list(self._fresh)[:1])
        )

    @property
    def has_conflict(self) -> bool:
        """Whether reports wait for a new number because theirs was taken."""
        return bool(self._conflicting)

    def renew(self, installation: int) -> list[tuple[int, int]]:
        """Begin a new installation with numbers from 1; returns pairs of old and new number."""
        written = [Written(report, offline=False) for report in self._conflicting]
        written += [Written(report, offline=False) for report in self._fresh_urgent]
        written += self._fresh
        written.sort(key=lambda item: item.report.sequence)
        self._fresh.clear()
        self._fresh_urgent.clear()
        self._conflicting.clear()
        self._barrier = None
        self.installation = installation
        self.next_sequence = 1
        moves = []
        for item in written:
            (report,) = self.number([item.report])
            moves.append((item.report.sequence, report.sequence))
            self.add(report, offline=item.offline)
        return moves


def _in_order(reports: deque[Report]) -> deque[Report]:
    return deque(sorted(reports, key=lambda report: report.sequence))


def _take_covered(queue: deque[Report], ranges: list[range]) -> list[Settled]:
    """Take out of a queue what the ranges cover."""
    taken: list[Report] = []
    left: list[Report] = []
    for report in queue:
        covers = any(report.sequence in run for run in ranges)
        (taken if covers else left).append(report)
    queue.clear()
    queue.extend(left)
    return [Settled(report, None) for report in taken]
