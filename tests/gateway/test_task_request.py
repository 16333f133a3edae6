"""Requests for tasks and cancellations in JSON: what is taken, and what is said of what is not."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given

from fuzz.seeds import SEEDS
from fuzz.targets.requests import check
from gateway.protocol import limits
from gateway.protocol.messages import encode
from gateway.protocol.task_messages import Task
from gateway.protocol.text import encode_text
from gateway.task_request import (
    MAX_CANCEL_REASON_CHARACTERS,
    MAX_LIFE_SECONDS,
    MAX_REQUEST_BYTES,
    Action,
    Cancellation,
    Malformed,
    Place,
    Target,
    TaskRequest,
    TaskRequestError,
    decode_asked,
    decode_cancellation,
    decode_request,
    fault_of_times,
)
from tests.helpers.hostile import changed
from tests.helpers.strategies import UNHURRIED
from tests.helpers.task_requests import build_request, request_body

NOON = "2026-12-01T12:00:00+08:00"


def fault_of(body: bytes) -> tuple[str, str]:
    """The id and the reason with which a request is refused."""
    with pytest.raises(TaskRequestError) as raised:
        decode_request(body)
    return raised.value.request, str(raised.value)


def test_everything_that_can_be_asked() -> None:
    """All fields, in UTC or with another zone."""
    request = build_request(
        "a.B_9:-",
        kind="check",
        to={"street": "440307003"},
        case_number="C-1",
        grid="440307003001001",
        position={"lat": -90, "lon": 180.0},
        pictures=["a", "b"],
        not_before="2026-12-01T03:59:59Z",
        expires_at=NOON,
        supersedes="earlier",
    )
    assert (request.kind, request.to) == ("check", Target(street="440307003"))
    assert request.position == Place(-90, 180)
    assert request.expires_at == datetime(2026, 12, 1, 4, tzinfo=UTC)
    assert (request.pictures, request.supersedes) == (["a", "b"], "earlier")


def test_the_least_that_can_be_asked() -> None:
    """The rest has defaults."""
    request = build_request(to={"all": True})
    assert request.to == Target(everybody=True)
    assert (request.grid, request.position, request.pictures, request.case_number) == (
        None, None, [], "",
    )  # fmt: skip


AT_THE_LIMIT: dict[str, Any] = {
    "request_id": "x" * 64,
    "to": {"device": limits.MAX_DEVICE_ID},
    "text": "𠮷" * limits.MAX_TASK_CHARACTERS,
    "case_number": "𠮷" * limits.MAX_CASE_NUMBER_CHARACTERS,
    "grid": "9" * 15,
    "position": {"lat": 90, "lon": -180},
    "pictures": ["𠮷" * limits.MAX_PICTURE_ADDRESS_CHARACTERS] * limits.MAX_TASK_PICTURES,
    "supersedes": "y" * 64,
}


def test_at_every_limit() -> None:
    """It is taken, and its JSON, in the widest spelling, is under the limit."""
    body = request_body(**AT_THE_LIMIT)
    assert len(body) <= MAX_REQUEST_BYTES
    decode_request(body)


def test_the_largest_task_fits_a_frame() -> None:
    """Whatever a request may hold can be sent, so nothing else has to be checked."""
    request = build_request(**AT_THE_LIMIT)
    task = Task(
        task=limits.MAX_TASK,
        kind=0,
        issued_at=limits.MAX_TIME,
        expires_at=limits.MAX_TIME,
        text=encode_text(request.text),
        case_number=request.case_number,
        grid=limits.MAX_GRID,
        lat_e5=-9_000_000,
        lon_e5=-18_000_000,
        pictures=request.pictures,
    )
    assert len(encode(task)) <= limits.MAX_FRAME_BYTES


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"kind": "other"}, "kind: Invalid enum value 'other'"),
        ({"kind": None}, "Object missing required field `kind`"),
        ({"colour": "red"}, "Object contains unknown field `colour`"),
        ({"to": {}}, 'to: exactly one of "device", "street" and "all": true'),
        ({"to": {"all": False}}, 'to: exactly one of "device", "street" and "all": true'),
        ({"to": {"all": True, "device": 1}}, 'to: exactly one of "device"'),
        ({"to": {"device": 0}}, "to.device: Expected `int` >= 1"),
        ({"to": {"device": limits.MAX_DEVICE_ID + 1}}, "to.device: Expected `int` <="),
        ({"to": {"street": "44030700"}}, "to.street: "),
        ({"to": {"street": "440307003\n"}}, "to.street: holds U+000A"),
        ({"to": {"nobody": 1}}, "to: Object contains unknown field `nobody`"),
        ({"text": ""}, "text: Expected `str` of length >= 1"),
        ({"text": "x" * 501}, "text: Expected `str` of length <= 500"),
        ({"text": "a\nb"}, "text: holds U+000A at 1"),
        ({"case_number": "x" * 65}, "case_number: "),
        ({"case_number": "\x7f"}, "case_number: holds U+007F"),
        ({"grid": "1" * 13}, "grid: "),
        ({"grid": "1" * 16}, "grid: "),
        ({"grid": "0" * 14}, "grid: "),
        ({"grid": 44030700300101}, "grid: Expected `str | null`, got `int`"),
        ({"position": {"lat": 90.1, "lon": 0}}, "position.lat: "),
        ({"position": {"lat": 0, "lon": -180.1}}, "position.lon: "),
        ({"position": {"lat": 0}}, "position: Object missing required field `lon`"),
        ({"pictures": ["x"] * 10}, "pictures: Expected `array` of length <= 9"),
        ({"pictures": ["x" * 257]}, "pictures[0]: Expected `str` of length <= 256"),
        ({"pictures": ["x", ""]}, "pictures[1]: "),
        ({"pictures": ["x", "a\x00"]}, "pictures[1]: holds U+0000 at 1"),
        ({"not_before": "2026-12-01T12:00:00"}, "not_before: Expected `datetime` with a timezone"),
        ({"expires_at": "tomorrow"}, "expires_at: Invalid RFC3339"),
        ({"not_before": NOON, "expires_at": NOON}, "expires_at: must be after not_before"),
        ({"supersedes": "r1"}, "supersedes: a request cannot supersede itself"),
        ({"supersedes": "a b"}, "supersedes: "),
    ],
)
def test_what_is_not_taken(changes: dict[str, Any], reason: str) -> None:
    """The field is named, and the request's id, so that its asker can be told."""
    assert fault_of(request_body(**changes))[0] == "r1"
    assert reason in fault_of(request_body(**changes))[1]


