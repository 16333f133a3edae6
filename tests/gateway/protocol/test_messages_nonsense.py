"""Bytes that are no message: attributed as far as readable, and never an exception."""

import msgpack
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fuzz.seeds import SEEDS
from fuzz.targets.bodies import check
from gateway.protocol import limits
from gateway.protocol.messages import (
    MESSAGES,
    BadFrame,
    Message,
    decode_or_bad,
    encode,
)
from tests.helpers.hex_text import Sample, load_samples
from tests.helpers.hostile import changed
from tests.helpers.strategies import UNHURRIED, messages


def _body(*fields: object) -> bytes:
    """Fields as the independent encoder writes them."""
    return bytes(msgpack.packb(fields))


REPORT_FIELDS = [3, 1, 1_000, 1_206_000_000, 203, 0x19, 300_101, 600, -3_450, 12, 2, "abc", 7]


def _report_with(place: int, value: object) -> bytes:
    return _body(*REPORT_FIELDS[:place], value, *REPORT_FIELDS[place + 1 :])


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
        ("93 10 01 05", None, 1),  # a task brings no report
        ("93 12 01 05", None, 1),  # nor does an answer
        ("93 15 01 05", None, 1),  # unknown: we do not know what its fields mean
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
@given(st.integers(0, 21), st.lists(_ANY_VALUE, max_size=14))
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


@UNHURRIED
@given(changed(SEEDS["bodies"]()))
def test_hostile_bytes(data: bytes) -> None:
    """A payload is a message or a bad frame, and every report of it gets its verdict."""
    check(data)
