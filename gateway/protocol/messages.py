"""The messages, one class each, as they stand on the wire: an array of a tag and positional fields.

A field that is added later goes to the end and has a default. A decoder ignores fields it does not
know, and takes the default for fields that an older peer does not send; an encoder leaves out
trailing defaults. So old and new live together without a new version.

Tags 16-20 are those of `task_messages`; up to 31 are reserved for tasks, 32-47 for pictures, 48-63
for the component census.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, cast

import msgpack
import msgspec
from msgspec import Meta

from gateway.protocol import limits
from gateway.protocol.errors import RefusalCode, RemoteProtocolError
from gateway.protocol.task_messages import TASK_MESSAGES, TaskMessage

Version = Annotated[int, Meta(ge=0, le=127)]
Device = Annotated[int, Meta(ge=1, le=limits.MAX_DEVICE_ID)]
Installation = Annotated[int, Meta(ge=0, le=limits.MAX_INSTALLATION)]
Sequence = Annotated[int, Meta(ge=1, le=limits.MAX_SEQUENCE)]
Through = Annotated[int, Meta(ge=0, le=limits.MAX_SEQUENCE)]
Edition = Annotated[int, Meta(ge=1, le=limits.MAX_EDITION)]
Nonce = Annotated[bytes, Meta(min_length=limits.NONCE_BYTES, max_length=limits.NONCE_BYTES)]
Proof = Annotated[bytes, Meta(max_length=limits.PROOF_BYTES)]
Seconds = Annotated[int, Meta(ge=0, le=65_535)]
Time = Annotated[int, Meta(ge=0, le=limits.MAX_TIME)]
ClassCode = Annotated[int, Meta(ge=1, le=limits.MAX_CLASS_CODE)]
Traits = Annotated[int, Meta(ge=0, le=63)]
Offset = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
GridInDistrict = Annotated[int, Meta(ge=0, le=limits.MAX_GRID_IN_DISTRICT)]
Accuracy = Annotated[int, Meta(ge=0, le=limits.MAX_ACCURACY_M)]
Pictures = Annotated[int, Meta(ge=0, le=limits.MAX_PICTURES)]
Component = Annotated[int, Meta(ge=0, le=limits.MAX_COMPONENT)]
Count = Annotated[int, Meta(ge=1, le=limits.MAX_BACKLOG_REPORTS)]
Text = Any
"""str, bin or ext: the msgpack type says which form it is in. `text` checks it, because msgspec
cannot tell str from bin in a union."""

_COLUMN = Meta(min_length=1, max_length=limits.MAX_BACKLOG_REPORTS)
_POINTS = Meta(min_length=1, max_length=limits.MAX_TRACK_POINTS)


class Challenge(msgspec.Struct, tag=0, array_like=True, frozen=True, gc=False):
    """Gateway to device, TCP only: the first frame of a session."""

    version: Version
    nonce: Nonce


class Hello(msgspec.Struct, tag=1, array_like=True, frozen=True, gc=False):
    """Device to gateway: who it is, the proof of it, and how far it knows its reports settled."""

    version: Version
    device: Device
    installation: Installation
    settled_through: Through
    """Highest number up to which the device knows all its reports stored or refused."""
    nonce: Nonce
    proof: Proof
    """See `proof`; empty over MQTT, where the broker has checked who publishes."""
    edition: Edition = 1


class Welcome(msgspec.Struct, tag=2, array_like=True, frozen=True):
    """Gateway to device: admitted, with the session's parameters."""

    version: Version
    proof: Proof
    """Proves that the gateway knows this device: only then may an ack be believed."""
    server_time: Time
    settled_through: Through
    """All reports of this installation up to here are stored, or refused and in quarantine."""
    heartbeat_seconds: Seconds
    window_reports: Seconds
    """Most reports that may be under way, unacked."""
    edition: Edition
    """The edition of the code tables to use now."""
    refused: list[tuple[Sequence, int]] = []
    """Those above the greeting's `settled_through` that were refused: number and code."""


class WireReport(msgspec.Struct, tag=3, array_like=True, frozen=True, gc=False):
    """Device to gateway: one report, complete in itself. `wire_report` unpacks it."""

    edition: Edition
    sequence: Sequence
    observed_at: Time
    class_code: ClassCode
    traits: Traits
    """Bit 0 kind, bits 1-2 urgency, bit 3 simple, bits 4-5 patrol."""
    grid: GridInDistrict
    """The unit grid without its district digits."""
    lat: Offset
    """1e-5 degree north of the edition's origin."""
    lon: Offset
    accuracy_m: Accuracy
    pictures: Pictures
    text: Text = ""
    component: Component | None = None
    """Up to 999,999: the number within this district and class; above: the whole identity."""


