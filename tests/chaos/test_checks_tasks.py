"""Tasks and their histories, each time with one defect."""

from typing import Any

import pytest

from chaos.checks_tasks import task_findings

LEGAL: set[tuple[str, ...]] = {
    ("verify", "queued", "sent"),
    ("verify", "sent", "received"),
    ("verify", "received", "answered"),
    ("verify", "sent", "expired"),
}
TASK: dict[str, Any] = {
    "number": 1,
    "device_id": 2,
    "kind": "verify",
    "state": "answered",
    "answer": "exists",
    "is_over": True,
    "attempts": 1,
    "is_past": True,
    "is_pending": False,
    "was_sent": True,
    "was_received": True,
}
OPEN = {**TASK, "state": "sent", "answer": None, "is_over": False, "is_past": False}
OPEN |= {"is_pending": True, "was_received": False}


def change(previous: str | None, state: str, **more: Any) -> dict[str, Any]:
    """A row of the history."""
    row = {"task": 1, "previous": previous, "state": state, "answer": None, "late_answer": False}
    return {**row, **more}


SENT = [change(None, "queued"), change("queued", "sent")]
HISTORY = [
    *SENT,
    change("sent", "received"),
    change("received", "answered", answer="exists"),
    change("answered", "answered", answer="absent", late_answer=True),
]


def found(task: dict[str, Any], history: list[dict[str, Any]]) -> list[str]:
    """The sorts of findings."""
    return list(task_findings([task], history, LEGAL).sorts)


def test_tasks_that_are_as_they_must_be() -> None:
    """One that is answered, with a late answer, and one that is on its way."""
    assert found(TASK, HISTORY) == []
    assert found(OPEN, SENT) == []


@pytest.mark.parametrize(
    "changes, sort",
    [
        ({"is_past": True}, "open past its expiry"),
        ({"is_pending": False}, "never to be sent again"),
        ({"was_sent": False, "attempts": 0}, "never sent"),
        ({"attempts": 0}, "attempts"),
    ],
)
def test_an_open_task_with_a_defect(changes: dict[str, Any], sort: str) -> None:
    """It is over or will be sent again."""
    assert sort in found({**OPEN, **changes}, SENT)


@pytest.mark.parametrize(
    "changes, sort",
    [
        ({"is_pending": True}, "pending without a reason"),
        ({"was_received": False}, "never received"),
        ({"answer": "absent"}, "answers"),
        ({"state": "received", "answer": None}, "history"),
    ],
)
def test_an_answered_task_with_a_defect(changes: dict[str, Any], sort: str) -> None:
    """Its row says what its history says."""
    assert sort in found({**TASK, **changes}, HISTORY)


@pytest.mark.parametrize("missing", range(4))
def test_a_history_with_a_gap(missing: int) -> None:
    """Any change that is not there is found."""
    assert "history" in found(TASK, HISTORY[:missing] + HISTORY[missing + 1 :])


def test_a_step_that_is_not_legal() -> None:
    """From the answer nothing leads on."""
    history = [*HISTORY[:4], change("answered", "expired")]
    assert "history" in found({**TASK, "state": "expired", "answer": None}, history)


def test_a_task_that_was_answered_twice() -> None:
    """One answer becomes the task's, and no other."""
    twice = [*HISTORY[:4], HISTORY[3]]
    assert "answers" in found(TASK, twice)


def test_a_late_answer_noted_with_another_state() -> None:
    """It is noted with the state that the task had."""
    late = change("expired", "expired", answer="absent", late_answer=True)
    assert found(TASK, [*HISTORY[:4], late]) == ["late answer"]


def test_changes_of_no_task() -> None:
    """A task is never deleted."""
    assert list(task_findings([], HISTORY, LEGAL).sorts) == ["changes of no task"]
