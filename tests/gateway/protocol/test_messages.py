"""Messages as bytes: frames written by hand, an independent encoder, and whatever else may come."""

from collections.abc import Sequence
from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import given

from gateway.protocol.errors import RefusalCode, RemoteProtocolError
from gateway.protocol.messages import (
    MESSAGES,
    STORED_MESSAGES,
    Ack,
    BadFrame,
    Goodbye,
    Hello,
    Message,
    Ping,
    Refusal,
    WireBacklog,
    WireReport,
    decode,
    decode_or_bad,
    encode,
)
from gateway.protocol.task_messages import Task, TaskAnswer
from tests.helpers.golden_frames import GOLDEN, NONCE, PROOF
from tests.helpers.hex_text import from_hex
from tests.helpers.strategies import BY_TYPE, UNHURRIED, messages

GOLDEN_NAMES = [name for name, *_ in GOLDEN]


def _body(*fields: object) -> bytes:
    """Fields as the independent encoder writes them."""
    return bytes(msgpack.packb(fields))


REPORT_FIELDS = [3, 1, 1_000, 1_206_000_000, 203, 0x19, 300_101, 600, -3_450, 12, 2, "abc", 7]


def _report_with(place: int, value: object) -> bytes:
    return _body(*REPORT_FIELDS[:place], value, *REPORT_FIELDS[place + 1 :])


@pytest.mark.parametrize("name, text, message, plain", GOLDEN, ids=GOLDEN_NAMES)
def test_golden_frame_decodes(name: str, text: str, message: Message, plain: list[Any]) -> None:
    """Bytes written by hand mean what the layout says."""
    assert decode(from_hex(text)) == message


@pytest.mark.parametrize("name, text, message, plain", GOLDEN, ids=GOLDEN_NAMES)
def test_golden_frame_is_encoded(name: str, text: str, message: Message, plain: list[Any]) -> None:
    """We and an independent encoder write the very bytes that were written by hand."""
    body = from_hex(text)
    assert msgpack.packb(plain) == body
    assert encode(_with_packable_text(message)) == body


def test_every_message_has_a_golden_frame() -> None:
    """No message is without bytes written by hand."""
    assert {type(message) for _, _, message, _ in GOLDEN} == set(MESSAGES)


def _with_packable_text(message: Message) -> Message:
    """The same with an extension as `text` makes it: the decoder's own type is not packed."""
    text = getattr(message, "text", None)
    if isinstance(text, msgspec.msgpack.Ext):
        extension = msgpack.ExtType(text.code, bytes(text.data))
        return msgspec.structs.replace(message, text=extension)
    return message


def _as_decoded(message: Message) -> Message:
    """The same with an extension as the decoder gives it."""

    def decoded(text: object) -> object:
        if isinstance(text, msgpack.ExtType):
            return msgspec.msgpack.Ext(text.code, text.data)
        return text

    if isinstance(message, (WireReport, Task, TaskAnswer)):
        return msgspec.structs.replace(message, text=decoded(message.text))
    if isinstance(message, WireBacklog):
        return msgspec.structs.replace(message, texts=decoded(message.texts))
    return message


@UNHURRIED
@given(messages)
def test_any_message_comes_back(message: Message) -> None:
    """Over the whole range of every field, what is encoded is decoded to the same."""
    assert decode(encode(message)) == _as_decoded(message)


def test_strategies_know_every_message() -> None:
    """The round trip is tried with every message there is."""
    assert set(BY_TYPE) == set(MESSAGES)


def test_tags_never_move() -> None:
    """Each message keeps its number; those for later stay free."""
    tags = {kind.__name__: kind.__struct_config__.tag for kind in MESSAGES}
    assert tags == {
        "Challenge": 0,
        "Hello": 1,
        "Welcome": 2,
        "WireReport": 3,
        "WireBacklog": 4,
        "Ack": 5,
        "Refusal": 6,
        "WireTrack": 7,
        "Ping": 8,
        "Pong": 9,
        "Goodbye": 10,
        "Task": 16,
        "TaskNoted": 17,
        "TaskAnswer": 18,
        "TaskReceipt": 19,
        "TaskWithdrawal": 20,
    }


@pytest.mark.parametrize("kind", STORED_MESSAGES)
def test_stored_messages_begin_alike(kind: type[Message]) -> None:
    """Edition and sequence stand first, so that a malformed one can be attributed."""
    first, second = kind.__struct_fields__[:2]
    assert first == "edition"
    assert second in {"sequence", "first_sequence"}


