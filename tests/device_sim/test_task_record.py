"""Tests of the durable record of tasks."""

from pathlib import Path

import pytest

from device_sim.outbox import Outbox
from device_sim.task_list import Held, Reply
from device_sim.task_record import TaskEntry, TaskRecord
from gateway.protocol.task_messages import Answer, Receipt, TaskAnswer
from tests.helpers.builders import NOW, build_task
from tests.helpers.couriers import open_outbox

KEY = (7, 40)
REPLY = Reply(Answer.ABSENT, "没有", NOW + 5.5)


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    """An empty one."""
    return open_outbox(tmp_path)


@pytest.fixture
def record(outbox: Outbox) -> TaskRecord:
    """An empty one."""
    return outbox.tasks


def entry(**changes: object) -> TaskEntry:
    """Of task 1, shown once with a planned answer."""
    values: dict[str, object] = {
        "received_at": NOW, "shown": 1, "shown_late": 0, "answer": 2, "text": "没有",
        "answered_at": None, "sent": 0, "receipt": None, "withdrawn": 0,
    }  # fmt: skip
    return TaskEntry(*KEY, 1, **(values | changes))  # type: ignore[arg-type]  # a table of values


def test_what_was_shown_survives_without_closing(record: TaskRecord, tmp_path: Path) -> None:
    """As after kill -9; the handset takes it up as it was."""
    record.show(*KEY, build_task(), REPLY, NOW + 0.5)
    record.show(*KEY, build_task(task=2), None, NOW)
    again = open_outbox(tmp_path).tasks
    assert again.held(*KEY) == [Held(1, REPLY), Held(2)]
    assert again.held(7, 41) == []


def test_an_answer_from_planned_to_receipt(record: TaskRecord) -> None:
    """Each step is in the record, and in what the handset takes up."""
    record.show(*KEY, build_task(), REPLY, NOW)
    answer = TaskAnswer(1, Answer.ABSENT, NOW + 5, "没有")
    record.answer(*KEY, answer)
    record.count_sent(*KEY, 1)
    record.count_sent(*KEY, 1)
    (held,) = record.held(*KEY)
    assert (held.reply, held.was_sent) == (None, True)
    assert held.answer is not None
    assert held.answer.answered_at == NOW + 5
    record.settle(*KEY, 1, Receipt.LATE)
    assert list(record.entries()) == [entry(answered_at=NOW + 5, sent=2, receipt=1)]
    assert not record.held(*KEY)[0].waits_for_receipt


def test_every_showing_is_counted(record: TaskRecord) -> None:
    """Twice, or after the expiry: what must not happen can be seen."""
    record.show(*KEY, build_task(expires_at=NOW), None, NOW - 0.1)
    record.show(*KEY, build_task(expires_at=NOW), None, NOW)
    (found,) = record.entries()
    assert (found.shown, found.shown_late) == (2, 1)


def test_a_withdrawal_drops_what_was_not_sent(record: TaskRecord) -> None:
    """What was sent stays, and waits for its receipt."""
    for number in (1, 2, 3):
        record.show(*KEY, build_task(task=number), REPLY, NOW)
    for number in (2, 3):
        record.answer(*KEY, TaskAnswer(number, Answer.ABSENT, NOW + 5, "没有"))
    record.count_sent(*KEY, 3)
    for number in (1, 2, 3):
        record.withdraw(*KEY, number)
    held = record.held(*KEY)
    assert [one.reply for one in held] == [None, None, None]
    assert [one.waits_for_receipt for one in held] == [False, False, True]
    assert all(one.is_withdrawn for one in held)


def test_a_withdrawal_of_an_unknown_task_is_kept(record: TaskRecord) -> None:
    """So that the task is not shown when it comes behind it."""
    record.withdraw(*KEY, 9)
    assert record.withdrawn_unseen(*KEY) == [9]
    assert record.held(*KEY) == []
    (found,) = record.entries()
    assert (found.received_at, found.shown, found.withdrawn) == (None, 0, 1)
