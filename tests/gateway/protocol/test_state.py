"""The table of states: what it allows, and that a session never leaves it whatever happens."""

from collections import deque
from itertools import product

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.protocol import limits
from gateway.protocol.connection import Connection
from gateway.protocol.errors import GoodbyeReason, LocalProtocolError, RefusalCode
from gateway.protocol.framing import encode_frame
from gateway.protocol.messages import (
    MESSAGES,
    Ack,
    BadFrame,
    Challenge,
    Goodbye,
    Hello,
    Message,
    Ping,
    Pong,
    Refusal,
    Welcome,
    WireBacklog,
    WireReport,
    WireTrack,
    encode,
)
from gateway.protocol.state import RECEIVE, SEND, TRANSITIONS, Role, State
from gateway.protocol.task_messages import (
    TASK_MESSAGES,
    Task,
    TaskAnswer,
    TaskNoted,
    TaskReceipt,
    TaskWithdrawal,
)
from gateway.protocol.wire_report import pack_backlog, pack_report, pack_track
from tests.helpers.builders import EDITION_2007, build_report, build_reports, build_track
from tests.helpers.connection_pair import CHALLENGE, HELLO, WELCOME
from tests.helpers.strategies import UNHURRIED

ONE_OF_EACH: dict[type[Message], Message] = {
    Challenge: CHALLENGE,
    Hello: HELLO,
    Welcome: WELCOME,
    WireReport: pack_report(build_report(description="a"), EDITION_2007),
    WireBacklog: pack_backlog(build_reports(3, description="a"), EDITION_2007),
    Ack: Ack(3, [2, 1]),
    Refusal: Refusal(40, 0, 5),
    WireTrack: pack_track(build_track(), EDITION_2007),
    Ping: Ping(),
    Pong: Pong(),
    Goodbye: Goodbye(0),
    Task: Task(7, 0, 1_206_000_000, 1_206_086_400, "a"),
    TaskNoted: TaskNoted(7),
    TaskAnswer: TaskAnswer(7, 1, 1_206_000_060),
    TaskReceipt: TaskReceipt(7),
    TaskWithdrawal: TaskWithdrawal(7, 1),
}
ANY_MESSAGE = st.sampled_from(list(ONE_OF_EACH.values()))
OTHER = {Role.GATEWAY: Role.DEVICE, Role.DEVICE: Role.GATEWAY}


@pytest.mark.parametrize("role", Role)
def test_every_state_that_is_reached_has_a_row(role: Role) -> None:
    """No transition leads out of the table, and a closed session allows nothing."""
    table = TRANSITIONS[role]
    reached = {State.START} | {state for row in table.values() for state in row.values()}
    assert reached == set(table)
    assert table[State.CLOSED] == {}


@pytest.mark.parametrize("role", Role)
def test_only_a_goodbye_closes(role: Role) -> None:
    """In every state but the closed one a goodbye can come, or nothing may yet be said."""
    for state, row in TRANSITIONS[role].items():
        for (direction, kind), following in row.items():
            assert (following is State.CLOSED) == (kind is Goodbye), (state, direction, kind)


def test_both_sides_agree_when_ready() -> None:
    """In an admitted session each may send just what the other may receive."""
    rows = {role: TRANSITIONS[role][State.READY] for role in Role}
    for role, kind in product(Role, MESSAGES):
        assert ((SEND, kind) in rows[role]) == ((RECEIVE, kind) in rows[OTHER[role]])


def test_greeting_order() -> None:
    """Challenge, hello, welcome: seen from both sides."""
    gateway, device = TRANSITIONS[Role.GATEWAY], TRANSITIONS[Role.DEVICE]
    assert gateway[State.START] == {(SEND, Challenge): State.AWAIT_HELLO}
    assert gateway[State.AWAIT_HELLO][RECEIVE, Hello] is State.ADMITTING
    assert gateway[State.ADMITTING][SEND, Welcome] is State.READY
    assert not any(direction is RECEIVE for direction, _ in gateway[State.ADMITTING])
    assert device[State.START][RECEIVE, Challenge] is State.GREETING
    assert device[State.GREETING][SEND, Hello] is State.AWAIT_WELCOME
    assert device[State.AWAIT_WELCOME][RECEIVE, Welcome] is State.READY


