"""Tests of what the centre knows of its tasks."""

import pytest
from hypothesis import given

from device_sim.centre import COMPLAINTS_OF_A_KIND, TASK_CHANGED, TASK_REQUEST_DECIDED, Centre
from fuzz.seeds import SEEDS
from fuzz.targets.centre import check
from gateway import events
from tests.helpers.errands import build_errand, changed, decided
from tests.helpers.hostile import changed as altered
from tests.helpers.strategies import UNHURRIED


def test_the_types_of_events_are_those_of_the_gateway() -> None:
    """They are written down twice, because the simulator knows the gateway by its contract."""
    assert (TASK_CHANGED, TASK_REQUEST_DECIDED) == (
        events.TASK_CHANGED,
        events.TASK_REQUEST_DECIDED,
    )


@pytest.mark.parametrize(
    "kind, state, over",
    [
        ("verify", "received", False),
        ("notice", "received", True),
        ("verify", "answered", True),
        ("notice", "answered", False),
        ("check", "expired", True),
        ("check", "cancelled", True),
        ("notice", "superseded", True),
        ("notice", "sent", False),
        ("notice", "queued", False),
    ],
)
def test_final_states(kind: str, state: str, *, over: bool) -> None:
    """A notice is over when it is received, and is never answered."""
    centre = Centre([build_errand(kind=kind)])  # type: ignore[arg-type]  # of the table above
    assert not centre.is_done
    centre.receive(changed(state))
    assert centre.is_done is over
    assert centre.states == {("r1", 1): state}


def test_every_device_of_a_request_has_a_task_of_its_own() -> None:
    """All of them have to be over."""
    centre = Centre([build_errand(devices=(1, 2))])
    centre.receive(changed("answered", device=2))
    assert not centre.is_done
    centre.receive(changed("expired", device=1))
    assert centre.is_done


def test_the_newest_event_counts() -> None:
    """Whatever the order of their coming: an older one that is published again changes nothing."""
    centre = Centre([build_errand()])
    centre.receive(changed("received", sequence=3))
    centre.receive(changed("sent", sequence=2))
    assert centre.states == {("r1", 1): "received"}


def test_tasks_of_others_are_passed_over() -> None:
    """Another asker's, and those of devices that are not in the fleet file."""
    centre = Centre([build_errand()])
    centre.receive(changed("answered", request="other"))
    centre.receive(changed("answered", device=99))
    centre.receive(decided("other", reason="no"))
    assert centre.states == {}
    assert centre.refusals == {}
    assert not centre.is_done


def test_a_refused_request_has_no_tasks_to_wait_for() -> None:
    """And is a complaint; a refused cancellation leaves its tasks open."""
    centre = Centre([build_errand("r1"), build_errand("r2")])
    centre.receive(decided("r1", reason="unknown device"))
    centre.receive(decided("r2"))
    centre.receive(decided("r2", "cancel", reason="no such request"))
    centre.receive(changed("answered", "r2"))
    assert centre.is_done
    assert centre.complaints() == [
        "request r1 was refused: request: unknown device",
        "request r2 was refused: cancel: no such request",
    ]


def test_a_cancellation_that_comes_too_late_is_no_fault() -> None:
    """It is refused because there is nothing left to cancel."""
    centre = Centre([build_errand()])
    centre.receive(changed("answered"))
    centre.receive(decided("r1", "cancel", reason="all its tasks are over"))
    assert centre.refusals == {}
    assert centre.figures()["cancelled_too_late"] == 1


def test_late_answers_are_counted_once() -> None:
    """However often their event comes."""
    centre = Centre([build_errand()])
    centre.receive(changed("expired"))
    for _ in range(2):
        centre.receive(changed("expired", sequence=2, late_answer=True, event_id="late"))
    figures = centre.figures()
    assert (figures["late_answers"], figures["expired"], figures["events"]) == (1, 1, 3)


def test_what_is_no_event_is_counted() -> None:
    """And does no harm."""
    centre = Centre([build_errand()])
    centre.receive(b"{}")
    centre.receive(b"\xff")
    centre.receive(b'{"id":"\xff"}')
    centre.receive(b'{"id":' + b"[" * 100_000)
    assert centre.unreadable == 4


def test_without_any_event_the_complaint_says_where_to_look() -> None:
    """The relay, or the rights of the centre; then the first few tasks."""
    devices = tuple(range(1, COMPLAINTS_OF_A_KIND + 5))
    centre = Centre([build_errand(devices=devices)])
    first, *others = centre.complaints()
    assert "relay" in first
    assert len(others) == COMPLAINTS_OF_A_KIND
    assert others[0] == "request r1 device 1: never heard of, not over"
    assert centre.figures()["tasks_not_over"] == len(devices)
    centre.sessions = 2
    assert "forgotten" in centre.complaints()[0]
    centre.failure = "the broker refuses"
    assert centre.complaints()[0] == "the centre gave up: the broker refuses"


@UNHURRIED
@given(altered(SEEDS["centre"]()))
def test_hostile_bytes(data: bytes) -> None:
    """An event is understood or counted; the centre learns of no task that it did not ask for."""
    check(data)
