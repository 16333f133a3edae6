"""Messages as bytes: frames written by hand, an independent encoder, and whatever else may come."""

from collections.abc import Sequence
from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.protocol import limits
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
from tests.helpers.golden_frames import GOLDEN, NONCE, PROOF
from tests.helpers.hex_text import Sample, from_hex, load_samples
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
    if isinstance(message, WireReport) and isinstance(message.text, msgspec.msgpack.Ext):
        extension = msgpack.ExtType(message.text.code, bytes(message.text.data))
        return msgspec.structs.replace(message, text=extension)
    return message


def _as_decoded(message: Message) -> Message:
    """The same with an extension as the decoder gives it."""

    def decoded(text: object) -> object:
        if isinstance(text, msgpack.ExtType):
            return msgspec.msgpack.Ext(text.code, text.data)
        return text

    if isinstance(message, WireReport):
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


@pytest.mark.parametrize("tag", [11, 15, 16, 31, 32, 47, 48, 63, 64, 127])
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


# Attribution.

_SEQUENCE_5 = "93 03 01 05"  # [3, 1, 5], a report that lacks the rest


@pytest.mark.parametrize(
    "body, first_sequence, count",
    [
        (_SEQUENCE_5, 5, 1),
        ("93 07 01 05", 5, 1),  # a track
        ("93 04 01 05", 5, 1),  # a backlog that ends too early to say how many
        ("94 04 01 05 93 00 00 00", 5, 3),  # a backlog of 3
        ("94 04 01 05 90", 5, 1),  # of none: refuse at least what it names
        ("94 04 01 05 dc 00 ff", 5, 255),  # of 255, cut off
        ("94 04 01 05 dc 01 00", 5, 1),  # of 256: no backlog
        ("94 04 01 05 dd 7f ff ff ff", 5, 1),  # of two milliards
        ("94 04 01 05 c0", 5, 1),  # of no column
        ("94 03 01 05 a1 ff", 5, 1),  # no UTF-8 behind the number
        ("94 03 a1 ff 05 00", 5, 1),  # no UTF-8 before the number
        ("94 03 01 05 c1", 5, 1),  # no msgpack behind it
        ("94 03 01 05 81 80 00", 5, 1),  # a map with a map as key
        ("dc 00 03 03 01 05", 5, 1),  # a longer array header
        ("93 03 01 00", None, 1),
        ("93 03 01 ff", None, 1),
        ("93 03 01 ce 7f ff ff ff", 2**31 - 1, 1),
        ("93 03 01 ce 80 00 00 00", None, 1),
        ("93 03 01 c3", None, 1),  # true is no number
        ("93 03 01 cb 3f f0 00 00 00 00 00 00", None, 1),  # nor is 1.0
        ("93 03 01 a1 35", None, 1),  # nor is "5"
        ("93 03 01 81 80 00", None, 1),
        ("93 03 01 c1", None, 1),
        ("93 03 01", None, 1),
        ("92 03 01 05", None, 1),  # the number stands behind the array
        ("93 08 01 05", None, 1),  # a ping brings no report
        ("93 10 01 05", None, 1),  # unknown: we do not know what its fields mean
        ("93 90 01 05", None, 1),
        ("93 81 80 01 01 05", None, 1),
        ("83 03 01 05 01 01 01", None, 1),  # a map
        ("03", None, 1),
        ("", None, 1),
    ],
)
def test_bad_frame_is_attributed(body: str, first_sequence: int | None, count: int) -> None:
    """Whatever is wrong behind it, a number that can be read is read; nothing else is one."""
    event = decode_or_bad(bytes.fromhex(body))
    # Some of these would be pings or hellos if they were whole.
    if isinstance(event, BadFrame):
        assert (event.first_sequence, event.count) == (first_sequence, count)
        assert type(event.first_sequence) in {int, type(None)}
    else:
        assert first_sequence is None


@pytest.mark.parametrize("sample", load_samples(), ids=lambda sample: sample.name)
def test_wire_sample(sample: Sample) -> None:
    """Each frame that surprised us once is dealt with as its file says."""
    event = decode_or_bad(sample.body)
    if sample.code is None:
        assert not isinstance(event, BadFrame)
        return
    assert isinstance(event, BadFrame)
    assert (event.code, event.first_sequence) == (sample.code, sample.first_sequence)
    assert event.count == sample.reports
    assert sample.why


# Nonsense.


def _is_event(event: object) -> bool:
    return type(event) in {*MESSAGES, BadFrame}


@UNHURRIED
@given(st.binary(max_size=200))
@example(b"")
@example(b"\x90")
@example(b"\x91")
@example(b"\xdc\x00")
@example(b"\xdd\xff\xff\xff\xff")
@example(b"\x91" * limits.MAX_FRAME_BYTES)
@example(b"\x9d\x03" + b"\x01" * 11 + b"\x91" * 16_000)
@example(b"\x9d\x03" + b"\x01" * 11 + b"\x81" * 16_000)
@example(b"\x92\x08" + b"\xdd\xff\xff\xff\xff" * 3_000)
@example(b"\x94\x04\x01\x01\xdd\xff\xff\xff\xff" + bytes(16_000))
def test_any_bytes_are_a_message_or_a_bad_frame(body: bytes) -> None:
    """Random bytes, deep nesting and huge headers never raise."""
    assert _is_event(decode_or_bad(body))


@UNHURRIED
@given(messages, st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4))
def test_mutated_messages_are_messages_or_bad_frames(
    message: Message, changes: list[tuple[int, int]]
) -> None:
    """Valid frames with some wrong bytes never raise."""
    body = bytearray(encode(message))
    for place, value in changes:
        body[place % len(body)] = value
    assert _is_event(decode_or_bad(bytes(body)))


@UNHURRIED
@given(messages, st.integers(0, 400))
def test_cut_messages_are_bad_frames(message: Message, size: int) -> None:
    """A body that ends too early is malformed, never a shorter message."""
    body = encode(message)
    event = decode_or_bad(body[: size % len(body)])
    assert isinstance(event, BadFrame)


@UNHURRIED
@given(messages, st.binary(min_size=1, max_size=5))
def test_bytes_behind_a_message_are_malformed(message: Message, rest: bytes) -> None:
    """A body is one message and nothing else."""
    assert isinstance(decode_or_bad(encode(message) + rest), BadFrame)


_ANY_VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary()
    | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary()),
    lambda values: st.lists(values) | st.dictionaries(st.text("ab"), values),
    max_leaves=8,
)


@UNHURRIED
@given(st.integers(0, 11), st.lists(_ANY_VALUE, max_size=14))
def test_fields_of_any_type_are_a_message_or_a_bad_frame(tag: int, fields: list[object]) -> None:
    """A known tag with fields of any type never raises."""
    assert _is_event(decode_or_bad(_body(tag, *fields)))


@UNHURRIED
@given(st.integers(1, 12), _ANY_VALUE)
def test_one_wrong_field_is_a_message_or_a_bad_frame(place: int, value: object) -> None:
    """A report with one field of any type is a report or bad, and keeps its number."""
    event = decode_or_bad(_report_with(place, value))
    assert _is_event(event)
    if isinstance(event, BadFrame) and place != 2:
        assert event.first_sequence == 1_000
