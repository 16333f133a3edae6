"""Payloads of MQTT: every message, the way to a verdict, and the row that is stored."""

from typing import Final

import msgpack
import msgspec

from fuzz.targets.items import check_handled
from gateway.mqtt_source import decode_payload
from gateway.protocol.errors import RefusalCode
from gateway.protocol.limits import MAX_BACKLOG_REPORTS, MAX_SEQUENCE
from gateway.protocol.messages import (
    BadFrame,
    Message,
    WireBacklog,
    WireReport,
    decode,
    encode,
)
from gateway.protocol.task_messages import Task, TaskAnswer

_WITH_TEXT: Final = {WireReport: "text", WireBacklog: "texts", Task: "text", TaskAnswer: "text"}
_CODES: Final = {
    RefusalCode.UNSUPPORTED_VERSION,
    RefusalCode.BAD_FRAME,
    RefusalCode.UNKNOWN_MESSAGE,
    RefusalCode.MALFORMED_MESSAGE,
}


def check(data: bytes) -> None:
    """A body is a message that can be written again, or it is bad; either way handlers cope."""
    event = decode_payload(data)
    if isinstance(event, BadFrame):
        _check_bad(event)
    else:
        _check_written_again(event)
    check_handled(event)


def _check_bad(bad: BadFrame) -> None:
    assert bad.code in _CODES
    assert 1 <= bad.count <= MAX_BACKLOG_REPORTS
    assert bad.first_sequence is None or 1 <= bad.first_sequence <= MAX_SEQUENCE


def _check_written_again(message: Message) -> None:
    field = _WITH_TEXT.get(type(message))
    if field is not None:
        text = getattr(message, field)
        if isinstance(text, msgspec.msgpack.Ext):
            plain = msgpack.ExtType(text.code, text.data) if 0 <= text.code <= 127 else None  # noqa: PLR2004 - a signed byte
            if plain is None:
                return  # reserved by msgpack; no form of text
            written = decode(encode(msgspec.structs.replace(message, **{field: plain})))
            assert written == message
            return
        if not isinstance(text, (str, bytes)):
            return  # no form of text: it decodes to any object, and handlers refuse it
    body = encode(message)
    again = decode(body)
    assert again == message
    assert encode(again) == body