class WireBacklog(msgspec.Struct, tag=4, array_like=True, frozen=True, gc=False):
    """Device to gateway: reports with consecutive numbers, in columns of the same length.

    In the columns `times`, `grids`, `lats` and `lons` the first value stands as in a report and
    each following one as the difference to the one before.
    """

    edition: Edition
    first_sequence: Sequence
    times: Annotated[list[int], _COLUMN]
    class_codes: Annotated[list[ClassCode], _COLUMN]
    traits: Annotated[list[Traits], _COLUMN]
    grids: Annotated[list[int], _COLUMN]
    lats: Annotated[list[int], _COLUMN]
    lons: Annotated[list[int], _COLUMN]
    accuracies_m: Annotated[list[Accuracy], _COLUMN]
    pictures: Annotated[list[Pictures], _COLUMN]
    texts: Text = ""
    """All descriptions, joined by U+000A, in one text."""
    components: list[Component | None] = []
    """Empty when no report has one, else one for each report."""


class Ack(msgspec.Struct, tag=5, array_like=True, frozen=True):
    """Gateway to device: committed in PostgreSQL. What it covers may be deleted."""

    through: Through
    """All reports of this installation up to here are settled."""
    ranges: list[int] = []
    """More that are settled, in pairs: offset of the first from `through`, and how many."""


class Refusal(msgspec.Struct, tag=6, array_like=True, frozen=True, gc=False):
    """Gateway to device: not accepted, why, and whether to send it again."""

    code: int
    resend: int
    sequence: Through = 0
    """The first number that is meant; 0 when it is not about a report, or none could be read."""
    count: Annotated[int, Meta(ge=1, le=limits.MAX_BACKLOG_REPORTS)] = 1
    retry_after_seconds: Seconds = 0


class WireTrack(msgspec.Struct, tag=7, array_like=True, frozen=True, gc=False):
    """Device to gateway: a run of positions, in columns with differences like a backlog."""

    edition: Edition
    sequence: Sequence
    times: Annotated[list[int], _POINTS]
    lats: Annotated[list[int], _POINTS]
    lons: Annotated[list[int], _POINTS]
    accuracies_m: Annotated[list[Accuracy], _POINTS]


class Ping(msgspec.Struct, tag=8, array_like=True, frozen=True, gc=False):
    """Either way: are you there?"""


class Pong(msgspec.Struct, tag=9, array_like=True, frozen=True, gc=False):
    """Either way: yes."""


class Goodbye(msgspec.Struct, tag=10, array_like=True, frozen=True, gc=False):
    """Either way: the session ends, and why. Nothing follows it."""

    reason: int
    retry_after_seconds: Seconds = 0


Message = (
    Challenge
    | Hello
    | Welcome
    | WireReport
    | WireBacklog
    | Ack
    | Refusal
    | WireTrack
    | Ping
    | Pong
    | Goodbye
    | TaskMessage
)

MESSAGES: Final[tuple[type[Message], ...]] = (
    Challenge,
    Hello,
    Welcome,
    WireReport,
    WireBacklog,
    Ack,
    Refusal,
    WireTrack,
    Ping,
    Pong,
    Goodbye,
    *TASK_MESSAGES,
)
STORED_MESSAGES: Final = (WireReport, WireBacklog, WireTrack)
"""Messages whose content is stored. All have the edition and the sequence number as their first
two fields, so that a malformed one can still be attributed."""

_TAGS: Final[Mapping[type[Message], int]] = {
    kind: cast("int", kind.__struct_config__.tag) for kind in MESSAGES
}
_DECODERS: Final[Mapping[int, Callable[[bytes], Message]]] = {
    _TAGS[kind]: msgspec.msgpack.Decoder(kind).decode for kind in MESSAGES
}
_DEFAULTS: Final[Mapping[type[Message], tuple[object, ...]]] = {
    kind: tuple(
        field.default_factory() if callable(field.default_factory) else field.default
        for field in msgspec.structs.fields(kind)
    )
    for kind in MESSAGES
}
_MAX_TAG: Final = 127  # one byte in msgpack
_STORED_TAGS: Final = frozenset(_TAGS[kind] for kind in STORED_MESSAGES)
_pack = msgpack.Packer(autoreset=True).pack
_UNREADABLE: Final = (msgpack.UnpackException, ValueError, TypeError)
"""What msgpack raises for bytes that are cut off, are no msgpack, or make no Python object."""


