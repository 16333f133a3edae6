"""What a subscriber got, beside what the database has to publish: everything, under one id each, at
the place in the stream that the database gave it, in order for each device.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import asyncpg

from chaos.findings import Checked
from gateway import events as types
from gateway.events import sequence_of
from gateway.protocol import topics
from gateway.runs import Run, stretches

_PUBLICATIONS: Final = """
SELECT position, delivered_at, reports, device_id, installation, first_sequence, last_sequence,
    quarantine_id, task_change_id, task_verdict_id, budget_warning_id
FROM publication
"""
_REPORTS: Final = "SELECT device_id, installation, sequence FROM report"
_OTHERS: Final = {
    "quarantine": "SELECT 'quarantine/' || id FROM quarantine",
    "task": "SELECT 'task/' || task || '/' || id FROM task_change",
    "task-request": "SELECT 'task-request/' || id FROM task_verdict",
}
_TASK_OF: Final = "SELECT id, task FROM task_change"

STREAM: Final = frozenset(
    {
        types.REPORT_STORED,
        types.REPORT_QUARANTINED,
        types.TASK_CHANGED,
        types.TASK_REQUEST_DECIDED,
        types.BUDGET_WARNING,
    }
)
"""Types whose events have a place in the stream; presence is no record."""

Got = Sequence[tuple[str, Mapping[str, Any]]]


async def check_events(connection: asyncpg.Connection, got: Got) -> Checked:
    """Events that came, beside the tables and the publications."""
    keys = await connection.fetch(_REPORTS)
    ids = {f"report/{d}/{i}/{s}" for d, i, s in keys}
    for query in _OTHERS.values():
        ids.update(row[0] for row in await connection.fetch(query))
    tasks = {row["id"]: row["task"] for row in await connection.fetch(_TASK_OF)}
    publications = await connection.fetch(_PUBLICATIONS)
    return event_findings(ids, places(publications, tasks), got)


def places(publications: Iterable[Mapping[str, Any]], tasks: Mapping[int, int]) -> dict[str, str]:
    """The place in the stream of each event, by its id; empty where it has none yet."""
    found: dict[str, str] = {}
    for row in publications:
        position = row["position"]
        columns = (row["device_id"], row["installation"])
        runs = list(map(Run, *columns, row["first_sequence"], row["last_sequence"]))
        for stretch in stretches(position or 0, runs):
            run = stretch.run
            for number in range(run.first, run.last + 1):
                key = f"report/{run.device_id}/{run.installation}/{number}"
                found[key] = _place(position, stretch.index + number - run.first)
        others = [f"quarantine/{number}" for number in row["quarantine_id"]]
        others += [f"task/{tasks.get(number)}/{number}" for number in row["task_change_id"]]
        others += [f"task-request/{number}" for number in row["task_verdict_id"]]
        others += [f"budget/{number}" for number in row["budget_warning_id"]]
        for index, key in enumerate(others, start=row["reports"]):
            found[key] = _place(position, index)
    return found


def event_findings(ids: set[str], places: Mapping[str, str], got: Got) -> Checked:
    """`ids` are of the rows of the tables; each has its place, and came; nothing else did."""
    checked = Checked("events")
    first: dict[str, str] = {}
    latest: dict[str, str] = {}
    for topic, event in got:
        if event["type"] not in STREAM:
            continue
        checked.saw("received")
        key, sequence = event["id"], event["sequence"]
        if places.get(key) != sequence:
            where = f"{key}: at {sequence} instead of {places.get(key)}"
            checked.found("out of its place", where)
        if topic.startswith(f"{topics.EVENTS}/emergency/"):
            continue  # ahead of its turn; it comes once more
        if key not in first:
            first[key] = sequence
            _check_order(checked, event, latest)
    for key in sorted(ids - first.keys()):
        checked.found("never came", key)
    for key in sorted(first.keys() - ids - {k for k in places if k.startswith("budget/")}):
        checked.found("came from nowhere", key)
    for key in sorted(ids - places.keys()):
        checked.found("not left to be published", key)
    checked.saw("distinct", len(first))
    return checked


def _check_order(checked: Checked, event: Mapping[str, Any], latest: dict[str, str]) -> None:
    """Each subject's events come first in the order of their places."""
    subject, sequence = event["subject"], event["sequence"]
    before = latest.get(subject, "")
    if sequence <= before:
        checked.found("out of order", f"{event['id']} of {subject}: {sequence} after {before}")
    latest[subject] = max(sequence, before)


def _place(position: int | None, index: int) -> str:
    return "" if position is None else sequence_of(position, index)
