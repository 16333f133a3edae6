"""One session without I/O: both roles, whole and byte by byte, its times and its limits."""

import msgspec
import pytest
from hypothesis import given

from fuzz.seeds import SEEDS
from fuzz.targets.frames import check
from gateway.protocol import limits
from gateway.protocol.connection import Connection
from gateway.protocol.errors import GoodbyeReason, LocalProtocolError, RefusalCode, Resend
from gateway.protocol.framing import encode_frame
from gateway.protocol.messages import (
    Ack,
    BadFrame,
    Goodbye,
    Hello,
    Message,
    Ping,
    Pong,
    Refusal,
    encode,
)
from gateway.protocol.report import Urgency
from gateway.protocol.state import Role, State
from gateway.protocol.wire_report import is_urgent, pack_report, pack_track
from tests.helpers.builders import EDITION_2007, build_report, build_track
from tests.helpers.connection_pair import (
    CHALLENGE,
    HELLO,
    WELCOME,
    ConnectionPair,
    awaiting_hello,
    drain,
    frame_of,
    ready,
    sent_by,
    state_of,
)
from tests.helpers.hostile import changed
from tests.helpers.strategies import UNHURRIED

REPORT = pack_report(build_report(description="plain"), EDITION_2007)
TRACK = pack_track(build_track(), EDITION_2007)
UNKNOWN = encode_frame(bytes.fromhex("91 15"))  # [21]: reserved
MALFORMED = encode_frame(bytes.fromhex("91 03"))  # [3], a report without its fields
ZERO_LENGTH = b"\x00"


@pytest.fixture(params=[None, 1, 7], ids=["whole", "byte by byte", "by sevens"])
def pair(request: pytest.FixtureRequest) -> ConnectionPair:
    """A new session, its bytes in pieces of that size."""
    return ConnectionPair(chunk=request.param)


URGENT = pack_report(build_report(urgency=Urgency.EMERGENCY), EDITION_2007)

# A whole session.


def test_a_whole_session(pair: ConnectionPair) -> None:
    """Greeting, report, ack, refusal, pings both ways, goodbye: each arrives as it was sent."""
    assert pair.from_gateway(CHALLENGE) == [CHALLENGE]
    assert state_of(pair.device) is State.GREETING
    assert pair.from_device(HELLO) == [HELLO]
    assert state_of(pair.gateway) is State.ADMITTING
    assert pair.from_gateway(WELCOME) == [WELCOME]
    assert {pair.device.state, pair.gateway.state} == {State.READY}
    assert pair.from_device(REPORT, TRACK, Ping()) == [REPORT, TRACK, Ping()]
    answers = (Ack(1), Refusal(40, 0, 9), Pong(), Ping())
    assert pair.from_gateway(*answers) == [*answers]
    assert pair.from_device(Pong(), Goodbye(0)) == [Pong(), Goodbye(0)]
    assert {pair.device.state, pair.gateway.state} == {State.CLOSED}
    assert pair.device.goodbye == pair.gateway.goodbye == Goodbye(0)


def test_body_is_that_of_the_last_event(pair: ConnectionPair) -> None:
    """The frame that an event was made of is at hand for the quarantine."""
    pair.greet()
    pair.from_device(Ping())
    assert pair.gateway.body == encode(Ping())
    pair.from_device(REPORT)
    assert pair.gateway.body == encode(REPORT)


def test_reports_behind_the_hello_wait_for_the_welcome(pair: ConnectionPair) -> None:
    """What a device sends right behind its hello is delivered only once it is admitted."""
    pair.from_gateway(CHALLENGE)
    assert pair.from_device(HELLO, REPORT, TRACK) == [HELLO]
    assert pair.gateway.next_event() is None
    assert pair.gateway.buffered_bytes == len(frame_of(REPORT) + frame_of(TRACK))
    pair.from_gateway(WELCOME)
    assert drain(pair.gateway) == [REPORT, TRACK]
    assert pair.gateway.buffered_bytes == 0


