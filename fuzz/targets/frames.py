"""The byte stream of TCP: the same bytes mean the same, however they are cut."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from gateway.protocol import limits
from gateway.protocol.connection import Connection, Event
from gateway.protocol.errors import RefusalCode
from gateway.protocol.messages import BadFrame, Challenge, Hello, Welcome
from gateway.protocol.state import Role, State

_NONCE: Final = bytes(limits.NONCE_BYTES)
_PROOF: Final = bytes(limits.PROOF_BYTES)
_CHALLENGE: Final = Challenge(limits.PROTOCOL_VERSION, _NONCE)
_HELLO: Final = Hello(limits.PROTOCOL_VERSION, 1, 7, 0, _NONCE, _PROOF)
_WELCOME: Final = Welcome(limits.PROTOCOL_VERSION, _PROOF, 0, 0, 270, limits.WINDOW_REPORTS, 1)

_HEADER_BYTES: Final = 3
"""Of an input: what kind of session, and two sizes of the pieces in which the rest arrives."""
_DEVICE, _GREETED, _PEEK, _TWICE = 1, 2, 4, 8
"""We are the device; the greeting is over; ask first whether an emergency comes; compare with the
same stream in one piece."""
_MAX_CUTS: Final = 8
"""The rest comes whole: small pieces of a long stream take long and show nothing more."""
_MAX_LENGTH_BYTES: Final = 2
_MAX_REPLY_BYTES: Final = 64
"""More than a hello, a welcome, or a refusal and a goodbye."""


class Heard(NamedTuple):
    """What one side made of a stream."""

    events: list[Event]
    bodies: list[bytes]
    connection: Connection
    replies: bytes


def check(data: bytes) -> None:
    """In whatever pieces a stream comes, each of its frames gives one event, made of its body."""
    if len(data) < _HEADER_BYTES:
        return
    kind, stream = data[0], data[_HEADER_BYTES:]
    cut = _hear(kind, _pieces(stream, 1 + data[1], 1 + data[2]))
    _check_bounds(cut.connection)
    _check_complete(cut, stream)
    if kind & _TWICE:
        _check_same(_hear(kind & ~_PEEK, iter((stream,))), cut)


def _pieces(stream: bytes, odd: int, even: int) -> Iterator[bytes]:
    at, size, following = 0, odd, even
    for _ in range(_MAX_CUTS):
        yield stream[at : at + size]
        at += size
        size, following = following, size
        if at >= len(stream):
            return
    yield stream[at:]


def _hear(kind: int, pieces: Iterator[bytes]) -> Heard:
    role = Role.DEVICE if kind & _DEVICE else Role.GATEWAY
    connection = Connection(role, 0.0)
    if kind & _GREETED:
        connection.state = State.READY
    elif role is Role.GATEWAY:
        connection.send(_CHALLENGE, 0.0)
        connection.data_to_send()
    heard = Heard([], [], connection, b"")
    for piece in pieces:
        connection.receive_data(piece, 0.0)
        _drain(heard, peek=bool(kind & _PEEK))
    replies = connection.data_to_send()
    assert len(replies) <= _MAX_REPLY_BYTES
    return heard._replace(replies=replies)


def _drain(heard: Heard, *, peek: bool) -> None:
    connection = heard.connection
    while True:
        seen = connection.peek_event() if peek else None
        event = connection.next_event()
        if peek:
            assert (seen is None) == (event is None)
        if event is None:
            return
        if peek and not isinstance(event, BadFrame):
            assert seen == event
        heard.events.append(event)
        heard.bodies.append(connection.body)
        if connection.state is State.ADMITTING:
            connection.send(_WELCOME, 0.0)
        elif connection.state is State.GREETING:
            connection.send(_HELLO, 0.0)


def _check_same(whole: Heard, cut: Heard) -> None:
    one, other = whole.connection, cut.connection
    assert one.state is other.state
    assert one.goodbye == other.goodbye
    assert whole.replies == cut.replies
    lost_at = -1 if _is_lost(whole) else None
    assert _is_lost(cut) == _is_lost(whole)
    if lost_at:  # what waits behind an impossible length is kept as far as it has come
        assert whole.bodies[-1].startswith(cut.bodies[-1])
    assert whole.bodies[:lost_at] == cut.bodies[:lost_at]
    if whole.events[:lost_at] != cut.events[:lost_at]:  # not a number is not equal to itself
        assert repr(whole.events[:lost_at]) == repr(cut.events[:lost_at])


def _is_lost(heard: Heard) -> bool:
    last = heard.events[-1] if heard.events else None
    return isinstance(last, BadFrame) and last.code is RefusalCode.BAD_FRAME


def _check_bounds(connection: Connection) -> None:
    if connection.state is not State.CLOSED:
        assert connection.buffered_bytes < limits.MAX_FRAME_BYTES + _MAX_LENGTH_BYTES


def _check_complete(heard: Heard, stream: bytes) -> None:
    """Each whole frame has given one event, until the session ended; a bad one costs itself."""
    bodies, is_lost = _split(stream)
    lost = _is_lost(heard)
    events = len(heard.events) - lost
    assert heard.bodies[:events] == bodies[:events]
    if heard.connection.state is not State.CLOSED:
        assert events == len(bodies)
        assert not is_lost
    if lost:
        assert is_lost
        assert events == len(bodies)
    bad = sum(
        isinstance(event, BadFrame) and event.code is not RefusalCode.UNKNOWN_MESSAGE
        for event in heard.events[:events]
    )
    assert bad <= limits.MAX_BAD_FRAMES + 1


def _split(stream: bytes) -> tuple[list[bytes], bool]:
    """The bodies in a stream, read by the rules of the protocol and not by its code; and whether a
    length that cannot be stands behind them.
    """
    bodies: list[bytes] = []
    at, end = 0, len(stream)
    while at < end:
        size, begin = stream[at], at + 1
        if size == 0:
            return bodies, True
        if size >= 0x80:  # noqa: PLR2004 - the high bit: another byte follows
            if begin == end:
                break
            if not 0 < stream[begin] < 0x80:  # noqa: PLR2004 - the same
                return bodies, True
            size, begin = size - 0x80 + stream[begin] * 0x80, begin + 1
        if begin + size > end:
            break
        bodies.append(stream[begin : begin + size])
        at = begin + size
    return bodies, False
