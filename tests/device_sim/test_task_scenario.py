"""Tests of what the centre asks for, against the gateway's own reading of requests."""

from collections import Counter
from datetime import UTC, datetime

import msgspec
import pytest

from device_sim.scenario import longgang_q1
from device_sim.task_scenario import (
    ASKED_UNTIL,
    KINDS,
    MIN_OPEN_SECONDS,
    Errand,
    Request,
    TaskScenario,
    TaskScenarioWriter,
)
from gateway.protocol.topics import TASK_CANCEL, TASK_REQUEST
from tests.helpers.builders import NOW

SECONDS = 60.0
FLEET = longgang_q1(3, 20, 100).fleet
STREET_OF = {inspector.device_id: inspector.street.code for inspector in FLEET.inspectors}


def written(seed: int = 1, tasks: int = 400, seconds: float = SECONDS) -> TaskScenario:
    """A scenario for 20 handsets."""
    return TaskScenarioWriter(seed, FLEET, STREET_OF, NOW, seconds).write(tasks)


def test_the_seed_decides_everything_but_the_ids() -> None:
    """Another beginning gives the same requests with other ids."""
    assert written() == written()
    assert written() != written(seed=2)
    later = TaskScenarioWriter(1, FLEET, STREET_OF, NOW + 1.7, SECONDS).write(400)
    ids = {errand.request.id for errand in written().errands}
    assert not ids & {errand.request.id for errand in later.errands}
    assert [e.request.text for e in later.errands] == [e.request.text for e in written().errands]


def test_everything_that_can_happen_is_asked_for() -> None:
    """All kinds and targets, later ones, replaced ones, cancelled ones, and things said twice."""
    played = written()
    requests = [errand.request for errand in played.errands]
    kinds = Counter(request.kind for request in requests)
    assert {kind: kinds[kind] / 400 for kind in KINDS} == pytest.approx(dict(KINDS), abs=0.08)
    assert any(request.to.street for request in requests)
    assert any(request.to.everybody for request in requests)
    assert any(request.not_before for request in requests)
    assert any(request.supersedes for request in requests)
    by_topic = Counter(posting.topic for posting in played.postings)
    assert by_topic[TASK_REQUEST] > 400
    assert by_topic[TASK_CANCEL] > 10
    assert len({posting.payload for posting in played.postings}) < len(played.postings)


def test_targets_are_all_registered_devices_that_are_meant() -> None:
    """Also those whose handsets do not take part here."""
    street_of = {**STREET_OF, 99: FLEET.inspectors[0].street.code, 98: None}
    played = TaskScenarioWriter(1, FLEET, street_of, NOW, SECONDS).write(400)
    for errand in played.errands:
        to = errand.request.to
        if to.everybody:
            assert set(errand.devices) == set(street_of)
        elif to.street:
            meant = {device for device, code in street_of.items() if code == int(to.street)}
            assert set(errand.devices) == meant
        else:
            assert errand.devices == (to.device,)


def test_a_fleet_file_without_streets_asks_no_street() -> None:
    """It would not know whom to wait for."""
    played = TaskScenarioWriter(1, FLEET, dict.fromkeys(STREET_OF), NOW, SECONDS).write(200)
    assert not any(errand.request.to.street for errand in played.errands)


def test_tasks_are_over_within_the_run() -> None:
    """Asked in its first part, open for a while, on whole seconds."""
    for errand in written().errands:
        expires_at = errand.request.expires_at.timestamp()
        assert NOW <= errand.at <= NOW + ASKED_UNTIL * SECONDS
        assert errand.at + MIN_OPEN_SECONDS <= expires_at <= NOW + 1.2 * SECONDS
        assert expires_at == int(expires_at)
    shortest = [
        errand.request.expires_at.timestamp() - errand.at
        for errand in written(seconds=10.0).errands
    ]
    assert min(shortest) >= MIN_OPEN_SECONDS


def test_a_request_is_replaced_once_while_it_is_open() -> None:
    """By one of the same kind for the same devices; what was replaced is not cancelled too."""
    played = written()
    by_id = {errand.request.id: errand for errand in played.errands}
    pairs = [(e, by_id[e.request.supersedes]) for e in played.errands if e.request.supersedes]
    assert len({earlier.request.id for _, earlier in pairs}) == len(pairs)
    for later, earlier in pairs:
        assert earlier.at < later.at < earlier.request.expires_at.timestamp()
        assert (later.request.kind, later.devices) == (earlier.request.kind, earlier.devices)
    cancelled = {
        msgspec.json.decode(posting.payload)["id"]
        for posting in played.postings
        if posting.topic == TASK_CANCEL
    }
    assert not cancelled & {earlier.request.id for _, earlier in pairs}


def test_postings_are_in_order_and_follow_their_request() -> None:
    """A cancellation, and a second copy, come behind what they refer to."""
    played = written()
    times = [posting.at for posting in played.postings]
    assert times == sorted(times)
    asked_at: dict[str, float] = {}
    for posting in played.postings:
        request = msgspec.json.decode(posting.payload)["id"]
        asked_at.setdefault(request, posting.at)
        if posting.topic == TASK_CANCEL:
            assert posting.at > asked_at[request]


def test_json_leaves_out_what_is_not_said() -> None:
    """Times are RFC 3339 in UTC; "all" is a word of the language and stands there all the same."""
    one = Request(
        id="a",
        kind="notice",
        to=written().errands[0].request.to,
        text="b",
        expires_at=datetime.fromtimestamp(NOW, UTC),
    )
    decoded = msgspec.json.decode(msgspec.json.encode(one))
    assert set(decoded) == {"id", "kind", "to", "text", "expires_at"}
    assert decoded["expires_at"] == "2008-03-20T08:00:00Z"
    everybody = next(e.request for e in written().errands if e.request.to.everybody)
    assert msgspec.json.decode(msgspec.json.encode(everybody))["to"] == {"all": True}


def test_what_has_a_place_lies_in_the_inspectors_street() -> None:
    """A notice has none."""
    placed: list[Errand] = [e for e in written().errands if e.request.kind != "notice"]
    for errand in placed:
        assert errand.request.grid is not None
        assert errand.request.position is not None
        assert errand.request.case_number
    assert all(not e.request.grid for e in written().errands if e.request.kind == "notice")