def test_reports_behind_a_refused_hello_are_never_read(pair: ConnectionPair) -> None:
    """A device that is not admitted stores nothing."""
    pair.from_gateway(CHALLENGE)
    pair.from_device(HELLO, REPORT)
    refusal = Refusal(RefusalCode.NOT_ADMITTED, Resend.LATER)
    goodbye = Goodbye(GoodbyeReason.NOT_ADMITTED)
    assert pair.from_gateway(refusal, goodbye) == [refusal, goodbye]
    assert drain(pair.gateway) == []
    assert {pair.device.state, pair.gateway.state} == {State.CLOSED}


def test_buffered_bytes_count_half_frames() -> None:
    """Bytes without an event yet are what a session's limit on memory looks at."""
    gateway = ready(Role.GATEWAY)
    frame = frame_of(REPORT)
    gateway.receive_data(frame + frame[:-1], 0.0)
    assert gateway.buffered_bytes == 2 * len(frame) - 1
    assert gateway.next_event() == REPORT
    assert gateway.next_event() is None
    assert gateway.buffered_bytes == len(frame) - 1


@pytest.mark.parametrize(
    "data,expected",
    [
        (b"", None),
        (frame_of(URGENT)[:-1], None),
        (frame_of(URGENT) + frame_of(REPORT), True),
        (frame_of(REPORT) + frame_of(URGENT), False),
        (frame_of(Ping()), False),
        (MALFORMED, False),
        (ZERO_LENGTH, False),
    ],
)
def test_a_look_at_the_next_frame(data: bytes, expected: bool | None) -> None:  # noqa: FBT001 -- a table
    """It tells an emergency from all else, and changes nothing: the frame comes as if unseen."""
    looked, other = ready(Role.GATEWAY), ready(Role.GATEWAY)
    for connection in (looked, other):
        connection.receive_data(data, 0.0)
    seen = looked.peek_event()
    assert looked.peek_event() == seen
    assert (None if seen is None else is_urgent(seen)) is expected
    assert looked.state is State.READY
    assert looked.next_event() == other.next_event()
    assert looked.state is other.state


def test_no_look_before_the_welcome_nor_after_the_end() -> None:
    """There is nothing to take then."""
    connection = awaiting_hello()
    connection.receive_data(frame_of(HELLO) + frame_of(URGENT), 0.0)
    assert connection.peek_event() == HELLO
    assert connection.next_event() == HELLO
    assert connection.peek_event() is None
    connection.receive_eof()
    assert connection.peek_event() is None


def test_data_to_send_is_taken_once() -> None:
    """What was handed out to be written does not come again."""
    gateway = Connection(Role.GATEWAY, 0.0)
    gateway.send(CHALLENGE, 0.0)
    assert gateway.data_to_send() == frame_of(CHALLENGE)
    assert gateway.data_to_send() == b""


# Wrong calls of ours.


@pytest.mark.parametrize(
    "role, message",
    [
        (Role.GATEWAY, HELLO),
        (Role.GATEWAY, WELCOME),
        (Role.GATEWAY, Ack(1)),
        (Role.GATEWAY, Goodbye(0)),
        (Role.DEVICE, HELLO),
        (Role.DEVICE, REPORT),
        (Role.DEVICE, Ping()),
    ],
)
def test_sending_out_of_turn_is_our_bug(role: Role, message: Message) -> None:
    """A message that the state does not allow raises, queues nothing and changes nothing."""
    connection = Connection(role, 0.0)
    deadline = connection.next_deadline()
    with pytest.raises(LocalProtocolError, match=f"{role.value} may not send"):
        connection.send(message, 1.0)
    assert connection.data_to_send() == b""
    assert state_of(connection) is State.START
    assert connection.next_deadline() == deadline


def test_sending_too_much_is_our_bug() -> None:
    """A message over the frame limit raises before anything of it is queued."""
    device = ready(Role.DEVICE)
    too_long = msgspec.structs.replace(REPORT, text="x" * 16_384)
    with pytest.raises(LocalProtocolError, match="split it"):
        device.send(too_long, 0.0)
    assert device.data_to_send() == b""
    device.send(REPORT, 0.0)
    assert sent_by(device) == [REPORT]


# When the peer is at fault.


