"""Tests of what a handset knows of its tasks and says of them."""

from device_sim.task_list import Arrival, Held, Reply, TaskList
from gateway.protocol.limits import REPLY_TIMEOUT_SECONDS
from gateway.protocol.task_messages import Answer, Noted, Receipt, TaskAnswer, TaskNoted

REPLY = Reply(Answer.EXISTS, "ok.", due_at=100.0)
ANSWER = TaskAnswer(1, Answer.EXISTS, 100, "ok.")


def said(tasks: TaskList, now: float = 0.0) -> list[TaskNoted | TaskAnswer]:
    """Everything that may be said now."""
    messages = []
    while message := tasks.take(now):
        messages.append(message)
    return messages


def answered_list() -> TaskList:
    """With task 1, whose answer was given and not yet sent."""
    tasks = TaskList()
    tasks.show(1, REPLY)
    said(tasks)
    tasks.answer_due(100.0)
    return tasks


def test_a_task_is_new_once() -> None:
    """However often it comes; each time it is noted."""
    tasks = TaskList()
    assert tasks.arrival(1, expires_at=10, now=9.9) is Arrival.NEW
    tasks.show(1, None)
    assert said(tasks) == [TaskNoted(1, Noted.RECEIVED)]
    assert tasks.arrival(1, expires_at=10, now=9.9) is Arrival.AGAIN
    tasks.note_again(1)
    tasks.note_again(1)
    assert said(tasks) == [TaskNoted(1, Noted.RECEIVED)]


def test_an_expired_task_is_passed_over() -> None:
    """From the very second on; one that is here already is noted all the same."""
    tasks = TaskList()
    assert tasks.arrival(1, expires_at=10, now=10.0) is Arrival.EXPIRED
    tasks.show(2, None)
    assert tasks.arrival(2, expires_at=10, now=11.0) is Arrival.AGAIN


def test_an_answer_is_given_when_it_is_due() -> None:
    """And not a moment before."""
    tasks = TaskList()
    tasks.show(1, REPLY)
    assert tasks.answer_due_at == 100.0
    assert tasks.answer_due(99.9) == []
    (held,) = tasks.answer_due(100.0)
    assert held.answer == ANSWER
    assert tasks.answer_due(200.0) == []
    assert tasks.answer_due_at is None


def test_an_answer_goes_again_until_its_receipt_comes() -> None:
    """After a minute without one, and after each lost link; any receipt ends it."""
    tasks = answered_list()
    assert said(tasks, now=5.0) == [ANSWER]
    assert tasks.overdue_at == 5.0 + REPLY_TIMEOUT_SECONDS
    assert said(tasks, now=64.9) == []
    assert said(tasks, now=65.0) == [ANSWER]
    tasks.link_lost()
    assert tasks.overdue_at is None
    assert said(tasks, now=66.0) == [ANSWER]
    assert not tasks.is_idle
    assert tasks.settle(1, Receipt.NOT_ACCEPTED)
    assert said(tasks, now=999.0) == []
    assert tasks.is_idle


def test_a_receipt_that_nobody_waits_for_is_passed_over() -> None:
    """Of an unknown task, of one that is not answered, and a second one."""
    tasks = TaskList()
    tasks.show(1, REPLY)
    assert not tasks.settle(2, Receipt.ACCEPTED)
    assert not tasks.settle(1, Receipt.ACCEPTED)
    tasks = answered_list()
    assert tasks.settle(1, Receipt.ACCEPTED)
    assert not tasks.settle(1, Receipt.LATE)


def test_a_withdrawal_takes_the_answer_that_was_not_sent() -> None:
    """Planned or given."""
    planned = TaskList()
    planned.show(1, REPLY)
    for tasks in (planned, answered_list()):
        tasks.withdraw(1)
        assert said(tasks) == [TaskNoted(1, Noted.WITHDRAWN)]
        assert tasks.answer_due(100.0) == []
        assert tasks.is_idle


def test_a_withdrawal_leaves_the_answer_that_was_sent() -> None:
    """It waits for its receipt, over lost links too."""
    tasks = answered_list()
    assert said(tasks) == [ANSWER]
    tasks.withdraw(1)
    tasks.link_lost()
    assert said(tasks) == [ANSWER]
    assert tasks.settle(1, Receipt.LATE)


def test_a_withdrawal_of_an_unknown_task_is_noted_too() -> None:
    """And the task is not shown, should it come behind its withdrawal."""
    tasks = TaskList()
    tasks.withdraw(7)
    assert said(tasks) == [TaskNoted(7, Noted.WITHDRAWN)]
    assert tasks.arrival(7, expires_at=10, now=0.0) is Arrival.AGAIN
    tasks.note_again(7)
    assert said(tasks) == [TaskNoted(7, Noted.WITHDRAWN)]


def test_a_withdrawn_task_that_comes_again_is_noted_as_withdrawn() -> None:
    """It does not return to the screen."""
    tasks = TaskList()
    tasks.show(1, None)
    tasks.withdraw(1)
    tasks.note_again(1)
    assert said(tasks) == [TaskNoted(1, Noted.WITHDRAWN)]


def test_notes_that_were_not_told_go_with_the_link() -> None:
    """The gateway sends the task again."""
    tasks = TaskList()
    tasks.show(1, None)
    assert not tasks.is_idle
    tasks.link_lost()
    assert said(tasks) == []
    assert tasks.is_idle


def test_what_an_earlier_run_left_goes_on() -> None:
    """What is there is not new; an answer without receipt is sent."""
    tasks = TaskList()
    tasks.restore([Held(1, answer=ANSWER, was_sent=True), Held(2)], [3])
    assert [tasks.arrival(n, 10, 0.0) for n in (1, 2, 3)] == [Arrival.AGAIN] * 3
    assert said(tasks) == [ANSWER]
