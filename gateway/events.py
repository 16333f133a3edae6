"""What is published for subscribers: CloudEvents 1.0 in structured JSON. Pure.

The structs here are the contract; `docs/events/` holds their JSON Schemas, made from them, and
`docs/asyncapi.yaml` the topics. A field may be added; none changes its meaning or goes away within
a type's version, the `v1` at its end. The same happening always has the same `id`, however often
it is published, so a subscriber that remembers ids sees each once. `scripts/make_event_schemas.py`
carries the texts below into the schemas: they are written for the subscriber.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta

from gateway.protocol.limits import MAX_DEVICE_ID, MAX_INSTALLATION, MAX_PICTURES, MAX_TASK

CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"
"""CloudEvents' media type of the structured mode (JSON format, section 3)."""

SCHEMAS: Final = "https://field-gateway.example/events"
"""Names the schemas; `docs/events/` holds them. A URI that identifies, not one to fetch."""

Data = TypeVar("Data")

Digits = Annotated[str, Meta(pattern=r"^[0-9]+$")]
Time = Annotated[datetime, Meta(tz=True)]
Device = Annotated[int, Meta(ge=1, le=MAX_DEVICE_ID)]
Installation = Annotated[int, Meta(ge=0, le=MAX_INSTALLATION)]
Count = Annotated[int, Meta(ge=0)]
Money = Annotated[str, Meta(pattern=r"^[0-9]+\.[0-9]{2}$")]
"""A sum in whole cents, as text: a binary float would not hold it."""
Transport = Literal["tcp", "mqtt"]
TaskState = Literal["queued", "sent", "received", "answered", "expired", "cancelled", "superseded"]


class Event(msgspec.Struct, Generic[Data], kw_only=True, frozen=True):
    """The envelope (CloudEvents 1.0, section 3)."""

    specversion: Literal["1.0"] = "1.0"
    """Version of CloudEvents."""
    id: Annotated[str, Meta(min_length=1)]
    """Unique for ever, together with `source`; the same when it is published again."""
    source: Annotated[str, Meta(min_length=1)]
    """The installation of the gateway: all gateways of one database share it."""
    type: str
    """What happened, with the version of its meaning. Decides the schema."""
    subject: Annotated[str, Meta(min_length=1)]
    """The device, gateway or request that it is about."""
    time: Time
    """When it happened, in UTC: when it was committed, or when who came or went did so."""
    datacontenttype: Literal["application/json"] = "application/json"
    """Form of `data`."""
    dataschema: str
    """Names the schema of this type. An identifier: nothing need be there to fetch."""
    sequence: Annotated[str, Meta(pattern=r"^[0-9]{19}$")]
    """Rises with each event of one subject (CloudEvents extension "sequence"): compare as text."""
    data: Data
    """What there is to know."""


class Named(msgspec.Struct, frozen=True):
    """A street by code and name; the name is null where our tables do not have it."""

    code: Digits
    """Nine digits: six of the district, three of the street."""
    name: str | None
    """In Chinese."""


class ClassOfReport(msgspec.Struct, frozen=True):
    """A class of the edition's code table; the names are null where our tables do not have it."""

    code: Digits
    """Four or five digits, by edition: major class, then minor class."""
    major: str | None
    """Name of the major class (大类)."""
    minor: str | None
    """Name of the minor class (小类)."""


class Position(msgspec.Struct, frozen=True):
    """Where the inspector stood, in WGS 84."""

    lat: Annotated[float, Meta(ge=-90, le=90)]
    """Degrees, north positive."""
    lon: Annotated[float, Meta(ge=-180, le=180)]
    """Degrees, east positive."""
    accuracy_m: Annotated[int, Meta(ge=0, le=65_535)]
    """Metres, as the handset states it. 65535: there was no fix."""


class StoredReport(msgspec.Struct, frozen=True, kw_only=True):
    """A report that was committed."""

    device: Device
    """The handset that sent it."""
    installation: Installation
    """Of the handset's software: a wiped handset begins a new one, and counts from 1 again."""
    sequence: Annotated[int, Meta(ge=1)]
    """The report's own number within the installation. Device, installation and this are its key
    in the database.
    """
    edition: Annotated[int, Meta(ge=1)]
    """Edition of the code tables that its codes are taken from."""
    kind: Literal["component", "event"]
    """部件, a thing that stands there, or 事件, a thing that happens there."""
    class_: ClassOfReport = msgspec.field(name="class")
    """What was found."""
    urgency: Literal["ordinary", "difficult", "emergency"]
    """一般, 疑难 or 突发. An emergency is published at once on a topic of its own, too."""
    simple: bool
    """简单案件: handled on the spot."""
    patrol: Literal["routine", "special", "hotline"]
    """Found on a routine round, a special one, or on the way of a citizen's call."""
    street: Named
    """Where."""
    grid: Digits
    """Whole unit-grid identity (单元网格), 14 or 15 digits by edition."""
    position: Position
    """Where, more exactly."""
    observed_at: Time
    """By the handset's clock."""
    stored_at: Time
    """When it was committed, by the database's clock."""
    description: str
    """At most 500 characters; may be empty."""
    pictures: Annotated[int, Meta(ge=0, le=MAX_PICTURES)]
    """How many pictures the handset announces."""
    component: Digits | None
    """Whole identity of the component, 16 or 17 digits by edition; null where there is none."""
    transport: Transport
    """How it came."""


