"""What workflow services ask for: tasks, and to take them back. JSON, checked in every field. Pure.

Whether a device or an earlier request exists is for the database to say, and whether its time has
passed only matters for a request that is new: one that is repeated late was accepted all the same.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum, unique
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from gateway.protocol import limits
from gateway.protocol.text import unfit_character

MAX_LIFE_SECONDS: Final = 90 * 86_400
"""How far ahead a task may expire: a quarter. Nobody looks for a case of longer ago on a handset,
and a year written wrong would keep a task open for ever."""

MAX_REQUEST_BYTES: Final = 65_536
"""Largest JSON of a request. With every field at its limit it has some 35,000 in the widest
spelling of JSON."""

MAX_CANCEL_REASON_CHARACTERS: Final = 500
"""Longest reason of a cancellation, as long as a task's text."""

RequestId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
Moment = Annotated[datetime, Meta(tz=True)]
Kind = Literal["verify", "check", "notice"]
CaseNumber = Annotated[str, Meta(max_length=limits.MAX_CASE_NUMBER_CHARACTERS)]
PictureAddress = Annotated[
    str, Meta(min_length=1, max_length=limits.MAX_PICTURE_ADDRESS_CHARACTERS)
]


@unique
class Action(StrEnum):
    """What is asked for; the labels of the database."""

    REQUEST = "request"
    CANCEL = "cancel"


class TaskRequestError(Exception):
    """Not acceptable; the text says why, for the asker. `request` is its id, or empty where that
    could not be read.
    """

    def __init__(self, request: str, reason: str) -> None:
        super().__init__(reason)
        self.request = request


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom it is for: exactly one of the three."""

    device: Annotated[int, Meta(ge=1, le=limits.MAX_DEVICE_ID)] | None = None
    street: Annotated[str, Meta(pattern=r"^[0-9]{9}$")] | None = None
    """All devices of a street that are not revoked."""
    everybody: bool = msgspec.field(name="all", default=False)
    """All devices that are not revoked."""


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """WGS 84 degrees; kept to 1e-5 degree, a metre."""

    lat: Annotated[float, Meta(ge=-90, le=90)]
    lon: Annotated[float, Meta(ge=-180, le=180)]


class TaskRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request for tasks: one for each device of the target."""

    id: RequestId
    """Chosen by the asker. Asking again with the same content makes no second task."""
    kind: Kind
    to: Target
    text: Annotated[str, Meta(min_length=1, max_length=limits.MAX_TASK_CHARACTERS)]
    """What the inspector reads: no control characters."""
    expires_at: Moment
    """From here on the tasks are over."""
    case_number: CaseNumber = ""
    grid: Annotated[str, Meta(pattern=r"^[1-9][0-9]{13,14}$")] | None = None
    """Whole unit-grid identity."""
    position: Place | None = None
    pictures: Annotated[list[PictureAddress], Meta(max_length=limits.MAX_TASK_PICTURES)] = []
    """Addresses to fetch them from."""
    not_before: Moment | None = None
    """Nothing is sent before this."""
    supersedes: RequestId | None = None
    """An earlier request, whose open tasks end with this one."""


class Cancellation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The open tasks of a request are to be taken back."""

    id: RequestId
    """Of the request."""
    reason: Annotated[str, Meta(max_length=MAX_CANCEL_REASON_CHARACTERS)] = ""
    """For the record."""


class Malformed(msgspec.Struct, frozen=True):
    """Something that is no request and no cancellation; its refusal is kept."""

    id: str
    action: Action
    reason: str


Asked = TaskRequest | Cancellation | Malformed
Struct = TypeVar("Struct", TaskRequest, Cancellation)


class _WithId(msgspec.Struct):
    """Enough of something malformed to tell its asker."""

    id: RequestId


def decode_request(body: bytes) -> TaskRequest:
    """A request in JSON.

    Raises:
        TaskRequestError: It is none; the text names the field and its fault.
    """
    request = _decode(body, TaskRequest)
    fault = _fault_of_target(request.to) or _fault_of_texts(request) or _fault_of_moments(request)
    if not fault and request.not_before and request.not_before >= request.expires_at:
        fault = "expires_at: must be after not_before"
    if not fault and request.supersedes == request.id:
        fault = "supersedes: a request cannot supersede itself"
    if fault:
        raise TaskRequestError(request.id, fault)
    return request


def decode_cancellation(body: bytes) -> Cancellation:
    """A cancellation in JSON.

    Raises:
        TaskRequestError: It is none; the text names the field and its fault.
    """
    cancellation = _decode(body, Cancellation)
    unfit = unfit_character(cancellation.reason)
    if unfit:
        raise TaskRequestError(cancellation.id, f"reason: holds {unfit}")
    return cancellation


def decode_asked(action: Action, body: bytes) -> Asked:
    """What came on a topic; what is malformed is returned as that. Raises nothing."""
    try:
        return decode_request(body) if action is Action.REQUEST else decode_cancellation(body)
    except TaskRequestError as error:
        return Malformed(error.request, action, str(error))


def fault_of_times(request: TaskRequest, now: datetime) -> str | None:
    """Why a request cannot be new at this moment, or None when it can."""
    if request.expires_at <= now:
        return f"expires_at: {request.expires_at.isoformat()} is past"
    if request.expires_at > now + timedelta(seconds=MAX_LIFE_SECONDS):
        return f"expires_at: more than {MAX_LIFE_SECONDS // 86_400} days ahead"
    return None


def _decode(body: bytes, kind: type[Struct]) -> Struct:
    if len(body) > MAX_REQUEST_BYTES:
        raise TaskRequestError("", f"{len(body)} bytes, at most {MAX_REQUEST_BYTES}")
    try:
        asked = msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise TaskRequestError(_id_of(body), _explain(str(error))) from None
    if unfit_character(asked.id):  # `$` matches before a line feed at the end
        raise TaskRequestError("", "id: holds a line feed")
    return asked


def _id_of(body: bytes) -> str:
    try:
        found = msgspec.json.decode(body, type=_WithId).id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    return "" if unfit_character(found) else found


def _explain(message: str) -> str:
    """The message of msgspec with the field's name first."""
    what, at, where = message.partition(" - at `$")
    return f"{where.lstrip('.').rstrip('`')}: {what}" if at else what


def _fault_of_target(target: Target) -> str | None:
    named = (target.device is not None, target.street is not None, target.everybody)
    return None if sum(named) == 1 else 'to: exactly one of "device", "street" and "all": true'


def _fault_of_moments(request: TaskRequest) -> str | None:
    """At both ends of the calendar a moment may have no form in UTC, and none in the database."""
    moments = {"expires_at": request.expires_at, "not_before": request.not_before}
    for name, moment in moments.items():
        try:
            _ = moment and moment.astimezone(UTC)
        except OverflowError:
            return f"{name}: must lie in the years 1 to 9999 in UTC too"
    return None


def _fault_of_texts(request: TaskRequest) -> str | None:
    texts = {
        "to.street": request.to.street or "",
        "text": request.text,
        "case_number": request.case_number,
        "grid": request.grid or "",
        "supersedes": request.supersedes or "",
        **{f"pictures[{place}]": address for place, address in enumerate(request.pictures)},
    }
    for name, text in texts.items():
        unfit = unfit_character(text)
        if unfit:
            return f"{name}: holds {unfit}"
    return None
