"""Events beside the tables, each time with one defect."""

from typing import Any

from chaos.checks_events import event_findings, places
from gateway.events import (
    DEVICE_PRESENCE,
    REPORT_QUARANTINED,
    REPORT_STORED,
    TASK_CHANGED,
    sequence_of,
)

PUBLICATIONS: list[dict[str, Any]] = [
    {
        "position": 7,
        "reports": 2,
        "device_id": [1],
        "installation": [9],
        "first_sequence": [1],
        "last_sequence": [2],
        "quarantine_id": [5],
        "task_change_id": [],
        "task_verdict_id": [],
        "budget_warning_id": [],
    },
    {
        "position": 8,
        "reports": 0,
        "device_id": [],
        "installation": [],
        "first_sequence": [],
        "last_sequence": [],
        "quarantine_id": [],
        "task_change_id": [3],
        "task_verdict_id": [4],
        "budget_warning_id": [6],
    },
]
PLACES = places(PUBLICATIONS, {3: 30})
IDS = {"report/1/9/1", "report/1/9/2", "quarantine/5", "task/30/3"}


def event(key: str, sequence: str, event_type: str = REPORT_STORED) -> tuple[str, dict[str, Any]]:
    """An event as it came."""
    topic = "fg/1/event/report/x"
    return topic, {"id": key, "sequence": sequence, "type": event_type, "subject": "device/1"}


ALL = [
    event("report/1/9/1", sequence_of(7, 0)),
    event("report/1/9/2", sequence_of(7, 1)),
    event("quarantine/5", sequence_of(7, 2), REPORT_QUARANTINED),
    event("task/30/3", sequence_of(8, 0), TASK_CHANGED),
]


def found(
    got: list[tuple[str, dict[str, Any]]], ids: set[str] = IDS, at: dict[str, str] = PLACES
) -> list[str]:
    """The findings."""
    return event_findings(ids, at, got).findings


def test_places() -> None:
    """Each event's place follows from its publication; one without a position has none yet."""
    assert PLACES["task-request/4"] == sequence_of(8, 1)
    assert PLACES["budget/6"] == sequence_of(8, 2)
    assert places([{**PUBLICATIONS[0], "position": None}], {})["quarantine/5"] == ""


def test_all_came_some_of_them_again() -> None:
    """Repetitions, presence, and emergencies ahead of their turn are no fault."""
    ahead = ("fg/1/event/emergency/x", ALL[1][1])
    presence = event("presence/1/1", "x", DEVICE_PRESENCE)
    checked = event_findings(IDS, PLACES, [presence, ahead, *ALL, ALL[0], ALL[2]])
    assert checked.findings == []
    assert checked.counts == {"received": 7, "distinct": 4}


def test_one_is_missing() -> None:
    """Also one that came on the topic of emergencies alone."""
    ahead = ("fg/1/event/emergency/x", ALL[1][1])
    assert found([ALL[0], ahead, *ALL[2:]]) == ["never came: report/1/9/2"]


def test_one_came_from_nowhere() -> None:
    """An event without a row."""
    assert found(ALL, IDS - {"quarantine/5"}) == ["came from nowhere: quarantine/5"]


def test_two_changed_places() -> None:
    """The order for each device is that of the places."""
    assert found([ALL[1], ALL[0], *ALL[2:]]) == [
        f"out of order: report/1/9/1 of device/1: {sequence_of(7, 0)} after {sequence_of(7, 1)}"
    ]


def test_one_has_another_place_when_it_is_repeated() -> None:
    """A subscriber that goes by the place would take it for another event."""
    again = event("report/1/9/1", sequence_of(9))
    assert found([*ALL, again]) == [
        f"out of its place: report/1/9/1: at {sequence_of(9)} instead of {sequence_of(7)}"
    ]


def test_a_row_that_nobody_publishes() -> None:
    """It was committed without its publication."""
    lost = "report/1/9/3"
    assert found(ALL, IDS | {lost}) == [f"never came: {lost}", f"not left to be published: {lost}"]
