"""`docs/asyncapi.yaml` describes the topics and messages that the code has, and is AsyncAPI."""

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from jsonschema import Draft202012Validator

from gateway import events, task_request
from gateway.protocol import limits, topics
from tests.helpers.asyncapi_parser import ERROR, parse
from tests.helpers.event_schemas import validate
from tests.helpers.topic_addresses import address_of, addresses

DOCS: Final = Path(__file__).parents[2] / "docs"
DOCUMENT: Final = DOCS / "asyncapi.yaml"

RETAINED: Final = {topics.device_topic, topics.gateway_topic}
"""What a new subscriber must learn at once."""

REQUESTS: Final = {"taskRequest": topics.TASK_REQUEST, "taskCancel": topics.TASK_CANCEL}
"""Messages that workflow services send, with their topics."""


@cache
def document() -> dict[str, Any]:
    """The document as written, references unresolved."""
    loaded: dict[str, Any] = yaml.safe_load(DOCUMENT.read_text(encoding="utf-8"))
    return loaded


def test_every_topic_of_the_code_is_a_channel_and_no_other() -> None:
    """Addresses in the document are the code's, with the same names for what varies."""
    channels = {channel["address"] for channel in document()["channels"].values()}
    assert channels == addresses()


def test_every_channel_has_one_operation_with_its_quality_of_service() -> None:
    """Seen from the gateway: what it receives and what it sends, at QoS 1; presence is retained."""
    received = {address_of(topics.up_topic), *REQUESTS.values()}
    retained = {address_of(function) for function in RETAINED}
    seen = []
    for operation in document()["operations"].values():
        name = operation["channel"]["$ref"].rpartition("/")[2]
        address = document()["channels"][name]["address"]
        seen.append(address)
        assert operation["action"] == ("receive" if address in received else "send")
        assert operation["bindings"]["mqtt"]["qos"] == 1
        assert operation["bindings"]["mqtt"]["retain"] is (address in retained)
    assert sorted(seen) == sorted(channel["address"] for channel in document()["channels"].values())


def test_every_type_of_event_is_a_message_with_its_schema() -> None:
    """Their payload is the file of `docs/events/`, not a copy; the content type is stated."""
    messages = {
        message["name"]: message for message in document()["components"]["messages"].values()
    }
    assert set(messages) == {*events.EVENT_TYPES, *REQUESTS, "frame"}
    for event_type in events.EVENT_TYPES:
        reference = f"./events/{event_type}.schema.json"
        assert messages[event_type]["payload"] == {"$ref": reference}
        assert (DOCS / reference).is_file()
        assert messages[event_type]["contentType"] == events.CONTENT_TYPE
        assert messages[event_type]["bindings"]["mqtt"]["contentType"] == events.CONTENT_TYPE
    assert messages["frame"]["contentType"] == topics.CONTENT_TYPE
    assert messages["frame"]["payload"]["maxLength"] == limits.MAX_FRAME_BYTES


def test_ranges_of_parameters_are_those_of_the_code() -> None:
    """Numbers in the descriptions, and the words that stand in topics and in events alike."""
    parameters = document()["components"]["parameters"]
    assert f"1 to {limits.MAX_DEVICE_ID}." in parameters["device"]["description"]
    assert f"0 to {limits.MAX_INSTALLATION}." in parameters["installation"]["description"]
    report = _schema_of(events.REPORT_STORED)["$defs"]["StoredReport"]["properties"]
    task = _schema_of(events.TASK_CHANGED)["$defs"]["TaskChange"]["properties"]
    assert sorted(parameters["kind"]["enum"]) == report["kind"]["enum"]
    assert sorted(parameters["urgency"]["enum"]) == report["urgency"]["enum"]
    assert sorted(parameters["state"]["enum"]) == task["state"]["enum"]


def test_examples_of_events_are_valid() -> None:
    """The parser does not look at them; the helper does, with the topic that the content asks."""
    for event_type in events.EVENT_TYPES:
        for payload in _examples(event_type):
            assert payload["type"] == event_type
            with pytest.raises(AssertionError, match=r"belongs on \['fg/1/event/"):
                validate("", json.dumps(payload))


