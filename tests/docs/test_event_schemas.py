"""The schemas of `docs/events/` accept what they should, and nothing else."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from cloudevents.core.formats.json import JSONFormat
from jsonschema import Draft202012Validator

from gateway.events import EVENT_TYPES, Event, encode
from tests.helpers.event_schemas import SUBJECT_NAMES, TOPICS_OF, schema, validate
from tests.helpers.golden_events import EMERGENCY, EMERGENCY_TOPIC, GOLDEN

NAMES_OF_DATA = sorted(
    (name, field) for name, (_, text) in GOLDEN.items() for field in json.loads(text)["data"]
)


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_is_a_schema_with_an_event_to_try(event_type: str) -> None:
    """Every type has a valid schema, its rules in the helper, and an event typed by hand."""
    Draft202012Validator.check_schema(schema(event_type))
    assert any(json.loads(text)["type"] == event_type for _, text in GOLDEN.values())
    assert event_type in TOPICS_OF
    assert event_type in SUBJECT_NAMES


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_events_are_valid_and_mean_the_same_to_the_structs(name: str) -> None:
    """They pass, decode, and are encoded to an event that passes and means the same again."""
    topic, text = GOLDEN[name]
    struct = EVENT_TYPES[validate(topic, text)["type"]]
    event: Event[Any] = msgspec.json.decode(text, type=struct)
    again = encode(event)
    validate(topic, again)
    assert msgspec.json.decode(again, type=struct) == event
    assert set(json.loads(again)["data"]) == set(json.loads(text)["data"])


@pytest.mark.parametrize("name", GOLDEN)
def test_the_official_library_reads_golden_events(name: str) -> None:
    """CloudEvents' own Python library takes them for what they are."""
    _, text = GOLDEN[name]
    event, expected = JSONFormat().read(None, text), json.loads(text)
    assert event.get_id() == expected["id"]
    assert event.get_subject() == expected["subject"]
    assert event.get_extension("sequence") == expected["sequence"]
    assert event.get_data() == expected["data"]


@pytest.mark.parametrize("name, field", NAMES_OF_DATA)
def test_a_missing_field_is_refused(name: str, field: str) -> None:
    """No field of the data may be left out."""
    _refused(name, lambda event: event["data"].pop(field))


@pytest.mark.parametrize("name, field", NAMES_OF_DATA)
def test_a_field_of_another_type_is_refused(name: str, field: str) -> None:
    """A list is right nowhere."""
    _refused(name, lambda event: event["data"].update({field: []}))


@pytest.mark.parametrize("field", json.loads(EMERGENCY))
@pytest.mark.parametrize("name", GOLDEN)
def test_an_envelope_without_a_field_is_refused(name: str, field: str) -> None:
    """The whole envelope is always there."""
    _refused(name, lambda event: event.pop(field))


@pytest.mark.parametrize(
    "field, value",
    [
        ("urgency", "urgent"),
        ("kind", "EVENT"),
        ("transport", "http"),
        ("device", "4403070001"),
        ("device", 0),
        ("device", 2**53),
        ("pictures", 10),
        ("pictures", True),
        ("grid", "44030700300x12"),
        ("observed_at", "2008-03-20 07:59"),
        ("observed_at", "2008-03-20T07:59:58"),
        ("stored_at", "2008-02-30T00:00:00Z"),
        ("position", {"lat": 91, "lon": 0, "accuracy_m": 1}),
        ("street", {"code": "440307003"}),
        ("class", {"code": 203, "major": None, "minor": None}),
    ],
)
def test_a_wrong_value_in_a_report_is_refused(field: str, value: object) -> None:
    """Enumerations, ranges, patterns and dates are all checked."""
    _refused("ordinary report", lambda event: event["data"].update({field: value}))


@pytest.mark.parametrize(
    "field, value",
    [
        ("specversion", "0.3"),
        ("type", "field-gateway.report.stored.v2"),
        ("id", ""),
        ("time", "2008-03-20T16:00:03+08:00"),
        ("sequence", "917000003"),
        ("dataschema", "https://field-gateway.example/events/other"),
        ("subject", "device/2"),
    ],
)
def test_a_wrong_envelope_is_refused(field: str, value: str) -> None:
    """Also a time that is not in UTC and a subject that is another device's."""
    _refused("ordinary report", lambda event: event.update({field: value}))


@pytest.mark.parametrize("name", GOLDEN)
def test_unknown_fields_are_allowed(name: str) -> None:
    """A field that is added later does not break today's subscriber."""
    topic, text = GOLDEN[name]
    event = json.loads(text)
    validate(topic, json.dumps({**event, "new": 1, "data": {**event["data"], "new": 1}}))


def test_an_emergency_stands_on_both_topics() -> None:
    """On its own and on the report topic; another report on the latter alone."""
    validate(EMERGENCY_TOPIC, EMERGENCY)
    with pytest.raises(AssertionError, match="and belongs on"):
        validate("fg/1/event/emergency/440307003/event/0203", GOLDEN["ordinary report"][1])


@pytest.mark.parametrize("name", GOLDEN)
def test_a_topic_that_does_not_fit_is_refused(name: str) -> None:
    """An event on a topic that says anything else than its content is an error."""
    topic, text = GOLDEN[name]
    with pytest.raises(AssertionError, match="and belongs on"):
        validate(f"{topic}1", text)


@pytest.mark.parametrize("payload", ["[]", "{}", '{"type": "other"}', "1"])
def test_what_is_no_event_is_refused(payload: str) -> None:
    """Valid JSON alone is not enough."""
    with pytest.raises(AssertionError, match="no event of ours"):
        validate("fg/1/event/device/1", payload)


def _refused(name: str, change: Callable[[dict[str, Any]], object]) -> None:
    topic, text = GOLDEN[name]
    event = json.loads(text)
    change(event)
    with pytest.raises(AssertionError):
        validate(topic, json.dumps(event))