class BadFrame(msgspec.Struct, frozen=True):
    """A frame that is no acceptable message: what came, why not, and which reports it was."""

    body: bytes
    code: RefusalCode
    detail: str
    first_sequence: int | None = None
    """None when it is not about a report, or none could be read."""
    count: int = 1


def encode(message: Message) -> bytes:
    """The body of a message: MQTT's payload, or what `framing.encode_frame` puts a length to."""
    kind = type(message)
    fields = msgspec.structs.astuple(message)
    defaults = _DEFAULTS[kind]
    size = len(fields)
    while size and fields[size - 1] == defaults[size - 1]:
        size -= 1
    return cast("bytes", _pack((_TAGS[kind], *fields[:size])))


def decode(body: bytes) -> Message:
    """The message in a body.

    Raises `RemoteProtocolError` with `UNKNOWN_MESSAGE` for a tag that we do not know,
    `UNSUPPORTED_VERSION` for a hello of another version, whatever its other fields are, and
    `MALFORMED_MESSAGE` for everything else that is not a message.
    """
    tag = _tag_of(body)
    decoder = _DECODERS.get(tag)
    if decoder is None:
        raise RemoteProtocolError(RefusalCode.UNKNOWN_MESSAGE, f"tag {tag}")
    if tag == _TAGS[Hello]:
        _check_version(body)
    try:
        return decoder(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RemoteProtocolError(RefusalCode.MALFORMED_MESSAGE, f"tag {tag}: {error}") from None


def decode_or_bad(body: bytes) -> Message | BadFrame:
    """The message in a body, or a `BadFrame` that says what is wrong; raises nothing."""
    try:
        return decode(body)
    except RemoteProtocolError as error:
        first_sequence, count = _attribute(body)
        return BadFrame(body, error.code, error.detail, first_sequence, count)


def _tag_of(body: bytes) -> int:
    """The tag, without decoding the rest: it stands behind an array header of 1, 3 or 5 bytes."""
    header = body[0] if body else 0
    place = 1 if header & 0xF0 == 0x90 else {0xDC: 3, 0xDD: 5}.get(header, 0)  # noqa: PLR2004 - msgpack's array types
    if not place or place >= len(body) or body[place] > _MAX_TAG:
        detail = f"a message is an array that begins with a tag from 0 to {_MAX_TAG}"
        raise RemoteProtocolError(RefusalCode.MALFORMED_MESSAGE, detail)
    return body[place]


def _check_version(hello: bytes) -> None:
    try:
        fields = _opening(hello, 2)
        fields.skip()
        version = fields.unpack()
    except _UNREADABLE:
        return  # the decoder says what is wrong with it
    if type(version) is int and version != limits.PROTOCOL_VERSION:
        detail = f"version {version}; this gateway speaks {limits.PROTOCOL_VERSION}"
        raise RemoteProtocolError(RefusalCode.UNSUPPORTED_VERSION, detail)


def _attribute(body: bytes) -> tuple[int | None, int]:
    """The number and count of the reports that a bad frame was to bring, as far as readable.

    What is wrong behind them does not hide them: without a number the device cannot know which
    report was refused, and would send it for ever.
    """
    try:
        fields = _opening(body, 3)
        tag = fields.unpack()
        fields.skip()
        sequence = fields.unpack()
    except _UNREADABLE:
        return None, 1
    if type(tag) is not int or tag not in _STORED_TAGS:
        return None, 1
    if type(sequence) is not int or not 0 < sequence <= limits.MAX_SEQUENCE:
        return None, 1
    return sequence, _count(fields) if tag == _TAGS[WireBacklog] else 1


def _count(fields: msgpack.Unpacker) -> int:
    """How many reports a backlog says that it holds, by the column that comes next."""
    try:
        count = cast("int", fields.read_array_header())
    except _UNREADABLE:
        return 1
    return count if 0 < count <= limits.MAX_BACKLOG_REPORTS else 1


def _opening(body: bytes, at_least: int) -> msgpack.Unpacker:
    """Reads an array of `at_least` so many fields one by one, and none before it is asked for."""
    fields = msgpack.Unpacker(max_buffer_size=len(body) or 1)
    fields.feed(body)
    if fields.read_array_header() < at_least:
        raise msgpack.OutOfData
    return fields