def test_reports_may_follow_a_hello_at_once() -> None:
    """A device need not wait for the welcome before it sends what must be stored."""
    device = TRANSITIONS[Role.DEVICE]
    for kind in (WireReport, WireBacklog, WireTrack):
        assert (SEND, kind) in device[State.AWAIT_WELCOME]
        assert (SEND, kind) not in device[State.GREETING]


def test_task_messages_wait_for_the_welcome() -> None:
    """A device says nothing about tasks, and hears nothing of them, before it knows its gateway."""
    for role, kind in product(Role, TASK_MESSAGES):
        allowed = [
            state
            for state, row in TRANSITIONS[role].items()
            if (SEND, kind) in row or (RECEIVE, kind) in row
        ]
        assert allowed == [State.READY], (role, kind)


def test_values_are_words() -> None:
    """States and roles carry the words of the documents and of the log."""
    assert [state.value for state in State] == [
        "start",
        "await hello",
        "admitting",
        "greeting",
        "await welcome",
        "ready",
        "closed",
    ]
    assert [role.value for role in Role] == ["gateway", "device"]


class SessionWalk(RuleBasedStateMachine):
    """One connection, called in any order, beside a model that is the table and little else."""

    role: Role

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000.0
        self.connection = Connection(self.role, self.now)
        self.state = State.START
        self.bad_frames = 0
        self.waiting: deque[bytes | Message] = deque()

    @rule(message=ANY_MESSAGE)
    def send(self, message: Message) -> None:
        """A send that the table allows moves along it; any other raises and moves nothing."""
        following = TRANSITIONS[self.role][self.state].get((SEND, type(message)))
        if following is None:
            with pytest.raises(LocalProtocolError):
                self.connection.send(message, self.now)
            assert self.connection.data_to_send() == b""
            return
        self.connection.send(message, self.now)
        assert self.connection.data_to_send() == encode_frame(encode(message))
        self.state = following
        self._take_events()

    @rule(message=ANY_MESSAGE)
    def receive(self, message: Message) -> None:
        """A message that the table allows is an event; any other is a bad frame."""
        self._receive(message, encode(message))

    @rule(body=st.sampled_from([b"\x91\x15", b"\x91\x03", b"\xc1", b"\x90"]))
    def receive_nonsense(self, body: bytes) -> None:
        """An unknown or malformed message is a bad frame."""
        self._receive(body, body)

    @rule()
    def receive_part(self) -> None:
        """The next frame's first byte comes and later its rest, with nothing lost."""
        frame = encode_frame(encode(Ping()))
        for byte in frame:
            self.connection.receive_data(bytes((byte,)), self.now)
        if self.state is not State.CLOSED:
            self.waiting.append(Ping())
        self._take_events()

    @rule()
    def lose_framing(self) -> None:
        """A length of zero closes as soon as it is read."""
        self.connection.receive_data(b"\x00", self.now)
        if self.state is not State.CLOSED:
            self.waiting.append(b"")
        self._take_events()

    @rule(seconds=st.floats(0, 1_000))
    def let_time_pass(self, seconds: float) -> None:
        """Time passes in steps no longer than the next deadline, which is then acted on."""
        deadline = self.connection.next_deadline()
        self.now += seconds
        if deadline is not None and deadline <= self.now:
            self.now = max(deadline, self.now - seconds)
            self._ring(deadline)

    @rule()
    def ring_too_early(self) -> None:
        """A timer that rings before its time does nothing."""
        deadline = self.connection.next_deadline()
        if deadline is not None and self.now < deadline:
            self.connection.handle_deadline(self.now)
            assert self.connection.next_deadline() == deadline
            assert self.connection.data_to_send() == b""

    @precondition(lambda self: self.state is State.READY)
    @rule(reason=st.sampled_from(GoodbyeReason))
    def close(self, reason: GoodbyeReason) -> None:
        """Closing an admitted session says goodbye."""
        self.connection.close(reason, self.now)
        assert self.connection.data_to_send() == encode_frame(encode(Goodbye(reason)))
        self.state = State.CLOSED
        self.waiting.clear()

    @precondition(lambda self: self.state is State.READY)
    @rule()
    def end_of_stream(self) -> None:
        """The end of the stream closes without a word."""
        self.connection.receive_eof()
        self.state = State.CLOSED
        self.waiting.clear()

    @invariant()
    def agrees_with_the_table(self) -> None:
        """State, deadline and memory are as the table has them."""
        assert self.connection.state is self.state
        deadline = self.connection.next_deadline()
        assert (deadline is None) == (self.state is State.CLOSED)
        assert self.connection.next_event() is None
        if self.state not in {State.ADMITTING, State.CLOSED}:
            assert self.connection.buffered_bytes == 0

    def _ring(self, deadline: float) -> None:
        at = max(self.now, deadline)
        self.connection.handle_deadline(at)
        following = self.connection.next_deadline()
        assert following is None or following > at, "the timer would ring for ever"
        self.state = self.connection.state
        if following is None:
            assert self.state is State.CLOSED
            self.waiting.clear()
        else:
            assert self.connection.data_to_send() == encode_frame(encode(Ping()))
        self.connection.data_to_send()

    def _receive(self, item: bytes | Message, body: bytes) -> None:
        self.connection.receive_data(encode_frame(body), self.now)
        if self.state is not State.CLOSED:
            self.waiting.append(item)
        self._take_events()

    def _take_events(self) -> None:
        while self.waiting and self.state not in {State.ADMITTING, State.CLOSED}:
            item = self.waiting.popleft()
            event = self.connection.next_event()
            following = None
            if not isinstance(item, bytes):
                following = TRANSITIONS[self.role][self.state].get((RECEIVE, type(item)))
            if following is not None:
                assert event == item
                self.state = following
            else:
                assert isinstance(event, BadFrame)
                self._after_bad_frame(event)
            if self.state is State.CLOSED:
                self.waiting.clear()
        assert self.connection.next_event() is None
        if self.state is State.CLOSED:
            self.connection.data_to_send()

    def _after_bad_frame(self, event: BadFrame) -> None:
        if self.state is not State.READY or event.code is RefusalCode.BAD_FRAME:
            self.state = State.CLOSED
        elif event.code is not RefusalCode.UNKNOWN_MESSAGE:
            self.bad_frames += 1
            if self.bad_frames > limits.MAX_BAD_FRAMES:
                self.state = State.CLOSED


class GatewayWalk(SessionWalk):
    """The walk in the gateway's role."""

    role = Role.GATEWAY


class DeviceWalk(SessionWalk):
    """The walk in the device's role."""

    role = Role.DEVICE


class ReadyGatewayWalk(GatewayWalk):
    """The walk from an admitted session, which a random one seldom reaches."""

    def __init__(self) -> None:
        super().__init__()
        self.send(CHALLENGE)
        self.receive(HELLO)
        self.send(WELCOME)


class ReadyDeviceWalk(DeviceWalk):
    """The same for the device."""

    def __init__(self) -> None:
        super().__init__()
        self.receive(CHALLENGE)
        self.send(HELLO)
        self.receive(WELCOME)


WALK = settings(UNHURRIED, max_examples=60, stateful_step_count=40)
TestGatewayWalk = GatewayWalk.TestCase
TestDeviceWalk = DeviceWalk.TestCase
TestReadyGatewayWalk = ReadyGatewayWalk.TestCase
TestReadyDeviceWalk = ReadyDeviceWalk.TestCase
for case in (TestGatewayWalk, TestDeviceWalk, TestReadyGatewayWalk, TestReadyDeviceWalk):
    case.settings = WALK