@pytest.mark.parametrize(
    "data, code",
    [
        (frame_of(Ping()), RefusalCode.GREETING_EXPECTED),
        (frame_of(REPORT), RefusalCode.GREETING_EXPECTED),
        (frame_of(CHALLENGE), RefusalCode.GREETING_EXPECTED),
        (UNKNOWN, RefusalCode.GREETING_EXPECTED),
        (MALFORMED, RefusalCode.MALFORMED_MESSAGE),
        (ZERO_LENGTH, RefusalCode.BAD_FRAME),
        (b"\xff\xff\xff\xff", RefusalCode.BAD_FRAME),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + bytes(80), RefusalCode.MALFORMED_MESSAGE),
    ],
)
def test_anything_but_a_hello_ends_the_greeting(data: bytes, code: RefusalCode) -> None:
    """Before a greeting a session has no second chance, and is told why."""
    gateway = awaiting_hello()
    gateway.receive_data(data + frame_of(HELLO), 0.0)
    [event] = drain(gateway)
    assert isinstance(event, BadFrame)
    assert state_of(gateway) is State.CLOSED
    assert sent_by(gateway) == [
        Refusal(code, Resend.LATER),
        Goodbye(GoodbyeReason.PROTOCOL_ERROR),
    ]


def test_hello_of_another_version_is_refused_clearly() -> None:
    """A newer handset learns that its version is the reason, though its hello looks different."""
    gateway = awaiting_hello()
    gateway.receive_data(encode_frame(bytes.fromhex("93 01 02 a3 6e6577")), 0.0)  # [1, 2, "new"]
    [event] = drain(gateway)
    assert isinstance(event, BadFrame)
    assert event.code is RefusalCode.UNSUPPORTED_VERSION
    assert sent_by(gateway)[0] == Refusal(RefusalCode.UNSUPPORTED_VERSION, Resend.LATER)


def test_bytes_before_the_challenge_end_the_session_without_a_word() -> None:
    """A gateway that has not spoken yet cannot refuse: it closes."""
    gateway = Connection(Role.GATEWAY, 0.0)
    gateway.receive_data(frame_of(HELLO), 0.0)
    [event] = drain(gateway)
    assert isinstance(event, BadFrame)
    assert state_of(gateway) is State.CLOSED
    assert gateway.data_to_send() == b""
    assert gateway.goodbye is None


@pytest.mark.parametrize("data", [UNKNOWN, MALFORMED, ZERO_LENGTH, frame_of(Pong())])
def test_device_leaves_a_gateway_that_talks_nonsense(data: bytes) -> None:
    """Before the welcome a device ends the session; it has no refusal to send."""
    device = Connection(Role.DEVICE, 0.0)
    device.receive_data(data, 0.0)
    assert len(drain(device)) == 1
    assert state_of(device) is State.CLOSED
    assert sent_by(device) == [Goodbye(GoodbyeReason.PROTOCOL_ERROR)]


@pytest.mark.parametrize("role", Role)
def test_unknown_messages_never_end_an_admitted_session(role: Role) -> None:
    """A peer newer than we are may go on for ever with messages that we do not know."""
    connection = ready(role)
    for _ in range(10 * limits.MAX_BAD_FRAMES):
        connection.receive_data(UNKNOWN, 0.0)
        [event] = drain(connection)
        assert isinstance(event, BadFrame)
        assert event.code is RefusalCode.UNKNOWN_MESSAGE
    connection.receive_data(frame_of(Ping()), 0.0)
    assert drain(connection) == [Ping()]
    assert state_of(connection) is State.READY


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("data", [MALFORMED, frame_of(HELLO)], ids=["malformed", "unexpected"])
def test_sixteen_bad_frames_are_borne(role: Role, data: bytes) -> None:
    """The 16th bad frame leaves the session open, the 17th ends it."""
    connection = ready(role)
    connection.receive_data(data * 16, 0.0)
    assert len(drain(connection)) == 16
    assert state_of(connection) is State.READY
    assert connection.data_to_send() == b""
    connection.receive_data(data + frame_of(Ping()), 0.0)
    assert len(drain(connection)) == 1
    assert state_of(connection) is State.CLOSED
    assert sent_by(connection) == [Goodbye(GoodbyeReason.TOO_MANY_ERRORS)]


