"""Tests of the comparison of what was asked for, noted and stored."""

import psycopg
import pytest

from device_sim.centre import Centre
from device_sim.task_record import TaskEntry
from device_sim.verify_tasks import (
    EXAMPLES,
    FINDINGS,
    StoredTask,
    compare_tasks,
    stored_tasks,
)
from gateway.protocol.task_messages import Answer, Receipt
from tests.helpers.errands import build_errand, changed

FOUND = ("exists", "ok")


def entry(**changes: object) -> TaskEntry:
    """Of task 5 on device 1: shown once, answered, and the answer accepted."""
    values: dict[str, object] = {
        "device": 1, "installation": 40, "task": 5, "received_at": 100, "shown": 1,
        "shown_late": 0, "answer": Answer.EXISTS, "text": "ok", "answered_at": 110, "sent": 1,
        "receipt": Receipt.ACCEPTED, "withdrawn": 0,
    }  # fmt: skip
    return TaskEntry(**(values | changes))  # type: ignore[arg-type]  # a table of values


def row(**changes: object) -> StoredTask:
    """Task 5 of device 1, answered."""
    values: dict[str, object] = {
        "number": 5, "request": "r1", "device": 1, "kind": "verify", "state": "answered",
        "words": FOUND,
    }  # fmt: skip
    return StoredTask(**(values | changes))  # type: ignore[arg-type]  # a table of values


def centre_that_knows(state: str = "answered") -> Centre:
    """It asked device 1 and was told this state."""
    centre = Centre([build_errand()])
    centre.receive(changed(state))
    return centre


NOTHING = {"answer": None, "text": None, "answered_at": None, "sent": 0, "receipt": None}
EXPIRED = row(state="expired", words=(None, None))


@pytest.mark.parametrize(
    "state, entries, stored",
    [
        ("answered", [entry()], row()),
        ("answered", [entry(receipt=None)], row()),
        ("answered", [entry(), entry(installation=41, **NOTHING)], row()),
        ("expired", [], EXPIRED),
        ("expired", [entry(**NOTHING)], EXPIRED),
        (
            "expired",
            [entry(receipt=Receipt.LATE)],
            row(state="expired", words=(None, None), late=frozenset({FOUND})),
        ),
        ("cancelled", [entry(**NOTHING, withdrawn=1)], row(state="cancelled", words=(None, None))),
        (
            "received",
            [entry(**NOTHING)],
            row(kind="notice", state="received", words=(None, None)),
        ),
    ],
)
def test_what_is_in_order(state: str, entries: list[TaskEntry], stored: StoredTask) -> None:
    """Also answers whose receipt was lost, and a wiped handset that shows its task again."""
    result = compare_tasks(centre_that_knows(state), entries, [stored])
    assert result.is_clean, result.examples
    assert result.equal == 1


@pytest.mark.parametrize(
    "finding, state, entries, stored",
    [
        ("missing", "answered", [], None),
        ("not_over", "received", [entry(**NOTHING)], row(state="received", words=(None, None))),
        ("shown_twice", "answered", [entry(shown=2)], row()),
        ("shown_late", "answered", [entry(shown_late=1)], row()),
        ("strange", "answered", [entry(), entry(device=2)], row()),
        ("lost_answer", "expired", [entry()], EXPIRED),
        ("lost_answer", "answered", [entry(), entry(installation=41, text="no")], row()),
        ("lost_answer", "expired", [entry(receipt=Receipt.LATE)], EXPIRED),
        ("invented_answer", "answered", [entry(**NOTHING)], row()),
        ("invented_answer", "answered", [entry(text="no", receipt=None)], row()),
        ("disagreeing", "expired", [entry()], row()),
        ("disagreeing", "answered", [entry(withdrawn=1)], row()),
        (
            "disagreeing",
            "received",
            [],
            row(kind="notice", state="received", words=(None, None)),
        ),
    ],
)
def test_each_fault_is_found(
    finding: str, state: str, entries: list[TaskEntry], stored: StoredTask | None
) -> None:
    """It is counted once, told with its task, and the task is not among the equal ones."""
    rows = [] if stored is None else [stored]
    result = compare_tasks(centre_that_knows(state), entries, rows)
    assert dict(result.found) == {finding: 1}
    assert "5" in result.examples[finding][0] or finding == "missing"
    figures = result.figures()
    assert figures[finding] == 1
    assert figures["equal"] == (1 if finding.startswith("shown") else 0)


def test_a_task_for_the_wrong_device_is_extra() -> None:
    """Of our fleet; a device that is not in our file may well be of the same street."""
    centre = Centre([build_errand(), build_errand("r2", devices=(2,))])
    centre.receive(changed("answered"))
    centre.receive(changed("expired", "r2", 2))
    ours = [row(), row(number=6, request="r2", device=2, state="expired", words=(None, None))]
    stray = row(number=7, device=2, state="expired", words=(None, None))
    stranger = row(number=8, device=99, state="expired", words=(None, None))
    result = compare_tasks(centre, [entry()], [*ours, stray, stranger])
    assert dict(result.found) == {"extra": 1}
    assert result.equal == 2


def test_a_refused_request_has_no_tasks() -> None:
    """That it was refused is told elsewhere."""
    centre = Centre([build_errand()])
    centre.refusals["r1"] = "request: unknown device"
    assert compare_tasks(centre, [], []).is_clean


def test_only_the_first_few_findings_are_told() -> None:
    """All are counted; every kind has its line in the figures."""
    devices = tuple(range(1, EXAMPLES + 4))
    result = compare_tasks(Centre([build_errand(devices=devices)]), [], [])
    assert result.found["missing"] == EXAMPLES + 3
    assert len(result.examples["missing"]) == EXAMPLES
    assert set(result.figures()) == {"equal", *FINDINGS}


def test_rows_come_from_the_tables(empty_database_dsn: str) -> None:
    """With the answers that came too late; other requests stay out."""
    with psycopg.connect(empty_database_dsn) as connection:
        connection.execute(
            "CREATE TABLE task (number bigint, request text, device_id bigint, kind text,"
            " state text, answer text, answer_text text)"
        )
        connection.execute(
            "CREATE TABLE task_change (task bigint, late_answer boolean, answer text,"
            " answer_text text)"
        )
        connection.execute(
            "INSERT INTO task VALUES (5, 'r1', 1, 'verify', 'answered', 'exists', 'ok'),"
            " (6, 'r2', 1, 'check', 'expired', NULL, NULL),"
            " (7, 'other', 1, 'check', 'expired', NULL, NULL)"
        )
        connection.execute(
            "INSERT INTO task_change VALUES (5, false, 'exists', 'ok'), (6, true, 'failed', 'no'),"
            " (7, true, 'failed', 'no')"
        )
    late = frozenset({("failed", "no")})
    assert stored_tasks(empty_database_dsn, ["r1", "r2"]) == [
        row(),
        StoredTask(6, "r2", 1, "check", "expired", (None, None), late),
    ]
