"""Rows as events: what each kind says, its topic, its id, and what stands for an unknown name."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from gateway.event_rows import EventMaker, Published, gateway_presence
from gateway.events import EVENT_TYPES, sequence_of
from gateway.reference import load_reference

SOURCE = "/field-gateway/x"
AT = datetime(2008, 3, 20, 8, 0, tzinfo=UTC)

REPORT = {
    "device_id": 861,
    "installation": 2,
    "sequence": 7,
    "edition": 1,
    "kind": "event",
    "class_code": 203,
    "urgency": "ordinary",
    "simple": True,
    "patrol": "routine",
    "street_code": 440307003,
    "grid": 44_030_700_300_101,
    "lat_e5": 2_265_600,
    "lon_e5": 11_415_100,
    "accuracy_m": 12,
    "observed_at": AT,
    "stored_at": AT,
    "description": "人行道有暴露垃圾",
    "pictures": 2,
    "component": 4_403_070_101_000_123,
    "transport": "tcp",
}

QUARANTINED = {
    "id": 17,
    "device_id": 861,
    "installation": 2,
    "sequence": None,
    "code": 22,
    "detail": "no array",
    "transport": "mqtt",
    "received_at": AT,
}

PRESENCE = {"device_id": 861, "installation": 2, "transport": "tcp", "at": AT, "sequence": 44}

TASK = {
    "id": 5,
    "task": 900,
    "request": "case-1",
    "device": 861,
    "kind": "verify",
    "state": "answered",
    "previous": "received",
    "late_answer": False,
    "at": AT,
    "case_number": "C1",
    "answer": "exists",
    "answer_text": "yes",
    "answered_at": AT,
    "superseded_by": None,
}

VERDICT = {
    "id": 6,
    "at": AT,
    "request": "case-1",
    "action": "request",
    "accepted": True,
    "repeated": False,
    "tasks": 3,
    "reason": None,
}


@pytest.fixture
def maker() -> EventMaker:
    """With the reference data of the package."""
    return EventMaker(SOURCE, load_reference())


def decoded(published: Published) -> dict[str, Any]:
    """The event as JSON, after its type has accepted it."""
    event: dict[str, Any] = json.loads(published.body)
    msgspec.json.decode(published.body, type=EVENT_TYPES[event["type"]])
    return event


def test_a_report(maker: EventMaker) -> None:
    """All that was stored, with the names of class and street, on the topic of what it is."""
    published = maker.report(REPORT, sequence_of(3, 4))
    assert published.topic == "fg/1/event/report/440307003/event/0203/ordinary"
    event = decoded(published)
    data = event.pop("data")
    assert event == {
        "specversion": "1.0",
        "id": "report/861/2/7",
        "source": SOURCE,
        "type": "field-gateway.report.stored.v1",
        "subject": "device/861",
        "time": "2008-03-20T08:00:00Z",
        "datacontenttype": "application/json",
        "dataschema": "https://field-gateway.example/events/"
        "field-gateway.report.stored.v1.schema.json",
        "sequence": "0000000000003000004",
    }
    assert (data["class"]["code"], data["street"]) == (
        "0203",
        {"code": "440307003", "name": "平湖街道"},
    )
    assert data["class"]["major"]
    assert data["class"]["minor"]
    assert data["position"] == {"lat": 22.656, "lon": 114.151, "accuracy_m": 12}
    assert (data["grid"], data["component"]) == ("44030700300101", "4403070101000123")
    assert (data["kind"], data["urgency"], data["patrol"]) == ("event", "ordinary", "routine")
    assert (data["description"], data["pictures"], data["simple"]) == ("人行道有暴露垃圾", 2, True)
    assert data["observed_at"] == data["stored_at"] == "2008-03-20T08:00:00Z"


def test_a_report_without_a_component(maker: EventMaker) -> None:
    """Null, and no word for it."""
    assert (
        decoded(maker.report({**REPORT, "component": None}, sequence_of(1)))["data"]["component"]
        is None
    )


def test_an_emergency_is_the_same_event_on_another_topic(maker: EventMaker) -> None:
    """A subscriber that reads both drops one by its id."""
    row = {**REPORT, "urgency": "emergency"}
    hurried, in_turn = (make(row, sequence_of(3, 4)) for make in (maker.emergency, maker.report))
    assert hurried.topic == "fg/1/event/emergency/440307003/event/0203"
    assert in_turn.topic == "fg/1/event/report/440307003/event/0203/emergency"
    assert hurried.body == in_turn.body


def test_a_class_and_a_street_that_our_tables_do_not_have(maker: EventMaker) -> None:
    """Their codes stand alone: what is stored is published, whatever the tables say by now."""
    row = {**REPORT, "class_code": 99, "street_code": 110_000_001}
    published = maker.report(row, sequence_of(1))
    assert published.topic == "fg/1/event/report/110000001/event/0099/ordinary"
    data = decoded(published)["data"]
    assert data["class"] == {"code": "0099", "major": None, "minor": None}
    assert data["street"] == {"code": "110000001", "name": None}


@pytest.mark.parametrize("kind", ["component", "event"])
def test_every_class_has_a_name(maker: EventMaker, kind: str) -> None:
    """The same number means different things as component and as event."""
    data = decoded(maker.report({**REPORT, "kind": kind, "class_code": 101}, sequence_of(1)))[
        "data"
    ]
    names = {
        (c.major, c.minor)
        for c in load_reference().classes
        if c.edition == 1 and c.kind.name.lower() == kind and c.code == 101
    }
    assert {(data["class"]["major"], data["class"]["minor"])} == names


@pytest.mark.parametrize("code, reason", [(22, "malformed_message"), (999, "999")])
def test_something_in_quarantine(maker: EventMaker, code: int, reason: str) -> None:
    """Why, by name; a code that this version does not know stands as its number."""
    published = maker.quarantined({**QUARANTINED, "code": code}, sequence_of(3, 5))
    assert published.topic == "fg/1/event/quarantine/861"
    event = decoded(published)
    assert (event["id"], event["subject"]) == ("quarantine/17", "device/861")
    assert event["sequence"] == "0000000000003000005"
    assert (event["data"]["reason"], event["data"]["code"]) == (reason, code)
    assert (event["data"]["sequence"], event["data"]["detail"]) == (None, "no array")


@pytest.mark.parametrize("online", [True, False])
def test_a_device(maker: EventMaker, online: bool) -> None:  # noqa: FBT001 -- a table
    """Its own sequence in the id, because coming and going are no rows that stay."""
    published = maker.device(PRESENCE, "gw", online=online)
    assert published.topic == "fg/1/event/device/861"
    event = decoded(published)
    assert (event["id"], event["sequence"]) == ("presence/861/44", "0000000000044000000")
    assert (event["data"]["online"], event["data"]["gateway"]) == (online, "gw")


def test_a_task(maker: EventMaker) -> None:
    """On the topic of its state; the subject is the device."""
    published = maker.task_change(TASK, sequence_of(9))
    assert published.topic == "fg/1/event/task/861/answered"
    event = decoded(published)
    assert (event["id"], event["subject"]) == ("task/900/5", "device/861")
    assert (event["data"]["answer"], event["data"]["previous"]) == ("exists", "received")


@pytest.mark.parametrize("accepted, word", [(True, "accepted"), (False, "refused")])
def test_a_request_for_tasks(maker: EventMaker, accepted: bool, word: str) -> None:  # noqa: FBT001 -- a table
    """The subject is the request."""
    published = maker.task_verdict({**VERDICT, "accepted": accepted}, sequence_of(9))
    assert published.topic == f"fg/1/event/task-request/{word}"
    event = decoded(published)
    assert (event["id"], event["subject"]) == ("task-request/6", "request/case-1")
    assert event["data"]["accepted"] is accepted


@pytest.mark.parametrize(
    "device, whose, subject", [(861, "861", "device/861"), (None, "all", "all-devices")]
)
def test_a_budget(maker: EventMaker, device: int | None, whose: str, subject: str) -> None:
    """Sums to the cent, as text; the subject is the device, or all."""
    row = {
        "id": 3,
        "noticed_at": AT,
        "device": device,
        "month": date(2008, 3, 1),
        "budget": Decimal(25),
        "spent": Decimal("20.00"),
        "projected": Decimal("31.40"),
        "currency": "CNY",
        "tariff": "plan",
    }
    published = maker.budget_warning(row, sequence_of(9))
    assert published.topic == f"fg/1/event/budget/{whose}"
    event = decoded(published)
    assert (event["id"], event["subject"]) == ("budget/3", subject)
    assert event["data"]["month"] == "2008-03"
    assert event["data"]["device"] == device
    assert [event["data"][name] for name in ("budget", "spent", "projected")] == [
        "25.00",
        "20.00",
        "31.40",
    ]


def test_ids_are_stable(maker: EventMaker) -> None:
    """The same row makes the same event, byte for byte, whoever makes it."""
    other = EventMaker(SOURCE, load_reference())
    assert maker.report(REPORT, sequence_of(1)) == other.report(REPORT, sequence_of(1))
    assert maker.quarantined(QUARANTINED, "1") == other.quarantined(QUARANTINED, "1")


def test_a_gateway() -> None:
    """Needs no database; the clock gives the sequence; signs of MQTT in its name are replaced."""
    online = gateway_presence("a/b", online=True, time=AT)
    offline = gateway_presence("a/b", online=False, time=AT.replace(microsecond=1))
    assert online.topic == offline.topic == "fg/1/event/gateway/a_b"
    first, second = decoded(online), decoded(offline)
    assert (first["source"], first["subject"]) == ("/field-gateway/a/b", "gateway/a/b")
    assert first["data"] == {"gateway": "a/b", "online": True}
    assert first["sequence"] < second["sequence"]
    assert first["id"] != second["id"]
