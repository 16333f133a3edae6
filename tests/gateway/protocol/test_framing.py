"""Frames on a byte stream: the length, its limits, and cuts anywhere."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.errors import LocalProtocolError, RefusalCode, RemoteProtocolError
from gateway.protocol.framing import FrameBuffer, encode_frame
from tests.helpers.strategies import UNHURRIED


def _bodies(buffer: FrameBuffer) -> list[bytes]:
    bodies = []
    while (body := buffer.next_body()) is not None:
        bodies.append(body)
    return bodies


def _bodies_or_code(buffer: FrameBuffer) -> tuple[list[bytes], RefusalCode | None]:
    bodies = []
    try:
        while (body := buffer.next_body()) is not None:
            bodies.append(body)
    except RemoteProtocolError as error:
        return bodies, error.code
    return bodies, None


def _fed(data: bytes) -> FrameBuffer:
    buffer = FrameBuffer()
    buffer.feed(data)
    return buffer


@pytest.mark.parametrize(
    "size, prefix",
    [
        (1, "01"),
        (2, "02"),
        (127, "7f"),
        (128, "80 01"),
        (129, "81 01"),
        (255, "ff 01"),
        (256, "80 02"),
        (300, "ac 02"),
        (16_383, "ff 7f"),
    ],
)
def test_length_is_written_and_read(size: int, prefix: str) -> None:
    """The length stands before the body as LEB128, low bits first, in the fewest bytes."""
    body = b"x" * size
    frame = bytes.fromhex(prefix) + body
    assert encode_frame(body) == frame
    assert _bodies(_fed(frame)) == [body]


@pytest.mark.parametrize("size", [0, 16_384])
def test_encoder_refuses_other_sizes(size: int) -> None:
    """An empty body and one byte over the limit are bugs of ours."""
    with pytest.raises(LocalProtocolError, match=f"not {size}"):
        encode_frame(b"x" * size)


@pytest.mark.parametrize(
    "data",
    [
        "00",  # nothing
        "80 00",  # zero in two bytes
        "81 00",  # one in two bytes: overlong
        "ff 00",  # 127 in two bytes: overlong
        "80 80 01",  # 16,384, which takes a third byte
        "ff ff 03",  # three bytes of length
        "ff ff ff ff 07",  # 2 GiB
        "ff 80",  # the third byte need not have come
    ],
)
def test_bad_length_ends_the_stream(data: str) -> None:
    """A length of zero, over the limit or overlong is told as soon as it can be."""
    with pytest.raises(RemoteProtocolError) as caught:
        _fed(bytes.fromhex(data)).next_body()
    assert caught.value.code is RefusalCode.BAD_FRAME


@pytest.mark.parametrize("data", ["", "80", "ff", "01", "02 aa", "80 01 aa", "ff 7f"])
def test_part_of_a_frame_is_waited_for(data: str) -> None:
    """A frame that has not all come is no body yet and takes nothing from the buffer."""
    raw = bytes.fromhex(data)
    buffer = _fed(raw)
    assert buffer.next_body() is None
    assert buffer.next_body() is None
    assert len(buffer) == len(raw)


def test_trailing_bytes_stay() -> None:
    """What follows a whole frame waits for its rest."""
    buffer = _fed(b"\x01a\x02b")
    assert buffer.next_body() == b"a"
    assert buffer.next_body() is None
    assert len(buffer) == 2
    buffer.feed(b"c")
    assert buffer.next_body() == b"bc"
    assert len(buffer) == 0


def test_take_all_gives_what_waits() -> None:
    """When framing is lost the rest is taken whole, without what was read before."""
    buffer = _fed(b"\x01a\x00bc\xff")
    assert buffer.next_body() == b"a"
    assert buffer.take_all() == b"\x00bc\xff"
    assert len(buffer) == 0
    assert buffer.take_all() == b""
    assert buffer.next_body() is None


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_bytes_like_object_is_taken(kind: type[bytes | bytearray | memoryview]) -> None:
    """Runtimes hand over bytes, bytearray or memoryview."""
    buffer = FrameBuffer()
    buffer.feed(kind(b"\x02ab"))
    body = buffer.next_body()
    assert body == b"ab"
    assert type(body) is bytes


def test_consumed_bytes_are_given_back() -> None:
    """A long stream that never pauses at a frame's end does not keep what was read."""
    frame = encode_frame(b"x" * 9_000)
    buffer = FrameBuffer()
    buffer.feed(frame[:5])
    for _ in range(100):
        buffer.feed(frame[5:] + frame[:5])
        assert buffer.next_body() == b"x" * 9_000
        assert len(buffer) == 5
        assert len(buffer._data) < 65_536 + 2 * len(frame)
    assert buffer.next_body() is None


@UNHURRIED
@given(
    st.lists(st.binary(min_size=1, max_size=300), max_size=20),
    st.lists(st.integers(0, 6_000), max_size=30),
)
def test_cuts_anywhere_change_nothing(bodies: list[bytes], cuts: list[int]) -> None:
    """Any list of bodies, cut anywhere, comes out the same."""
    stream = b"".join(map(encode_frame, bodies))
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    buffer = FrameBuffer()
    found = []
    for begin, end in itertools.pairwise(places):
        buffer.feed(stream[begin:end])
        found += _bodies(buffer)
    assert found == bodies
    assert len(buffer) == 0


@UNHURRIED
@given(st.lists(st.binary(min_size=1, max_size=200), max_size=5))
def test_byte_by_byte(bodies: list[bytes]) -> None:
    """The slowest link there is delivers each body with its last byte."""
    buffer = FrameBuffer()
    found = []
    for byte in b"".join(map(encode_frame, bodies)):
        buffer.feed(bytes((byte,)))
        found += _bodies(buffer)
    assert found == bodies


@UNHURRIED
@given(st.binary(max_size=400))
def test_any_bytes_end_in_bodies_or_a_lost_frame(data: bytes) -> None:
    """Whatever comes, there is a body, a wait or `BAD_FRAME`, and no byte is made up."""
    buffer = _fed(data)
    bodies, code = _bodies_or_code(buffer)
    assert all(0 < len(body) <= 16_383 for body in bodies)
    assert code in {None, RefusalCode.BAD_FRAME}
    assert b"".join(map(encode_frame, bodies)) + buffer.take_all() == data


def test_a_look_takes_nothing() -> None:
    """What was looked at is still there, half frames are not seen, and faults are told."""
    buffer = _fed(b"\x02ab\x03c")
    assert buffer.peek_body() == buffer.peek_body() == b"ab"
    assert buffer.next_body() == b"ab"
    assert buffer.peek_body() is None
    buffer.feed(b"de\x00")
    assert _bodies_or_code(buffer) == ([b"cde"], RefusalCode.BAD_FRAME)
    with pytest.raises(RemoteProtocolError):
        buffer.peek_body()
