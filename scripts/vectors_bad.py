"""Vectors that a gateway must refuse, and what it answers."""

from collections.abc import Iterator
from typing import Any, Final

import msgpack
import msgspec

from gateway.handlers import HANDLERS
from gateway.handlers.context import Context
from gateway.protocol.connection import Connection
from gateway.protocol.errors import GoodbyeReason, RefusalCode, Resend
from gateway.protocol.framing import FrameBuffer, encode_frame
from gateway.protocol.messages import Goodbye, Refusal, decode, encode
from gateway.protocol.state import Role, State
from gateway.protocol.wire_report import pack_backlog, pack_report
from scripts import wire_examples as given

Vector = dict[str, Any]

AWAIT_HELLO: Final = State.AWAIT_HELLO
READY: Final = State.READY

_ORDINARY: Final = pack_report(given.ORDINARY, given.EDITION)
_BACKLOG: Final = pack_backlog(given.BACKLOG, given.EDITION)


def bad_vectors() -> Iterator[Vector]:
    """Everything a gateway must refuse, in the order of the document's table of codes."""
    for name, body, notes in _bad_greetings():
        yield _vector(name, AWAIT_HELLO, encode_frame(body), body, notes)
    for name, data, notes in _bad_lengths():
        yield _vector(f"{name}-before-greeting", AWAIT_HELLO, data, None, notes)
        yield _vector(name, READY, data, None, notes)
    for name, body, notes in (*_bad_frames(), *_bad_contents(), *_bad_backlogs()):
        yield _vector(name, READY, encode_frame(body), body, notes)


def _bad_greetings() -> Iterator[tuple[str, bytes, str]]:
    yield "hello-of-version-2", msgpack.packb([1, 2, "anything"]), "Other fields are not read."
    yield "ping-before-greeting", b"\x91\x08", "Only a hello or a goodbye may come first."
    yield "unknown-message-before-greeting", b"\x91\x7f", ""
    yield "hello-too-short", msgpack.packb([1, 1, given.DEVICE]), ""
    hello = msgspec.structs.replace(given.hello(), device=0)
    yield "hello-of-device-0", encode(hello), "Device numbers begin with 1."


def _bad_lengths() -> Iterator[tuple[str, bytes, str]]:
    yield "length-zero", b"\x00\x91\x08", "A frame has at least one byte."
    yield "length-of-three-bytes", b"\x80\x80\x01\x91\x08", "At most 16,383 bytes: two of length."
    yield "length-not-in-fewest-bytes", b"\x82\x00\x91\x08", "2 is written 02."


def _bad_frames() -> Iterator[tuple[str, bytes, str]]:
    yield "unknown-message", msgpack.packb([21, 1]), "Tag 21 is reserved and not yet in use."
    yield "not-an-array", b"\x08", ""
    yield "map", msgpack.packb({0: 8}), ""
    yield "tag-not-one-byte", b"\x91\xcc\x08", "The tag is a positive fixint."
    yield "bytes-after-the-array", b"\x91\x08\xc0", ""
    yield "array-cut-short", b"\x93\x03\x01", ""
    yield "report-too-short", msgpack.packb([3, 1, 42]), "The number can be read: it is named."
    yield "report-with-float", msgpack.packb([3, 1, 42, 1.5, 102, 1, 1, 1, 1, 1, 1]), ""
    yield "report-sequence-zero", _report(sequence=0), "Numbers begin with 1: none is named."
    yield "report-class-too-large", _report(class_code=100_000), "Beyond the layout, not the table."
    yield "report-ten-pictures", _report(pictures=10), ""
    yield "challenge-from-device", encode(given.challenge()), "A gateway never receives one."
    yield "second-hello", encode(given.hello()), "Once in a session."
    yield from _bad_task_frames()


def _bad_task_frames() -> Iterator[tuple[str, bytes, str]]:
    """What the layout alone decides: whether an answer suits its task, the database says."""
    yield "task-noted-without-task", msgpack.packb([17]), ""
    yield "task-noted-of-task-0", msgpack.packb([17, 0]), "Numbers of tasks begin with 1."
    yield "task-noted-of-2", msgpack.packb([17, 1_001, 2]), "Received or withdrawn, and no more."
    yield "task-answer-too-short", msgpack.packb([18, 1_001, 1]), "No time."
    yield "task-answer-task-too-large", msgpack.packb([18, 2**53, 1, given.NOW]), ""
    yield "task-answer-of-256", msgpack.packb([18, 1_001, 256, given.NOW]), ""
    yield "task-answer-with-float", msgpack.packb([18, 1_001, 1.0, given.NOW]), ""
    yield "task-answer-time-too-large", msgpack.packb([18, 1_001, 1, 2**32]), ""
    yield "task-from-device", encode(given.VERIFY), "A gateway never receives one."
    yield "task-receipt-from-device", b"\x92\x13\x01", "Nor this."
    yield "task-withdrawal-from-device", b"\x92\x14\x01", "Nor this."


