"""Every task is final or pending rightly, and its history is whole."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import asyncpg

from chaos.findings import Checked

EXPIRY_GRACE_SECONDS: Final = 30
"""How long after its expiry a task may be open: gateways look every few seconds, and none may have
been there.
"""

_TASKS: Final = """
SELECT number, device_id, kind::text, state::text, answer::text, is_over, attempts,
    expires_at < now() - make_interval(secs => $1) AS is_past,
    next_try_at IS NOT NULL AS is_pending, sent_at IS NOT NULL AS was_sent,
    received_at IS NOT NULL AS was_received
FROM task ORDER BY number
"""
_CHANGES: Final = """
SELECT task, previous::text, state::text, answer::text, late_answer FROM task_change ORDER BY id
"""
_TRANSITIONS: Final = "SELECT kind::text, previous::text, state::text FROM task_transition"

Row = Mapping[str, Any]


async def check_tasks(connection: asyncpg.Connection) -> Checked:
    """Tasks, beside all that was noted of their changes."""
    tasks = await connection.fetch(_TASKS, float(EXPIRY_GRACE_SECONDS))
    changes = await connection.fetch(_CHANGES)
    legal = {tuple(row) for row in await connection.fetch(_TRANSITIONS)}
    return task_findings(tasks, changes, legal)


def task_findings(
    tasks: Iterable[Row], changes: Iterable[Row], legal: set[tuple[str, ...]]
) -> Checked:
    """Each task's changes lead from its making to its state, each by a legal step."""
    checked = Checked("tasks")
    history: dict[int, list[Row]] = {}
    for change in changes:
        checked.saw("changes")
        history.setdefault(change["task"], []).append(change)
    for task in tasks:
        checked.saw(task["state"])
        _check_history(checked, task, history.pop(task["number"], []), legal)
        _check_state(checked, task)
    for number in history:
        checked.found("changes of no task", number)
    return checked


def _check_history(
    checked: Checked, task: Row, changes: list[Row], legal: set[tuple[str, ...]]
) -> None:
    name, state = _name(task), None
    for change in changes:
        if change["late_answer"]:
            if change["state"] != state:
                checked.found("late answer", f"{name}: noted with {change['state']}, was {state}")
            continue
        step = (task["kind"], change["previous"], change["state"])
        is_legal = step in legal if change["previous"] else change["state"] == "queued"
        if change["previous"] != state or not is_legal:
            checked.found("history", f"{name}: {state}, then {step[1]} to {step[2]}")
        state = change["state"]
    if state != task["state"]:
        checked.found("history", f"{name}: ends with {state}")
    answers = [c["answer"] for c in changes if c["state"] == "answered" and not c["late_answer"]]
    if answers != [task["answer"]] * (task["state"] == "answered"):
        checked.found("answers", f"{name}: {answers}")


def _check_state(checked: Checked, task: Row) -> None:
    name = _name(task)
    if task["is_past"] and not task["is_over"]:
        checked.found("open past its expiry", name)
    if task["is_past"] and task["is_pending"]:
        checked.found("pending past its expiry", name)
    if task["state"] in {"queued", "sent"} and not task["is_pending"]:
        checked.found("never to be sent again", name)
    if task["state"] in {"received", "answered", "expired"} and task["is_pending"]:
        checked.found("pending without a reason", name)
    if task["state"] in {"sent", "received", "answered"} and not task["was_sent"]:
        checked.found("never sent", name)
    if task["state"] in {"received", "answered"} and not task["was_received"]:
        checked.found("never received", name)
    if task["was_sent"] != (task["attempts"] > 0):
        checked.found("attempts", f"{name}: {task['attempts']}")


def _name(task: Row) -> str:
    return f"task {task['number']} of device {task['device_id']}, {task['state']}"