@pytest.mark.parametrize("name", REQUESTS)
def test_examples_of_requests_are_valid(name: str) -> None:
    """They pass their own schema."""
    for payload in _examples(name):
        assert _faults(name, payload) == []


@pytest.mark.parametrize(
    "change",
    [
        {"id": "a b"},
        {"id": "x" * 65},
        {"kind": "order"},
        {"to": {}},
        {"to": {"device": 1, "street": "440307003"}},
        {"to": {"all": False}},
        {"to": {"device": 0}},
        {"to": {"street": "44030700"}},
        {"text": ""},
        {"text": "字" * 501},
        {"case_number": "x" * 65},
        {"grid": "1234567890123"},
        {"position": {"lat": 1}},
        {"position": {"lat": 1, "lon": 181}},
        {"pictures": ["x"] * 10},
        {"pictures": ["x" * 257]},
        {"expires_at": "2008-03-20T20:00:00"},
        {"not_before": "tomorrow"},
        {"supersedes": ""},
        {"unknown": 1},
    ],
)
def test_a_wrong_request_is_refused(change: dict[str, Any]) -> None:
    """By the schema, and by the gateway just the same."""
    request = {**_examples("taskRequest")[0], **change}
    assert _faults("taskRequest", request) != []
    _gateway_refuses(request)


def test_the_gateway_reads_what_the_document_allows() -> None:
    """Every example, and a request at all limits."""
    longest = {
        **_examples("taskRequest")[0],
        "id": "x" * 64,
        "text": "字" * 500,
        "case_number": "x" * 64,
        "grid": "9" * 15,
        "pictures": ["x" * 256] * 9,
    }
    for request in [*_examples("taskRequest"), longest]:
        assert _faults("taskRequest", request) == []
        task_request.decode_request(json.dumps(request).encode())
    longest_reason = {"id": "x", "reason": "字" * 500}
    for cancellation in [*_examples("taskCancel"), longest_reason]:
        assert _faults("taskCancel", cancellation) == []
        task_request.decode_cancellation(json.dumps(cancellation).encode())
    assert _faults("taskCancel", {"id": "x", "reason": "字" * 501}) != []


def test_the_official_parser_accepts_it() -> None:
    """No error and no warning. The advice to go to 3.1 is not taken: few tools read it yet."""
    parsed = parse(DOCUMENT)
    told = [found for found in parsed["diagnostics"] if found["code"] != "asyncapi-latest-version"]
    assert told == []
    assert len(parsed["channels"]) == len(document()["channels"])


@pytest.mark.parametrize(
    "right, wrong",
    [
        ("retain: true, bindingVersion", "retain: often, bindingVersion"),
        ("maxLength: 16383", "maxLength: many"),
        ("action: receive", "action: listen"),
        ("#/components/messages/frame", "#/components/messages/gone"),
        ("./events/field-gateway.report.stored", "./events/gone"),
    ],
)
def test_the_parser_finds_faults(tmp_path: Path, right: str, wrong: str) -> None:
    """A copy that was broken in one place is not accepted."""
    shutil.copytree(DOCS / "events", tmp_path / "events")
    copy = tmp_path / "asyncapi.yaml"
    text = DOCUMENT.read_text(encoding="utf-8")
    assert right in text
    copy.write_text(text.replace(right, wrong), encoding="utf-8")
    assert ERROR in {found["severity"] for found in parse(copy)["diagnostics"]}


def _schema_of(event_type: str) -> dict[str, Any]:
    text = (DOCS / "events" / f"{event_type}.schema.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def _examples(name: str) -> list[dict[str, Any]]:
    """The payloads of the examples of a message."""
    messages = document()["components"]["messages"].values()
    (message,) = (message for message in messages if message["name"] == name)
    payloads = [example["payload"] for example in message["examples"]]
    assert payloads
    return payloads


def _faults(name: str, payload: dict[str, Any]) -> list[str]:
    """What is wrong with a payload by the document's schema of a message of ours."""
    schema = {**document(), "$ref": f"#/components/schemas/{name}"}
    checker = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return [error.message for error in checker.iter_errors(payload)]


def _gateway_refuses(request: dict[str, Any]) -> None:
    with pytest.raises(task_request.TaskRequestError):
        task_request.decode_request(json.dumps(request).encode())