class QuarantinedFrame(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a device sent and that was not accepted. The frame itself stays in the
    database: `quarantine_readable`, by the number here.
    """

    quarantine: Annotated[int, Meta(ge=1)]
    """Its number in the quarantine."""
    device: Device
    """The handset that sent it."""
    installation: Installation
    """Of the handset's software."""
    sequence: int | None
    """The report's number; null where it could not be read."""
    code: int
    """The refusal code that the device was told; docs/protocol.md lists them."""
    reason: str
    """The code in a word or two."""
    detail: str
    """What exactly is wrong, for people."""
    transport: Transport
    """How it came."""
    received_at: Time
    """When it was committed to quarantine."""


class DevicePresence(msgspec.Struct, frozen=True, kw_only=True):
    """A device came or went."""

    device: Device
    """Which."""
    online: bool
    """True: it greeted. False: its connection ended. It is online only while its gateway is."""
    transport: Transport
    """How it is, or was, connected."""
    gateway: str
    """Name of the gateway that holds, or held, its session."""
    installation: Installation
    """Of the handset's software."""


class GatewayPresence(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway came or went. With `online` false, none of its devices is online either."""

    gateway: Annotated[str, Meta(min_length=1)]
    """Its name, as in its settings."""
    online: bool
    """False also when it was killed: the broker then publishes the gateway's last will, which was
    written when it connected, and whose `time` says when that was.
    """


class TaskChange(msgspec.Struct, frozen=True, kw_only=True):
    """A task has reached a state, or something was noted with it."""

    task: Annotated[int, Meta(ge=1, le=MAX_TASK)]
    """Its number, as the handset knows it."""
    request: str
    """The id that the asker chose."""
    device: Device
    """The handset that it is for: a request to a street makes a task for each of its devices."""
    kind: Literal["verify", "check", "notice"]
    """核实, does it exist; 核查, was it repaired; or a text to read."""
    state: TaskState
    """The state reached."""
    previous: TaskState | None
    """Null for a new task. Equal to `state` for a late answer."""
    late_answer: bool
    """The task was over; the answer below did not become its answer."""
    at: Time
    """When."""
    case_number: str
    """Of the workflow service, as in the request; may be empty."""
    answer: Literal["unable", "exists", "absent", "passed", "failed"] | None
    """What the inspector found; null where this change is no answer."""
    answer_text: str | None
    """His words; null where this change is no answer."""
    answered_at: Time | None
    """By the handset's clock; null where this change is no answer."""
    superseded_by: str | None
    """The request that took its place; null in every other state."""


class TaskRequestVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request for tasks, or of a cancellation."""

    request: str
    """The id that the asker chose. Empty where it could not be read."""
    action: Literal["request", "cancel"]
    """Which of the two it was."""
    accepted: bool
    """Whether it is done. The topic says the same."""
    repeated: bool
    """It was there before with the same content; nothing was done."""
    tasks: Count
    """How many tasks were made or cancelled."""
    reason: str | None
    """Why it was refused, for people; null where it was accepted."""


class BudgetWarning(msgspec.Struct, frozen=True, kw_only=True):
    """The traffic of a device, or of all together, is on the way to cost more than its budget of
    the month. At most one for each device and month.
    """

    device: Device | None
    """Which; null: all together."""
    month: Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}$")]
    """In China: `2026-11`."""
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}$")]
    """ISO 4217, of the three sums."""
    budget: Money
    """What may be spent in the month."""
    spent: Money
    """What was spent when it was noticed."""
    projected: Money
    """What the month will cost if it goes on like this."""
    tariff: Annotated[str, Meta(min_length=1)]
    """The price list that it was calculated with."""
    noticed_at: Time
    """When."""


REPORT_STORED: Final = "field-gateway.report.stored.v1"
REPORT_QUARANTINED: Final = "field-gateway.report.quarantined.v1"
DEVICE_PRESENCE: Final = "field-gateway.device.presence.v1"
GATEWAY_PRESENCE: Final = "field-gateway.gateway.presence.v1"
TASK_CHANGED: Final = "field-gateway.task.changed.v1"
TASK_REQUEST_DECIDED: Final = "field-gateway.task-request.decided.v1"
BUDGET_WARNING: Final = "field-gateway.budget.warning.v1"

EVENT_TYPES: Final[dict[str, type]] = {
    REPORT_STORED: Event[StoredReport],
    REPORT_QUARANTINED: Event[QuarantinedFrame],
    DEVICE_PRESENCE: Event[DevicePresence],
    GATEWAY_PRESENCE: Event[GatewayPresence],
    TASK_CHANGED: Event[TaskChange],
    TASK_REQUEST_DECIDED: Event[TaskRequestVerdict],
    BUDGET_WARNING: Event[BudgetWarning],
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
