"""Holds every event published in a test to the contract: schema, and topic that fits the content.

`validate` reads the files of `docs/events/`, not the structs: it is what a subscriber would do.
"""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator

from gateway import events
from gateway.protocol import topics

FOLDER: Final = Path(__file__).parents[2] / "docs" / "events"

_CHECKER: Final = Draft202012Validator.FORMAT_CHECKER
assert "date-time" in _CHECKER.checkers, "needs rfc3339-validator: dates would go unchecked"


def _report_topics(data: dict[str, Any]) -> set[str]:
    place = (int(data["street"]["code"]), data["kind"], data["class"]["code"])
    own = {topics.report_topic(*place, data["urgency"])}
    return own | ({topics.emergency_topic(*place)} if data["urgency"] == "emergency" else set())


def _verdict_topics(data: dict[str, Any]) -> set[str]:
    return {topics.task_request_topic("accepted" if data["accepted"] else "refused")}


TOPICS_OF: Final[dict[str, Callable[[dict[str, Any]], set[str]]]] = {
    events.REPORT_STORED: _report_topics,
    events.REPORT_QUARANTINED: lambda data: {topics.quarantine_topic(data["device"])},
    events.DEVICE_PRESENCE: lambda data: {topics.device_topic(data["device"])},
    events.GATEWAY_PRESENCE: lambda data: {topics.gateway_topic(data["gateway"])},
    events.TASK_CHANGED: lambda data: {topics.task_topic(data["device"], data["state"])},
    events.TASK_REQUEST_DECIDED: _verdict_topics,
    events.BUDGET_WARNING: lambda data: {topics.budget_topic(data["device"])},
}
"""By type: the topics that an event with this data may stand on."""

SUBJECT_NAMES: Final[dict[str, str]] = {
    events.REPORT_STORED: "device",
    events.REPORT_QUARANTINED: "device",
    events.DEVICE_PRESENCE: "device",
    events.GATEWAY_PRESENCE: "gateway",
    events.TASK_CHANGED: "device",
    events.TASK_REQUEST_DECIDED: "request",
    events.BUDGET_WARNING: "device",
}
"""By type: the field of the data that the subject must name."""


@cache
def schema(event_type: str) -> dict[str, Any]:
    """The published schema of a type."""
    text = (FOLDER / f"{event_type}.schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


@cache
def validator(event_type: str) -> Draft202012Validator:
    """Checks events of a type, formats included."""
    return Draft202012Validator(schema(event_type), format_checker=_CHECKER)


def validate(topic: str, payload: bytes | str) -> dict[str, Any]:
    """The event, if it obeys its schema and stands on a topic that fits its content.

    Raises:
        AssertionError: it does not; the text says what is wrong.
        ValueError: it is not JSON.
    """
    event = json.loads(payload)
    event_type = event.get("type") if isinstance(event, dict) else None
    assert event_type in events.EVENT_TYPES, f"no event of ours: {payload!r}"
    wrong = sorted(
        f"{error.json_path}: {error.message}" for error in validator(event_type).iter_errors(event)
    )
    assert wrong == [], f"{topic}: {wrong}"
    fitting = TOPICS_OF[event_type](event["data"])
    assert topic in fitting, f"on {topic}, and belongs on {sorted(fitting)}"
    named = event["data"][SUBJECT_NAMES[event_type]]
    subject = "all-devices" if named is None else str(named)
    assert subject in event["subject"], f"wrong subject: {payload!r}"
    assert event["time"].endswith("Z"), f"time is not UTC: {payload!r}"
    return dict(event)