def _bad_contents() -> Iterator[tuple[str, bytes, str]]:
    yield "unknown-edition", _report(edition=9), ""
    yield "unknown-class", _report(class_code=999), ""
    yield "component-class-as-event", _report(class_code=119), "0119 is a component class only."
    yield "unknown-street", _report(grid=1_800_101), "440307018 is no street of the edition."
    yield "position-off-the-earth", _report(lat=9_000_001 - given.EDITION.lat0_e5), ""
    yield "time-before-2000", _report(observed_at=946_684_799), ""
    yield "time-too-far-ahead", _report(observed_at=given.NOW + 86_401), "See `now`."
    yield "text-with-line-feed", _report(text="一\n二"), ""
    yield "text-of-501-characters", _report(text="井" * 501), ""
    yield "text-not-deflate", _report(text=b"\xff\xff\xff"), ""
    yield "text-deflate-cut-short", _report(text=b"\x4a"), ""
    yield "text-of-unknown-ext-type", _report(text=msgpack.ExtType(7, b"a")), ""
    yield "text-bad-gb18030", _report(text=msgpack.ExtType(2, b"\xb0")), ""
    yield "text-is-a-number", _report(text=5), ""
    yield "component-of-13-digits", _report(component=4_403_070_103_000), ""
    yield "urgency-3", _report(traits=0b000111), ""
    yield "patrol-3", _report(traits=0b110001), ""


def _bad_backlogs() -> Iterator[tuple[str, bytes, str]]:
    codes = [102, 999, 406]
    yield "backlog-with-one-bad", _backlog(class_codes=codes), "Its neighbours are stored."
    yield "backlog-columns-differ", _backlog(lats=[1, 2]), "All of it is refused."
    yield "backlog-too-few-texts", _backlog(texts="一\n二"), "All of it is refused."
    yield "backlog-past-the-last-number", _backlog(first_sequence=2**31 - 2), "All is refused."


def _report(**changes: Any) -> bytes:
    return encode(msgspec.structs.replace(_ORDINARY, **changes))


def _backlog(**changes: Any) -> bytes:
    return encode(msgspec.structs.replace(_BACKLOG, **changes))


def _vector(name: str, state: State, data: bytes, body: bytes | None, notes: str) -> Vector:
    connection = connection_in(state)
    connection.receive_data(data, 0)
    answers: list[Refusal] = []
    stored: list[int] = []
    while event := connection.next_event():
        if connection.state is READY:
            outcome = HANDLERS[type(event)](event, Context(given.TABLES, given.NOW))
            stored += [report.sequence for report in outcome.reports]
            answers += [
                Refusal(item.code.value, Resend.NEVER.value, item.sequence or 0)
                for item in outcome.rejected
            ]
    goodbye = None
    for message in _messages(connection.data_to_send()):
        if isinstance(message, Refusal):
            answers.append(message)
        elif isinstance(message, Goodbye):
            goodbye = GoodbyeReason(message.reason)
    return {
        "name": name,
        "direction": "device to gateway",
        "state": state.value,
        "body": None if body is None else body.hex(),
        "tcp_frame": data.hex(),
        "refused": [_refused(answer) for answer in answers],
        "stored": stored,
        "session_goes_on": goodbye is None,
        "goodbye": None if goodbye is None else {"name": goodbye.name, "reason": goodbye.value},
        "notes": notes,
    }


def connection_in(state: State) -> Connection:
    """A gateway's connection that has come as far as `state`, with nothing left to send."""
    connection = Connection(Role.GATEWAY, 0)
    connection.send(given.challenge(), 0)
    if state is READY:
        connection.receive_data(encode_frame(encode(given.hello())), 0)
        connection.next_event()
        connection.send(given.welcome(), 0)
    connection.data_to_send()
    return connection


def _messages(data: bytes) -> Iterator[Any]:
    frames = FrameBuffer()
    frames.feed(data)
    while (body := frames.next_body()) is not None:
        yield decode(body)


def _refused(refusal: Refusal) -> Vector:
    code, resend = RefusalCode(refusal.code), Resend(refusal.resend)
    return {
        "sequence": refusal.sequence,
        "code": code.value,
        "name": code.name,
        "resend": resend.name.lower(),
    }