def test_a_failed_encoding_leaves_nothing_behind() -> None:
    """A value that cannot be packed costs only its own message."""
    with pytest.raises(TypeError):
        encode(Goodbye(reason=object()))  # type: ignore[arg-type]  # the wrong call is the test
    assert encode(Ping()) == b"\x91\x08"


# Limits of the fields.


@pytest.mark.parametrize(
    "place, good, bad",
    [
        (1, [1, 127], [0, 128, -1]),  # edition
        (2, [1, 2**31 - 1], [0, 2**31, -1]),  # sequence
        (3, [0, 2**32 - 1], [2**32, -1]),  # observed at
        (4, [1, 99_999], [0, 100_000]),  # class
        (5, [0, 63], [64, -1]),  # traits
        (6, [0, 999_999_999], [1_000_000_000, -1]),  # grid
        (7, [-(2**31), 2**31 - 1], [-(2**31) - 1, 2**31, 2**64 - 1, -(2**63)]),  # north
        (8, [-(2**31), 2**31 - 1], [-(2**31) - 1, 2**31]),  # east
        (9, [0, 65_535], [65_536, -1]),  # accuracy
        (10, [0, 9], [10, -1]),  # pictures
        (12, [None, 0, 10**17 - 1], [10**17, -1]),  # component
    ],
)
def test_limits_of_a_report(place: int, good: Sequence[object], bad: Sequence[object]) -> None:
    """Each field takes its limits and nothing just past them, nor another type."""
    for value in good:
        assert isinstance(decode_or_bad(_report_with(place, value)), WireReport)
    for value in (*bad, 1.0, float("nan"), float("inf"), "1", b"1", True, [], {}):
        event = decode_or_bad(_report_with(place, value))
        assert isinstance(event, BadFrame), value
        assert event.code is RefusalCode.MALFORMED_MESSAGE


@pytest.mark.parametrize(
    "good, bad",
    [
        (_body(0, 1, bytes(12)), _body(0, 1, bytes(11))),
        (_body(0, 127, bytes(12)), _body(0, 1, bytes(13))),
        (_body(0, 0, bytes(12)), _body(0, 128, bytes(12))),
        (_body(1, 1, 1, 0, 0, NONCE, PROOF), _body(1, 1, 0, 0, 0, NONCE, PROOF)),
        (_body(1, 1, 2**53 - 1, 0, 0, NONCE, b""), _body(1, 1, 2**53, 0, 0, NONCE, b"")),
        (_body(1, 1, 1, 2**31 - 1, 0, NONCE, b""), _body(1, 1, 1, 2**31, 0, NONCE, b"")),
        (_body(1, 1, 1, 0, 2**31 - 1, NONCE, b""), _body(1, 1, 1, 0, 2**31, NONCE, b"")),
        (_body(1, 1, 1, 0, 0, NONCE, PROOF), _body(1, 1, 1, 0, 0, NONCE, PROOF + b"x")),
        (_body(1, 1, 1, 0, 0, NONCE, PROOF), _body(1, 1, 1, 0, 0, NONCE, "text of sixteen.")),
        (_body(5, 0), _body(5, -1)),
        (_body(5, 0, [2**64 - 1, -1]), _body(5, 0, [None])),
        (_body(6, 2**40, -7), _body(6, 1)),
        (_body(6, 1, 1, 0, 255), _body(6, 1, 1, 0, 256)),
        (_body(6, 1, 1, 0, 1), _body(6, 1, 1, 0, 0)),
        (_body(10, 1, 65_535), _body(10, 1, 65_536)),
        (_body(7, 1, 1, [0], [0], [0], [0]), _body(7, 1, 1, [], [], [], [])),
        (_body(7, 1, 1, *[[0] * 255] * 4), _body(7, 1, 1, *[[0] * 256] * 4)),
        (_body(4, 1, 1, [0], [1], *[[0]] * 6), _body(4, 1, 1, [], [], *[[]] * 6)),
        (_body(4, 1, 1, [0], [1] * 255, *[[0]] * 6), _body(4, 1, 1, [0] * 256, [1], *[[0]] * 6)),
    ],
)
def test_limits_of_other_messages(good: bytes, bad: bytes) -> None:
    """Each takes its limit and not the value just past it."""
    assert not isinstance(decode_or_bad(good), BadFrame)
    event = decode_or_bad(bad)
    assert isinstance(event, BadFrame)
    assert event.code is RefusalCode.MALFORMED_MESSAGE