@pytest.mark.parametrize("bad", ["", "x" * 65, "a b", "a/b", "ä", "a\n"])
def test_an_id_that_is_none(bad: str) -> None:
    """Nobody can be told by such an id."""
    request, reason = fault_of(request_body(bad))
    assert request == ""
    assert reason.startswith("id: ")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"null",
        b'{"id": "r1"',
        b"[" * 60_000,
        b'{"id": 1}',
        b'{"x":' + b"[" * 60_000,
    ],
)
def test_what_is_no_request_at_all(body: bytes) -> None:
    """Nothing raises but our own error, and no id is made up."""
    assert fault_of(body)[0] == ""


def test_a_request_that_is_too_large() -> None:
    """At the limit it is read, past it not."""
    body = request_body()
    assert decode_request(body.ljust(MAX_REQUEST_BYTES)).id == "r1"
    assert fault_of(body.ljust(MAX_REQUEST_BYTES + 1)) == ("", "65537 bytes, at most 65536")


@pytest.mark.parametrize(
    "moments, at_fault",
    [
        ({"not_before": "0001-01-01T00:00:00+00:01"}, "not_before"),
        ({"not_before": "0001-01-01T00:00:00+00:00"}, None),
        ({"expires_at": "9999-12-31T23:59:59-00:01"}, "expires_at"),
        ({"expires_at": "9999-12-31T23:59:59Z"}, None),
    ],
)
def test_moments_at_the_ends_of_the_calendar(moments: dict[str, Any], at_fault: str | None) -> None:
    """One that has no form in UTC cannot be stored: its asker must hear of it."""
    body = request_body(**moments)
    if at_fault:
        assert fault_of(body) == ("r1", f"{at_fault}: must lie in the years 1 to 9999 in UTC too")
    else:
        decode_request(body)


def test_when_it_may_expire() -> None:
    """After now, and not too far ahead."""
    now = datetime(2026, 12, 1, tzinfo=UTC)

    def fault(**life: float) -> str | None:
        return fault_of_times(build_request(expires_at=(now + timedelta(**life)).isoformat()), now)

    assert fault(seconds=1) is None
    assert fault(seconds=MAX_LIFE_SECONDS) is None
    assert "is past" in (fault(seconds=0) or "")
    assert "more than 90 days ahead" in (fault(seconds=MAX_LIFE_SECONDS + 1) or "")


def test_cancellations() -> None:
    """An id, and perhaps a reason."""
    assert decode_cancellation(b'{"id": "r1"}') == Cancellation(id="r1")
    longest = "x" * MAX_CANCEL_REASON_CHARACTERS
    body = json.dumps({"id": "r1", "reason": longest}).encode()
    assert decode_cancellation(body).reason == longest
    for reason in (longest + "x", "a\x00"):
        with pytest.raises(TaskRequestError, match="reason: ") as raised:
            decode_cancellation(json.dumps({"id": "r1", "reason": reason}).encode())
        assert raised.value.request == "r1"


def test_what_came_on_a_topic() -> None:
    """What is malformed is a thing to be kept, not an error."""
    assert isinstance(decode_asked(Action.REQUEST, request_body()), TaskRequest)
    assert decode_asked(Action.CANCEL, b'{"id": "r1"}') == Cancellation(id="r1")
    malformed = decode_asked(Action.CANCEL, b'{"id": "r1", "x": 1}')
    assert malformed == Malformed("r1", Action.CANCEL, "Object contains unknown field `x`")


@UNHURRIED
@given(changed(SEEDS["requests"]()))
def test_hostile_bytes(data: bytes) -> None:
    """Whatever came on a topic gets a verdict that can be told and kept."""
    check(data)
