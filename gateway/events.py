"""What is published for subscribers: CloudEvents 1.0 in structured JSON. Pure.

The structs here are the contract; `docs/events/` holds their JSON Schemas, made from them, and
`docs/asyncapi.yaml` the topics. A field may be added; none changes its meaning or goes away within
a type's version, the `v1` at its end. The same happening always has the same `id`, however often
it is published, so a subscriber that remembers ids sees each once.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta

CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"
"""CloudEvents' media type of the structured mode (JSON format, section 3)."""

SCHEMAS: Final = "https://field-gateway.example/events"
"""Names the schemas; `docs/events/` holds them. A URI that identifies, not one to fetch."""

Data = TypeVar("Data")

Digits = Annotated[str, Meta(pattern=r"^[0-9]+$")]
Transport = Literal["tcp", "mqtt"]
TaskState = Literal["queued", "sent", "received", "answered", "expired", "cancelled", "superseded"]


class Event(msgspec.Struct, Generic[Data], kw_only=True, frozen=True):
    """The envelope (CloudEvents 1.0, section 3)."""

    specversion: Literal["1.0"] = "1.0"
    id: Annotated[str, Meta(min_length=1)]
    """Unique for ever, together with `source`; the same when it is published again."""
    source: Annotated[str, Meta(min_length=1)]
    """The installation of the gateway: all gateways of one database share it."""
    type: str
    subject: str
    """The device, gateway or request that it is about."""
    time: datetime
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: str
    sequence: Annotated[str, Meta(pattern=r"^[0-9]{19}$")]
    """Rises with each event of one subject (CloudEvents extension "sequence"): compare as text."""
    data: Data


class Named(msgspec.Struct, frozen=True):
    """A street by code and name; the name is null where our tables do not have it."""

    code: Digits
    name: str | None


class ClassOfReport(msgspec.Struct, frozen=True):
    """A class of the edition's code table; the names are null where our tables do not have it."""

    code: Digits
    major: str | None
    minor: str | None


class Position(msgspec.Struct, frozen=True):
    """WGS 84 degrees. `accuracy_m` 65535: there was no fix."""

    lat: Annotated[float, Meta(ge=-90, le=90)]
    lon: Annotated[float, Meta(ge=-180, le=180)]
    accuracy_m: Annotated[int, Meta(ge=0, le=65_535)]


class StoredReport(msgspec.Struct, frozen=True, kw_only=True):
    """A report that was committed."""

    device: int
    installation: int
    sequence: int
    """The report's own number within the installation."""
    edition: int
    kind: Literal["component", "event"]
    class_: ClassOfReport = msgspec.field(name="class")
    urgency: Literal["ordinary", "difficult", "emergency"]
    simple: bool
    patrol: Literal["routine", "special", "hotline"]
    street: Named
    grid: Digits
    position: Position
    observed_at: datetime
    stored_at: datetime
    description: str
    pictures: int
    component: Digits | None
    transport: Transport


class QuarantinedFrame(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a device sent and that was not accepted. The frame itself stays in the
    database: `quarantine_readable`, by this id.
    """

    quarantine: int
    device: int
    installation: int
    sequence: int | None
    """The report's number; null where it could not be read."""
    code: int
    """The refusal code that the device was told."""
    reason: str
    detail: str
    transport: Transport
    received_at: datetime


class DevicePresence(msgspec.Struct, frozen=True, kw_only=True):
    """A device came or went."""

    device: int
    online: bool
    transport: Transport
    gateway: str
    installation: int


class GatewayPresence(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway came or went. With `online` false, none of its devices is online either."""

    gateway: str
    online: bool


class TaskChange(msgspec.Struct, frozen=True, kw_only=True):
    """A task has reached a state, or something was noted with it."""

    task: int
    """Its number, as the handset knows it."""
    request: str
    """The id that the asker chose."""
    device: int
    kind: Literal["verify", "check", "notice"]
    state: TaskState
    previous: TaskState | None
    """Null for a new task. Equal to `state` for a late answer."""
    late_answer: bool
    """The task was over; the answer below did not become its answer."""
    at: datetime
    case_number: str
    answer: Literal["unable", "exists", "absent", "passed", "failed"] | None
    answer_text: str | None
    answered_at: datetime | None
    """By the handset's clock."""
    superseded_by: str | None


class TaskRequestVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request for tasks, or of a cancellation."""

    request: str
    """Empty where it could not be read."""
    action: Literal["request", "cancel"]
    accepted: bool
    repeated: bool
    """It was there before with the same content; nothing was done."""
    tasks: int
    """How many tasks were made or cancelled."""
    reason: str | None
    """Why it was refused, for people."""


REPORT_STORED: Final = "field-gateway.report.stored.v1"
REPORT_QUARANTINED: Final = "field-gateway.report.quarantined.v1"
DEVICE_PRESENCE: Final = "field-gateway.device.presence.v1"
GATEWAY_PRESENCE: Final = "field-gateway.gateway.presence.v1"
TASK_CHANGED: Final = "field-gateway.task.changed.v1"
TASK_REQUEST_DECIDED: Final = "field-gateway.task-request.decided.v1"

EVENT_TYPES: Final[dict[str, type]] = {
    REPORT_STORED: Event[StoredReport],
    REPORT_QUARANTINED: Event[QuarantinedFrame],
    DEVICE_PRESENCE: Event[DevicePresence],
    GATEWAY_PRESENCE: Event[GatewayPresence],
    TASK_CHANGED: Event[TaskChange],
    TASK_REQUEST_DECIDED: Event[TaskRequestVerdict],
}
"""All types of events, with the struct that each is."""

MAX_INDEX: Final = 10**6 - 1
"""Most events of one publication, less one: a batch has at most some thousands."""

_encode = msgspec.json.Encoder().encode


def sequence_of(position: int, index: int = 0) -> str:
    """The place of an event: its publication's position, and its index there."""
    return f"{position:013d}{index:06d}"


def schema_of(event_type: str) -> str:
    """The URI of a type's schema."""
    return f"{SCHEMAS}/{event_type}.schema.json"


def envelope(
    event_type: str,
    *,
    event_id: str,
    source: str,
    subject: str,
    time: datetime,
    sequence: str,
    data: Any,
) -> Event[Any]:
    """An event of one of the types above."""
    return Event(
        id=event_id,
        source=source,
        type=event_type,
        subject=subject,
        time=time.astimezone(UTC),
        dataschema=schema_of(event_type),
        sequence=sequence,
        data=data,
    )


def encode(event: Event[Any]) -> bytes:
    """The event as JSON."""
    return _encode(event)
