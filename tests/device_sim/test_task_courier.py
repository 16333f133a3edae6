"""Tests of what lies between a task list, its record and the link."""

from pathlib import Path

import pytest

from device_sim.outbox import Outbox
from device_sim.task_courier import TaskCourier
from device_sim.task_list import Arrival
from device_sim.task_tally import TaskTally
from gateway.protocol.limits import MAX_TASK_CHARACTERS
from gateway.protocol.task_messages import (
    Noted,
    Receipt,
    TaskAnswer,
    TaskKind,
    TaskNoted,
    TaskReceipt,
    TaskWithdrawal,
)
from gateway.protocol.text import encode_text
from tests.helpers.builders import NOW, build_task
from tests.helpers.couriers import DEVICE, INSTALLATION, SLOW_REPLIES, open_outbox


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    """An empty one."""
    return open_outbox(tmp_path)


def courier_for(outbox: Outbox) -> TaskCourier:
    """Welcome at 1,000 of the event loop's clock; its inspector takes half of the time."""
    courier = TaskCourier(DEVICE, outbox.tasks, TaskTally(), SLOW_REPLIES)
    courier.begin(INSTALLATION)
    courier.welcomed(NOW, 1_000.0)
    return courier


def said(courier: TaskCourier, now: float) -> list[TaskNoted | TaskAnswer]:
    """Everything that may be said now."""
    messages = []
    while message := courier.take(now):
        messages.append(message)
    return messages


def test_a_task_is_in_the_record_before_it_is_noted(outbox: Outbox) -> None:
    """With the time of the handset's clock, which the welcome has set."""
    courier = courier_for(outbox)
    courier.receive(build_task(), 1_030.0)
    (entry,) = outbox.tasks.entries()
    assert (entry.received_at, entry.shown) == (NOW + 30, 1)
    assert said(courier, 1_030.0) == [TaskNoted(1, Noted.RECEIVED)]


def test_an_answer_is_in_the_record_before_it_is_sent(outbox: Outbox) -> None:
    """It is due by the handset's clock, and says when it was given."""
    courier = courier_for(outbox)
    courier.receive(build_task(expires_at=NOW + 120), 1_000.0)
    said(courier, 1_000.0)
    assert courier.due_at == 1_060.0
    assert said(courier, 1_059.9) == []
    (answer,) = said(courier, 1_060.0)
    assert isinstance(answer, TaskAnswer)
    (entry,) = outbox.tasks.entries()
    assert (entry.answered_at, entry.sent, entry.receipt) == (NOW + 60, 1, None)
    assert answer.answered_at == NOW + 60
    assert courier.due_at == 1_120.0
    courier.receive(TaskReceipt(1, Receipt.LATE), 1_061.0)
    courier.receive(TaskReceipt(1, Receipt.ACCEPTED), 1_062.0)
    (entry,) = outbox.tasks.entries()
    assert entry.receipt == Receipt.LATE
    assert courier.is_idle
    assert courier.due_at is None


def test_a_task_is_shown_once_and_never_after_its_expiry(outbox: Outbox) -> None:
    """By the corrected clock, to the second."""
    courier = courier_for(outbox)
    courier.receive(build_task(expires_at=NOW + 10, kind=TaskKind.NOTICE), 1_009.9)
    courier.receive(build_task(expires_at=NOW + 10, kind=TaskKind.NOTICE), 1_010.0)
    courier.receive(build_task(task=2, expires_at=NOW + 10), 1_010.0)
    assert said(courier, 1_010.0) == [TaskNoted(1, Noted.RECEIVED)]
    assert [(entry.task, entry.shown) for entry in outbox.tasks.entries()] == [(1, 1)]


def test_a_handset_without_a_clock_takes_no_task(outbox: Outbox) -> None:
    """Nothing comes before the first welcome; it could not tell whether it has expired."""
    courier = TaskCourier(DEVICE, outbox.tasks, TaskTally())
    courier.begin(INSTALLATION)
    courier.receive(build_task(), 0.0)
    assert courier.take(0.0) is None
    assert courier.is_idle


@pytest.mark.parametrize("text", [b"\xff", 7, "长" * (MAX_TASK_CHARACTERS + 1)])
def test_a_text_that_cannot_be_read_is_not_noted(outbox: Outbox, text: object) -> None:
    """The gateway has to mend it; the longest that fits is shown."""
    tally = TaskTally()
    courier = TaskCourier(DEVICE, outbox.tasks, tally)
    courier.begin(INSTALLATION)
    courier.welcomed(NOW, 0.0)
    courier.receive(build_task(text=text), 0.0)
    assert said(courier, 0.0) == []
    longest = encode_text("长" * MAX_TASK_CHARACTERS)
    courier.receive(build_task(task=2, text=longest, kind=TaskKind.NOTICE), 0.0)
    assert said(courier, 0.0) == [TaskNoted(2, Noted.RECEIVED)]
    assert (tally.unreadable, tally.shown) == (1, 1)


def test_a_withdrawal_is_in_the_record_before_it_is_noted(outbox: Outbox) -> None:
    """Of a task that is there, and of one that is not."""
    courier = courier_for(outbox)
    courier.receive(build_task(), 1_000.0)
    courier.receive(TaskWithdrawal(1), 1_000.0)
    courier.receive(TaskWithdrawal(2), 1_000.0)
    assert [entry.withdrawn for entry in outbox.tasks.entries()] == [1, 1]
    assert said(courier, 1_000.0) == [TaskNoted(1, Noted.WITHDRAWN), TaskNoted(2, Noted.WITHDRAWN)]
    assert courier.is_idle


def test_a_second_run_goes_on_where_the_first_ended(outbox: Outbox, tmp_path: Path) -> None:
    """What it knew, it knows again; another installation knows nothing."""
    first = courier_for(outbox)
    first.receive(build_task(expires_at=NOW + 120), 1_000.0)
    first.receive(TaskWithdrawal(2), 1_000.0)
    second = courier_for(open_outbox(tmp_path))
    second.receive(build_task(expires_at=NOW + 120), 1_000.0)
    second.receive(build_task(task=2), 1_000.0)
    noted = [TaskNoted(1, Noted.RECEIVED), TaskNoted(2, Noted.WITHDRAWN)]
    assert said(second, 1_000.0) == noted
    assert second.due_at == 1_060.0
    second.begin(INSTALLATION + 1)
    assert second.is_idle


def test_counts(outbox: Outbox) -> None:
    """Each arrival, note, answer and receipt."""
    tally = TaskTally()
    courier = TaskCourier(DEVICE, outbox.tasks, tally)
    courier.begin(INSTALLATION)
    courier.welcomed(NOW, 0.0)
    for task in (build_task(), build_task(), build_task(task=2, expires_at=NOW)):
        courier.receive(task, 0.0)
    said(courier, 0.0)
    courier.receive(TaskReceipt(1), 0.0)
    courier.receive(TaskWithdrawal(1), 0.0)
    assert tally.arrivals == {Arrival.NEW: 1, Arrival.AGAIN: 1, Arrival.EXPIRED: 1}
    assert (tally.answered, tally.answers_sent, tally.withdrawals) == (1, 1, 1)
    assert tally.receipts == {Receipt.ACCEPTED: 1}
    assert tally.notes == {Noted.RECEIVED: 1}
