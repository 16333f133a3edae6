"""Envelope, order and form of events; `tests/docs/test_event_schemas.py` holds their content."""

import json
import re
from datetime import UTC, datetime, timedelta, timezone

import pytest

from gateway.events import (
    CONTENT_TYPE,
    EVENT_TYPES,
    GATEWAY_PRESENCE,
    MAX_INDEX,
    Event,
    GatewayPresence,
    encode,
    envelope,
    schema_of,
    sequence_of,
)
from gateway.protocol.topics import gateway_topic
from tests.helpers.event_schemas import schema, validate

CHINA = timezone(timedelta(hours=8))


def presence(time: datetime) -> Event[GatewayPresence]:
    """Some event."""
    return envelope(
        GATEWAY_PRESENCE,
        event_id="gateway/gw/1/online",
        source="/longgang",
        subject="gateway/gw",
        time=time,
        sequence=sequence_of(1),
        data=GatewayPresence(gateway="gw", online=True),
    )


def test_an_event_is_valid_json_in_utc() -> None:
    """The envelope is complete, and a time of any zone becomes UTC."""
    encoded = encode(presence(datetime(2008, 3, 20, 16, 0, 0, 250_000, CHINA)))
    event = validate(gateway_topic("gw"), encoded)
    assert event["time"] == "2008-03-20T08:00:00.250000Z"
    assert event["specversion"] == "1.0"
    assert event["dataschema"] == schema_of(GATEWAY_PRESENCE)
    assert event["data"] == {"gateway": "gw", "online": True}


def test_the_same_event_is_the_same_bytes() -> None:
    """Published again, it does not differ."""
    time = datetime(2008, 3, 20, 8, tzinfo=UTC)
    assert encode(presence(time)) == encode(presence(time.astimezone(CHINA)))


@pytest.mark.parametrize(
    "earlier, later",
    [
        (sequence_of(1), sequence_of(1, 1)),
        (sequence_of(1, 9), sequence_of(1, 10)),
        (sequence_of(1, MAX_INDEX), sequence_of(2)),
        (sequence_of(9), sequence_of(10)),
        (sequence_of(999_999), sequence_of(1_000_000)),
    ],
)
def test_sequences_rise_as_text(earlier: str, later: str) -> None:
    """By publication, and within it by index."""
    assert earlier < later


def test_the_largest_index_is_the_last_that_fits() -> None:
    """One more would not be the digits that the schema asks for."""
    pattern = schema(GATEWAY_PRESENCE)["properties"]["sequence"]["pattern"]
    assert re.search(pattern, sequence_of(10**13 - 1, MAX_INDEX))
    assert not re.search(pattern, sequence_of(1, MAX_INDEX + 1))


def test_names_of_types_carry_their_version() -> None:
    """Each ends in its version and has a schema of its own."""
    assert all(re.fullmatch(r"field-gateway\.[a-z.-]+\.v[0-9]+", name) for name in EVENT_TYPES)
    assert len({schema_of(name) for name in EVENT_TYPES}) == len(EVENT_TYPES)
    assert CONTENT_TYPE.startswith("application/cloudevents+json")


def test_data_has_the_published_names() -> None:
    """`class` is a word of Python, so the struct's field has another name than the event's."""
    report = schema("field-gateway.report.stored.v1")["$defs"]["StoredReport"]["properties"]
    assert "class" in report
    assert "class_" not in json.dumps(report)
