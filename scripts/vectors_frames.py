"""Frames that every peer must read, with their meaning and the full values they bring."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgpack
import msgspec

from gateway.protocol.errors import GoodbyeReason, RefusalCode, Resend
from gateway.protocol.framing import encode_frame
from gateway.protocol.messages import (
    Ack,
    Challenge,
    Goodbye,
    Message,
    Ping,
    Pong,
    Refusal,
    Welcome,
    decode,
    encode,
)
from gateway.protocol.report import Report, Track
from gateway.protocol.task_messages import Task, TaskReceipt, TaskWithdrawal
from gateway.protocol.text import GB18030_EXT_TYPE, decode_text
from gateway.protocol.wire_report import pack_backlog, pack_report, pack_track
from scripts import wire_examples as given
from scripts.vectors_values import ack_examples

Vector = dict[str, Any]

UP: Final = "device to gateway"
DOWN: Final = "gateway to device"
EITHER: Final = "either way"

_DIRECTIONS: Final = {
    Challenge: DOWN,
    Welcome: DOWN,
    Ack: DOWN,
    Refusal: DOWN,
    Task: DOWN,
    TaskReceipt: DOWN,
    TaskWithdrawal: DOWN,
    Ping: EITHER,
    Pong: EITHER,
    Goodbye: EITHER,
}
_JOINED_TEXT_CHARACTERS: Final = 16_383


def frame_vectors() -> Iterator[Vector]:
    """Every message in the forms that matter, with its bytes and its meaning; those about tasks
    stand in `vectors_tasks`.
    """
    yield from _greeting_vectors()
    yield from _report_vectors()
    yield from _answer_vectors()
    yield from _newer_peer_vectors()


def _greeting_vectors() -> Iterator[Vector]:
    yield frame("challenge", given.challenge(), "The first frame on TCP.")
    yield frame("hello-tcp", given.hello(), "The edition is 1, its default, and left out.")
    yield frame("hello-mqtt", given.hello(over_mqtt=True), "No challenge, so an empty proof.")
    yield frame("welcome-tcp", given.welcome(), "Nothing was refused: the list is left out.")
    yield frame(
        "welcome-mqtt",
        given.welcome(over_mqtt=True),
        "Its proof covers an empty gateway nonce.",
    )
    refused = ((40, RefusalCode.UNKNOWN_CLASS.value), (41, RefusalCode.BAD_TIME.value))
    yield frame(
        "welcome-with-refused",
        msgspec.structs.replace(given.welcome(refused=refused), settled_through=41),
        "Reports 40 and 41 were refused; the rest up to 41 is stored.",
    )


def _report_vectors() -> Iterator[Vector]:
    ordinary = pack_report(given.ORDINARY, given.EDITION)
    plain = given.ORDINARY.description.encode("gb18030")
    yield frame("report-ordinary", ordinary, "The text is deflated: bin.", reports=[given.ORDINARY])
    yield frame(
        "report-text-utf8",
        msgspec.structs.replace(ordinary, text=given.ORDINARY.description),
        "The same report with its text as str, which is always allowed.",
        reports=[given.ORDINARY],
    )
    yield frame(
        "report-text-gb18030",
        msgspec.structs.replace(ordinary, text=msgpack.ExtType(GB18030_EXT_TYPE, plain)),
        "The same report with its text as ext type 2.",
        reports=[given.ORDINARY],
    )
    yield frame(
        "report-component",
        pack_report(given.COMPONENT, given.EDITION),
        "Component 417 of class 0103 in this district.",
        reports=[given.COMPONENT],
    )
    whole = msgspec.structs.replace(given.COMPONENT, component=4_403_050_103_000_417)
    yield frame(
        "report-whole-component",
        pack_report(whole, given.EDITION),
        "A component of another district: its whole identity.",
        reports=[whole],
    )
    yield frame(
        "report-emergency",
        pack_report(given.EMERGENCY, given.EDITION),
        "No text and no component: both are left out.",
        reports=[given.EMERGENCY],
    )
    yield frame(
        "report-length-of-two-bytes",
        msgspec.structs.replace(ordinary, text="占道经营" * 30),
        "A body of more than 127 bytes: the length takes two bytes.",
        reports=[msgspec.structs.replace(given.ORDINARY, description="占道经营" * 30)],
    )
    yield frame(
        "backlog",
        pack_backlog(given.BACKLOG, given.EDITION),
        "Three reports in columns; one of them has a component.",
        reports=given.BACKLOG,
    )
    yield frame(
        "backlog-without-components",
        pack_backlog([given.ORDINARY], given.EDITION),
        "A backlog of one, without a component: the last column is left out.",
        reports=[given.ORDINARY],
    )
    yield frame("track", pack_track(given.TRACK, given.EDITION), "Three points.", track=given.TRACK)


def _answer_vectors() -> Iterator[Vector]:
    for name, ack in ack_examples():
        yield frame(f"ack-{name}", ack, "See `acks` for the numbers that it covers.")
    never, later = Resend.NEVER.value, Resend.LATER.value
    yield frame(
        "refusal-report",
        Refusal(RefusalCode.UNKNOWN_CLASS.value, never, 43),
        "Report 43 is in quarantine and never to be sent again.",
    )
    yield frame(
        "refusal-backlog",
        Refusal(RefusalCode.BAD_TEXT.value, never, 43, 3),
        "Reports 43, 44 and 45.",
    )
    yield frame(
        "refusal-too-many",
        Refusal(RefusalCode.TOO_MANY_REPORTS.value, later, 43, 3, 26),
        "Keep reports 43, 44 and 45; send them again after 26 seconds at the earliest.",
    )
    yield frame(
        "refusal-busy",
        Refusal(RefusalCode.BUSY.value, later, 43, 1, 30),
        "Keep report 43; send it again after 30 seconds at the earliest.",
    )
    yield frame(
        "refusal-session",
        Refusal(RefusalCode.NOT_ADMITTED.value, later),
        "About no report: the greeting was refused.",
    )
    yield frame("ping", Ping(), "")
    yield frame("pong", Pong(), "")
    yield frame("goodbye", Goodbye(GoodbyeReason.NORMAL.value), "")
    yield frame(
        "goodbye-shutting-down",
        Goodbye(GoodbyeReason.SHUTTING_DOWN.value, 15),
        "Come back after 15 seconds at the earliest.",
    )


def _newer_peer_vectors() -> Iterator[Vector]:
    """Bytes that our encoder does not write and every decoder must read."""
    ordinary = pack_report(given.ORDINARY, given.EDITION)
    fields = [3, *msgspec.structs.astuple(ordinary), "a field of the future"]
    yield frame(
        "report-with-a-field-of-the-future",
        ordinary,
        "A newer peer may append fields: ignore them.",
        body=msgpack.packb(fields),
        reports=[given.ORDINARY],
    )
    yield frame("ping-array-16", Ping(), "An array header of 3 bytes.", body=b"\xdc\x00\x01\x08")
    yield frame(
        "ack-wide-integer",
        Ack(42),
        "Integers may stand in any msgpack width, except the tag.",
        body=b"\x92\x05\xcf" + (42).to_bytes(8, "big"),
    )
    yield frame(
        "goodbye-of-the-future",
        Goodbye(99),
        "An unknown reason: treat it as reason 0.",
    )


def frame(
    name: str,
    message: Message,
    notes: str,
    *,
    body: bytes | None = None,
    reports: Sequence[Report] = (),
    track: Track | None = None,
) -> Vector:
    """One vector. `body` where it is not what our encoder writes."""
    written = encode(message)
    body = written if body is None else body
    vector: Vector = {
        "name": name,
        "direction": _DIRECTIONS.get(type(message), UP),
        "body": body.hex(),
        "tcp_frame": encode_frame(body).hex(),
        "canonical": body == written,
        "meaning": meaning(decode(written)),
        "notes": notes,
    }
    if reports:
        vector["reports"] = [msgspec.to_builtins(report) for report in reports]
    if track:
        vector["track"] = msgspec.to_builtins(track)
    return vector


def meaning(message: Message) -> Vector:
    """The fields of a message by name; bytes as hex, a text as its form and its characters."""
    fields = {
        field.name: _plain(field.name, getattr(message, field.name))
        for field in msgspec.structs.fields(message)
    }
    tag = message.__struct_config__.tag
    return {"message": given.message_name(type(message)), "tag": tag, "fields": fields}


def _plain(name: str, value: Any) -> Any:
    if name in {"text", "texts"}:
        form = "utf8" if isinstance(value, str) else "gb18030"
        form = "deflate" if isinstance(value, bytes) else form
        return {"form": form, "text": decode_text(value, _JOINED_TEXT_CHARACTERS)}
    return value.hex() if isinstance(value, bytes) else msgspec.to_builtins(value)
