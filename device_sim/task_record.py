"""The durable record of tasks, in the outbox's file: what came, was shown, answered and receipted.

Each call is a transaction of its own, done when it returns: tasks are rare, and what a handset has
noted must be there before it says so. The record is also what verification reads.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from device_sim.task_list import Held, Reply
from gateway.protocol.task_messages import Task, TaskAnswer
from gateway.protocol.text import encode_text

SCHEMA: Final = """
CREATE TABLE task (
    device INTEGER NOT NULL,
    installation INTEGER NOT NULL,
    task INTEGER NOT NULL,
    received_at INTEGER,                   -- by the handset's clock; NULL: only its withdrawal came
    shown INTEGER NOT NULL DEFAULT 0,      -- how many times it appeared on the screen
    shown_late INTEGER NOT NULL DEFAULT 0, -- of these such as were after its expiry
    answer INTEGER,                        -- what the inspector answers, NULL: never
    answer_text TEXT,
    answer_due REAL,
    answered_at INTEGER,                   -- NULL until he does, and when the answer was dropped
    sent INTEGER NOT NULL DEFAULT 0,       -- transmissions of the answer
    receipt INTEGER,
    withdrawn INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (device, installation, task)
) WITHOUT ROWID;
"""


_NEVER: Final = (None, None, None)


@dataclass(frozen=True, slots=True)
class TaskEntry:
    """One task in one installation of a handset."""

    device: int
    installation: int
    task: int
    received_at: int | None
    """None: only its withdrawal came."""
    shown: int
    shown_late: int
    answer: int | None
    text: str | None
    answered_at: int | None
    sent: int
    receipt: int | None
    withdrawn: int
    """1 if its withdrawal came, else 0."""


class TaskRecord:
    """The tasks of all handsets.

    Args:
        database: the outbox's, in autocommit mode, with `SCHEMA` in it.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def show(
        self, device: int, installation: int, task: Task, reply: Reply | None, now: float
    ) -> None:
        """Note that a task came and is shown, at Unix time `now`. Counted each time."""
        is_late = now >= task.expires_at
        planned = reply and (reply.answer, reply.text, reply.due_at)
        self._database.execute(
            "INSERT INTO task (device, installation, task, received_at, shown, shown_late,"
            " answer, answer_text, answer_due) VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE"
            " SET shown = shown + 1, shown_late = shown_late + excluded.shown_late",
            (device, installation, task.task, int(now), is_late, *(planned or _NEVER)),
        )

    def withdraw(self, device: int, installation: int, task: int) -> None:
        """Note a withdrawal; an answer that was not sent is dropped."""
        self._database.execute(
            "INSERT INTO task (device, installation, task, withdrawn) VALUES (?, ?, ?, 1)"
            " ON CONFLICT DO UPDATE SET withdrawn = 1,"
            " answered_at = CASE WHEN sent > 0 THEN answered_at END",
            (device, installation, task),
        )

    def answer(self, device: int, installation: int, answer: TaskAnswer) -> None:
        """Note that the inspector has answered as he planned."""
        self._set("answered_at = ?", device, installation, answer.task, answer.answered_at)

    def count_sent(self, device: int, installation: int, task: int) -> None:
        """Count one more transmission of an answer."""
        self._set("sent = sent + ?", device, installation, task, 1)

    def settle(self, device: int, installation: int, task: int, receipt: int) -> None:
        """Note what became of an answer."""
        self._set("receipt = ?", device, installation, task, receipt)

    def _set(self, change: str, device: int, installation: int, task: int, value: int) -> None:
        self._database.execute(
            f"UPDATE task SET {change}"  # noqa: S608 -- one of the constants above
            " WHERE device = ? AND installation = ? AND task = ?",
            (value, device, installation, task),
        )

    # Reading.

    def held(self, device: int, installation: int) -> list[Held]:
        """The tasks of an installation as a handset takes them up again."""
        rows = self._database.execute(
            "SELECT task, answer, answer_text, answer_due, answered_at, sent, receipt, withdrawn"
            " FROM task WHERE device = ? AND installation = ? AND received_at IS NOT NULL"
            " ORDER BY task",
            (device, installation),
        )
        return [_held(*row) for row in rows]

    def withdrawn_unseen(self, device: int, installation: int) -> list[int]:
        """Numbers of tasks of which only the withdrawal came."""
        rows = self._database.execute(
            "SELECT task FROM task"
            " WHERE device = ? AND installation = ? AND received_at IS NULL ORDER BY task",
            (device, installation),
        )
        return [number for (number,) in rows]

    def entries(self) -> Iterator[TaskEntry]:
        """The whole record in the order of device, installation and task."""
        rows = self._database.execute(
            "SELECT device, installation, task, received_at, shown, shown_late, answer,"
            " answer_text, answered_at, sent, receipt, withdrawn"
            " FROM task ORDER BY device, installation, task"
        )
        for row in rows:
            yield TaskEntry(*row)


def _held(
    number: int,
    answer: int | None,
    text: str | None,
    due_at: float | None,
    answered_at: int | None,
    sent: int,
    receipt: int | None,
    withdrawn: int,
) -> Held:
    held = Held(number, was_sent=sent > 0, receipt=receipt, is_withdrawn=bool(withdrawn))
    if answer is None or text is None or due_at is None:
        return held
    if answered_at is not None:
        held.answer = TaskAnswer(number, answer, answered_at, encode_text(text))
    elif not withdrawn:
        held.reply = Reply(answer, text, due_at)
    return held