# Old and new.


@pytest.mark.parametrize("name, text, message, plain", GOLDEN, ids=GOLDEN_NAMES)
def test_unknown_trailing_fields_are_ignored(
    name: str, text: str, message: Message, plain: list[Any]
) -> None:
    """A newer peer may say more at the end than we understand, of any type."""
    required = [*plain, *_defaults_left_out(message, plain)]
    newer = [*required, {"a": [1.5, None]}, msgpack.ExtType(77, b"x"), -1]
    assert decode(bytes(msgpack.packb(newer))) == message


def _defaults_left_out(message: Message, plain: list[Any]) -> list[Any]:
    """What a peer writes that leaves no default out, behind what is written anyway."""
    return list(msgspec.structs.astuple(message)[len(plain) - 1 :])


def test_missing_trailing_fields_take_their_defaults() -> None:
    """An older peer that knows fewer fields is understood."""
    assert decode(_body(*REPORT_FIELDS[:11])) == WireReport(
        1, 1_000, 1_206_000_000, 203, 0x19, 300_101, 600, -3_450, 12, 2, text="", component=None
    )
    assert decode(_body(6, 1, 0)) == Refusal(1, 0, sequence=0, count=1, retry_after_seconds=0)
    assert decode(_body(1, 1, 1, 0, 0, NONCE, PROOF)) == Hello(1, 1, 0, 0, NONCE, PROOF, edition=1)
    assert decode(_body(5, 9)) == Ack(9, ranges=[])
    assert decode(_body(10, 1)) == Goodbye(1, retry_after_seconds=0)


def test_missing_required_field_is_malformed() -> None:
    """What has no default must be there."""
    for size in range(3, 11):
        event = decode_or_bad(_body(*REPORT_FIELDS[:size]))
        assert isinstance(event, BadFrame)
        assert (event.code, event.first_sequence) == (RefusalCode.MALFORMED_MESSAGE, 1_000)


@pytest.mark.parametrize("tag", [11, 15, 21, 31, 32, 47, 48, 63, 64, 127])
def test_unknown_tag_is_told_apart(tag: int) -> None:
    """A message of a newer peer is unknown, not malformed: whatever its fields are."""
    for body in (_body(tag), _body(tag, 1, 2), bytes((0x92, tag, 0xC1))):
        with pytest.raises(RemoteProtocolError, match=f"tag {tag}") as caught:
            decode(body)
        assert caught.value.code is RefusalCode.UNKNOWN_MESSAGE


@pytest.mark.parametrize(
    "hello",
    [
        _body(1, 2),
        _body(1, 0, 1, 0, 0, NONCE, PROOF),
        _body(1, 2, "other", None, [{}]),
        _body(1, 128),
        _body(1, -1),
        _body(1, 2**64 - 1),
        _body(1, 2) + b"and what is no msgpack \xc1",
        bytes.fromhex("93 01 02 a1 ff"),
        bytes.fromhex("dc 0003 01 02 c1"),
        bytes.fromhex("dd 00000002 01 02"),
        b"\x93\x01\x02" + b"\x91" * 10_000,
    ],
)
def test_hello_of_another_version_is_never_malformed(hello: bytes) -> None:
    """A version that we do not speak is refused as such, however its other fields look."""
    with pytest.raises(RemoteProtocolError) as caught:
        decode(hello)
    assert caught.value.code is RefusalCode.UNSUPPORTED_VERSION


@pytest.mark.parametrize(
    "hello",
    [
        _body(1),
        _body(1, 1),
        _body(1, True),
        _body(1, False),
        _body(1, 2.0),
        _body(1, "2"),
        _body(1, None),
        bytes.fromhex("92 01"),
        bytes.fromhex("92 01 81 80 01"),
        bytes.fromhex("91 01 02"),
    ],
)
def test_hello_without_a_version_is_malformed(hello: bytes) -> None:
    """Only a whole number can be a version."""
    with pytest.raises(RemoteProtocolError) as caught:
        decode(hello)
    assert caught.value.code is RefusalCode.MALFORMED_MESSAGE
