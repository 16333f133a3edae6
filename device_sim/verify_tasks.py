"""Task by task: what the centre asked for and the handsets noted, against what PostgreSQL holds.

Tasks are rare, so all of them are held in memory. Like `verify` it reads through psycopg.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg

from device_sim.centre import Centre, final_states
from device_sim.task_record import TaskEntry
from gateway.protocol.task_messages import Answer, Receipt

EXAMPLES: Final = 5
"""How many findings of each kind are told; all are counted."""

FINDINGS: Final = (
    "missing",  # asked for, and not in the table
    "extra",  # in the table for a device that it was not asked for
    "not_over",  # without a final state
    "shown_twice",  # in one installation
    "shown_late",  # after its expiry
    "strange",  # shown on another device than the one whose task it is
    "lost_answer",  # its receipt says accepted or late, and the table has no such answer
    "invented_answer",  # in the table, and given by no handset
    "disagreeing",  # centre, handset and table know different states
)
"""What may be found; each is a fault."""

_TASKS: Final = """
SELECT number, request, device_id, kind::text, state::text, answer::text, answer_text
FROM task WHERE request = ANY(%s) ORDER BY number
"""
_LATE_ANSWERS: Final = """
SELECT task_change.task, task_change.answer::text, task_change.answer_text
FROM task_change JOIN task ON task.number = task_change.task
WHERE task.request = ANY(%s) AND task_change.late_answer
"""

Words = tuple[str | None, str | None]
"""An answer, as the database calls it, and its text."""


@dataclass(frozen=True, slots=True)
class StoredTask:
    """One row of the table."""

    number: int
    request: str
    device: int
    kind: str
    state: str
    words: Words
    late: frozenset[Words] = frozenset()
    """Answers that came when it was over."""

    @property
    def is_over(self) -> bool:
        """Whether its state is final."""
        return self.state in final_states(self.kind)


@dataclass(slots=True)
class TaskComparison:
    """What was found."""

    equal: int = 0
    """Tasks of the table in which nothing was found."""
    found: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not self.found

    def note(self, kind: str, text: str) -> None:
        """Count a finding, and keep the first few of a kind."""
        self.found[kind] += 1
        examples = self.examples.setdefault(kind, [])
        if len(examples) < EXAMPLES:
            examples.append(text)

    def figures(self) -> dict[str, Any]:
        """For the summary."""
        return {"equal": self.equal, **{kind: self.found[kind] for kind in FINDINGS}}


def compare_tasks(
    centre: Centre, entries: Sequence[TaskEntry], stored: Iterable[StoredTask]
) -> TaskComparison:
    """Compare what the centre asked for and was told, what the handsets noted, and the table.

    Args:
        centre: at the end of the run.
        entries: of all handsets; tasks of other askers among them are only looked at for
            themselves.
        stored: the rows of the centre's requests.
    """
    result = TaskComparison()
    rows = {(row.request, row.device): row for row in stored}
    noted: dict[int, list[TaskEntry]] = {}
    for entry in entries:
        noted.setdefault(entry.task, []).append(entry)
        _look_at_screen(result, entry)
    for key in centre.expected - rows.keys():
        if key[0] not in centre.refusals:
            result.note("missing", "request {} device {}".format(*key))
    for key, row in rows.items():
        if key not in centre.expected:
            if row.device in centre.devices:
                result.note("extra", _name(row))
            continue
        before = result.found.total()
        _compare_row(result, row, noted.get(row.number, ()), centre.states.get(key))
        result.equal += result.found.total() == before
    return result


def _look_at_screen(result: TaskComparison, entry: TaskEntry) -> None:
    where = f"task {entry.task} device {entry.device} installation {entry.installation}"
    if entry.shown > 1:
        result.note("shown_twice", f"{where}: {entry.shown} times")
    if entry.shown_late:
        result.note("shown_late", where)


def _compare_row(
    result: TaskComparison, row: StoredTask, entries: Sequence[TaskEntry], told: str | None
) -> None:
    name = _name(row)
    if not row.is_over:
        result.note("not_over", name)
    if told != row.state:
        result.note("disagreeing", f"{name}: the centre was told {told}")
    given = {_words(entry) for entry in entries if entry.answered_at is not None}
    if row.state == "answered" and row.words not in given:
        result.note("invented_answer", f"{name}: {row.words}")
    for entry in entries:
        if entry.device != row.device:
            result.note("strange", f"{name}: it came to device {entry.device}")
        if entry.receipt == Receipt.ACCEPTED and row.words != _words(entry):
            result.note("lost_answer", f"{name}: {_words(entry)} was accepted")
        if entry.receipt == Receipt.LATE and _words(entry) not in row.late:
            result.note("lost_answer", f"{name}: {_words(entry)} was too late, and is not kept")
        if entry.withdrawn and row.state not in {"cancelled", "superseded"}:
            result.note("disagreeing", f"{name}: it was withdrawn from the handset")
    if row.state == "received" and not any(entry.received_at for entry in entries):
        result.note("disagreeing", f"{name}: no handset has it")


def _words(entry: TaskEntry) -> Words:
    answer = None if entry.answer is None else Answer(entry.answer).name.lower()
    return answer, entry.text


def _name(row: StoredTask) -> str:
    return f"request {row.request} device {row.device} task {row.number}, {row.state}"


def stored_tasks(dsn: str, requests: Sequence[str]) -> list[StoredTask]:
    """The tasks of these requests.

    Raises:
        psycopg.Error: the database cannot be reached or has no such tables.
    """
    late: dict[int, set[Words]] = {}
    with psycopg.connect(dsn) as connection:
        for number, answer, text in connection.execute(_LATE_ANSWERS, (list(requests),)):
            late.setdefault(number, set()).add((answer, text))
        return [
            StoredTask(
                number, request, device, kind, state, (answer, text),
                frozenset(late.get(number, ())),
            )
            for number, request, device, kind, state, answer, text in connection.execute(
                _TASKS, (list(requests),)
            )
        ]  # fmt: skip