def test_unexpected_message_keeps_its_body() -> None:
    """A known message at the wrong time says what it was and when."""
    gateway = ready(Role.GATEWAY)
    gateway.receive_data(frame_of(HELLO), 0.0)
    assert gateway.next_event() == BadFrame(
        encode(HELLO), RefusalCode.UNEXPECTED_MESSAGE, "Hello while ready"
    )


def test_lost_framing_ends_an_admitted_session() -> None:
    """Good frames before it count; what follows it is handed over whole and never read."""
    gateway = ready(Role.GATEWAY)
    rest = ZERO_LENGTH + frame_of(REPORT)
    gateway.receive_data(frame_of(REPORT) + rest, 0.0)
    first, second = drain(gateway)
    assert first == REPORT
    assert isinstance(second, BadFrame)
    assert (second.code, second.body) == (RefusalCode.BAD_FRAME, rest)
    assert second.first_sequence is None
    assert state_of(gateway) is State.CLOSED
    assert gateway.buffered_bytes == 0
    assert sent_by(gateway) == [
        Refusal(RefusalCode.BAD_FRAME, Resend.LATER),
        Goodbye(GoodbyeReason.PROTOCOL_ERROR),
    ]


# Ends.


@pytest.mark.parametrize("role", Role)
def test_nothing_follows_a_goodbye(role: Role) -> None:
    """What a peer sends behind its goodbye is not read, and nothing may be sent to it."""
    connection = ready(role)
    goodbye = Goodbye(GoodbyeReason.SHUTTING_DOWN, 30)
    connection.receive_data(frame_of(goodbye) + frame_of(Ping()), 0.0)
    assert drain(connection) == [goodbye]
    assert connection.goodbye == goodbye
    connection.receive_data(frame_of(Ping()), 0.0)
    assert drain(connection) == []
    with pytest.raises(LocalProtocolError):
        connection.send(Ping(), 0.0)
    assert connection.next_deadline() is None


@pytest.mark.parametrize("role", Role)
def test_close_says_goodbye_once(role: Role) -> None:
    """Closing says why and when to come back; closing again is harmless."""
    connection = ready(role)
    connection.close(GoodbyeReason.SHUTTING_DOWN, 1.0, retry_after_seconds=20)
    connection.close(GoodbyeReason.NORMAL, 2.0)
    assert sent_by(connection) == [Goodbye(GoodbyeReason.SHUTTING_DOWN, 20)]
    assert connection.goodbye == Goodbye(GoodbyeReason.SHUTTING_DOWN, 20)
    assert state_of(connection) is State.CLOSED


def test_close_before_the_challenge_is_silent() -> None:
    """The gateway's first frame is a challenge or nothing."""
    gateway = Connection(Role.GATEWAY, 0.0)
    gateway.close(GoodbyeReason.SHUTTING_DOWN, 0.0)
    assert gateway.data_to_send() == b""
    assert state_of(gateway) is State.CLOSED


@pytest.mark.parametrize("role", Role)
def test_end_of_the_stream_cuts_a_frame(role: Role) -> None:
    """Half a frame at the end of a stream is nothing."""
    connection = ready(role)
    connection.receive_data(frame_of(Ping())[:-1], 0.0)
    assert drain(connection) == []
    connection.receive_eof()
    assert state_of(connection) is State.CLOSED
    assert drain(connection) == []
    assert connection.goodbye is None
    assert connection.next_deadline() is None
    connection.handle_deadline(1e9)
    assert connection.data_to_send() == b""


def test_hello_is_a_message_like_any_other_for_the_device() -> None:
    """A device cannot greet twice in one session."""
    device = ready(Role.DEVICE)
    with pytest.raises(LocalProtocolError):
        device.send(Hello(1, 1, 7, 0, bytes(12), bytes(16)), 0.0)


@UNHURRIED
@given(changed(SEEDS["frames"]()))
def test_hostile_bytes(data: bytes) -> None:
    """A stream gives the same events however it is cut, one for each frame."""
    check(data)
