"""Between a handset's task list, its durable record and its link; the same for both transports.

The list decides; the task courier makes durable what must be before it is said, keeps the handset's
clock and counts. It does no network I/O and is told the time of the event loop.
"""

from dataclasses import dataclass
from random import Random
from typing import Final

from device_sim.replies import AT_ONCE, Habits, plan_reply
from device_sim.task_list import Arrival, TaskList
from device_sim.task_record import TaskRecord
from device_sim.task_tally import TaskTally
from gateway.protocol.limits import MAX_TASK_CHARACTERS
from gateway.protocol.task_messages import (
    Noted,
    Task,
    TaskAnswer,
    TaskMessage,
    TaskNoted,
    TaskReceipt,
    TaskWithdrawal,
)
from gateway.protocol.text import TextError, decode_text


@dataclass(frozen=True, slots=True)
class TaskPlan:
    """How a fleet's inspectors deal with tasks."""

    seed: int = 0
    habits: Habits = AT_ONCE


BY_THE_WAY: Final = TaskPlan()
"""For scenarios that are about something else."""


class TaskCourier:
    """Carries what one handset says of its tasks.

    Args:
        device: number of the device.
        record: durable, of the whole fleet.
        tally: the fleet's counts.
        plan: how tasks are dealt with.
    """

    def __init__(
        self, device: int, record: TaskRecord, tally: TaskTally, plan: TaskPlan = BY_THE_WAY
    ) -> None:
        self._device = device
        self._installation = 0
        self._record = record
        self._tally = tally
        self._plan = plan
        self._list = TaskList()
        self._offset: float | None = None
        """Unix time less the event loop's; None before the first welcome."""

    def begin(self, installation: int) -> None:
        """Take up an installation: with what the record holds of it, nothing if it is new."""
        self._installation = installation
        self._list = TaskList()
        record, key = self._record, (self._device, installation)
        self._list.restore(record.held(*key), record.withdrawn_unseen(*key))

    def welcomed(self, server_time: int, now: float) -> None:
        """Set the handset's clock by the gateway's."""
        self._offset = server_time - now

    def link_lost(self) -> None:
        """The link is gone, however it went."""
        self._list.link_lost()

    # What comes.

    def receive(self, message: TaskMessage, now: float) -> None:
        """Take a task, a withdrawal or a receipt."""
        if isinstance(message, Task):
            self._task(message, now)
        elif isinstance(message, TaskWithdrawal):
            self._tally.withdrawals += 1
            self._record.withdraw(self._device, self._installation, message.task)
            self._list.withdraw(message.task)
        elif isinstance(message, TaskReceipt) and self._list.settle(message.task, message.receipt):
            self._tally.receipts[message.receipt] += 1
            self._record.settle(self._device, self._installation, message.task, message.receipt)

    def _task(self, task: Task, now: float) -> None:
        at = self._unix(now)
        if at is None:
            return
        arrival = self._list.arrival(task.task, task.expires_at, at)
        self._tally.arrivals[arrival] += 1
        if arrival is Arrival.AGAIN:
            self._list.note_again(task.task)
        elif arrival is Arrival.NEW:
            self._show(task, at)

    def _show(self, task: Task, at: float) -> None:
        try:
            text = decode_text(task.text, MAX_TASK_CHARACTERS)
        except TextError:
            self._tally.unreadable += 1
            return
        # Not by the task's number, which is another one in each run.
        random = Random(f"task/{self._plan.seed}/{self._device}/{task.case_number}/{text}")
        reply = plan_reply(random, task, at, self._plan.habits)
        self._record.show(self._device, self._installation, task, reply, at)
        self._list.show(task.task, reply)

    # What goes.

    def take(self, now: float) -> TaskNoted | TaskAnswer | None:
        """The next thing to say while the handset is welcome; None when there is nothing."""
        self._let_inspector_answer(now)
        message = self._list.take(now)
        if isinstance(message, TaskAnswer):
            self._tally.answers_sent += 1
            self._record.count_sent(self._device, self._installation, message.task)
        elif message is not None:
            self._tally.notes[Noted(message.what)] += 1
        return message

    def _let_inspector_answer(self, now: float) -> None:
        at = self._unix(now)
        if at is None:
            return
        for held in self._list.answer_due(at):
            if held.answer is not None:
                self._tally.answered += 1
                self._record.answer(self._device, self._installation, held.answer)

    # What is left to do.

    @property
    def is_idle(self) -> bool:
        """Whether nothing has to be said or answered any more."""
        return self._list.is_idle

    @property
    def due_at(self) -> float | None:
        """When to `take` again though nothing has happened, by the event loop's clock, or None."""
        answer_due_at, overdue_at = self._list.answer_due_at, self._list.overdue_at
        due = [] if overdue_at is None else [overdue_at]
        if answer_due_at is not None and self._offset is not None:
            due.append(answer_due_at - self._offset)
        return min(due, default=None)

    def _unix(self, now: float) -> float | None:
        return None if self._offset is None else now + self._offset
