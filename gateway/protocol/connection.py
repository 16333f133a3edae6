"""One session on a byte stream, for either role, without any I/O.

The driving contract, the same for every runtime:

1. After each read call `receive_data` (or `receive_eof`), then `next_event` until it returns None.
2. After each call that may have queued something (`send`, `next_event`, `handle_deadline`) write
   what `data_to_send` returns.
3. Arm one timer for `next_deadline` and call `handle_deadline` when it rings.
4. When `state` is CLOSED and `data_to_send` is empty, close the stream.

Feeding never raises, whatever the peer sent; a wrong call of ours raises `LocalProtocolError`.
Time is an argument: seconds of any clock that never runs back.
"""

from dataclasses import dataclass

from gateway.protocol import limits
from gateway.protocol.errors import (
    GoodbyeReason,
    LocalProtocolError,
    RefusalCode,
    RemoteProtocolError,
    Resend,
)
from gateway.protocol.framing import FrameBuffer, encode_frame
from gateway.protocol.messages import (
    STORED_MESSAGES,
    BadFrame,
    Goodbye,
    Hello,
    Message,
    Ping,
    Refusal,
    decode_or_bad,
    encode,
)
from gateway.protocol.state import RECEIVE, SEND, TRANSITIONS, Role, State
from gateway.protocol.task_messages import TaskAnswer

Event = Message | BadFrame


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds that a session allows. The defaults are the protocol's."""

    greeting_seconds: float = limits.GREETING_TIMEOUT_SECONDS
    idle_seconds: float = limits.IDLE_TIMEOUT_SECONDS
    frame_seconds: float = limits.FRAME_TIMEOUT_SECONDS
    heartbeat_seconds: float = limits.HEARTBEAT_SECONDS
    reply_seconds: float = limits.REPLY_TIMEOUT_SECONDS


class Connection:
    """The protocol's side of one TCP connection. See the module for the order of calls."""

    def __init__(self, role: Role, now: float, timeouts: Timeouts | None = None) -> None:
        self.role = role
        self.state = State.START
        self.goodbye: Goodbye | None = None
        """The goodbye that was sent or received, when there was one."""
        self.body = b""
        """The frame body that the last event was made of."""
        self.timeouts = timeouts or Timeouts()
        self._transitions = TRANSITIONS[role]
        self._frames = FrameBuffer()
        self._out = bytearray()
        self._bad_frames = 0
        self._opened_at = self._received_at = self._sent_at = self._frame_began_at = now
        self._awaiting_reply_since: float | None = now if role is Role.DEVICE else None

    # Receiving.

    def receive_data(self, data: bytes | bytearray | memoryview, now: float) -> None:
        """Take bytes as they came. Then call `next_event` until it returns None.

        No bytes at all mean that the peer could not be heard until now: its times begin anew.
        """
        if self.state is not State.CLOSED:
            if not data or not self._frames:
                self._frame_began_at = now
            self._frames.feed(data)
            self._received_at = now
            if self._awaiting_reply_since is not None:
                self._awaiting_reply_since = now

    def receive_eof(self) -> None:
        """The peer has closed the stream. What was cut in the middle of a frame is nothing: its
        sender has no ack for it and sends it again.
        """
        self.state = State.CLOSED

    def next_event(self) -> Event | None:
        """The next message or bad frame, or None until more bytes come.

        While the gateway is ADMITTING it returns None: call it again after the welcome.
        """
        if self.state in {State.ADMITTING, State.CLOSED}:
            return None
        try:
            body = self._frames.next_body()
        except RemoteProtocolError as error:
            return self._lost_framing(error)
        if body is None:
            return None
        self._frame_began_at = self._received_at  # of what follows, at the latest
        self.body = body
        event = decode_or_bad(body)
        if not isinstance(event, BadFrame):
            state = self._transitions[self.state].get((RECEIVE, type(event)))
            if state is not None:
                self._received(event, state)
                return event
            detail = f"{type(event).__name__} while {self.state.value}"
            event = BadFrame(body, RefusalCode.UNEXPECTED_MESSAGE, detail)
        return self._bad_frame(event)

    def peek_event(self) -> Event | None:
        """What `next_event` would return, without taking it, as far as the frame alone tells: that
        it does not suit the state shows only then.
        """
        if self.state in {State.ADMITTING, State.CLOSED}:
            return None
        try:
            body = self._frames.peek_body()
        except RemoteProtocolError as error:
            return BadFrame(b"", error.code, error.detail)
        return None if body is None else decode_or_bad(body)

    def _received(self, message: Message, state: State) -> None:
        self.state = state
        if state is State.READY:
            self._awaiting_reply_since = None
        if type(message) is Goodbye:
            self.goodbye = message

    @property
    def buffered_bytes(self) -> int:
        """Received bytes that no event was made of yet."""
        return len(self._frames)

    # Sending.

    def send(self, message: Message, now: float) -> None:
        """Queue a message. Raises `LocalProtocolError` when the state does not allow it."""
        state = self._transitions[self.state].get((SEND, type(message)))
        if state is None:
            detail = f"{self.role.value} may not send {type(message).__name__} in {self.state}"
            raise LocalProtocolError(detail)
        self._out += encode_frame(encode(message))
        self.state = state
        self._sent_at = now
        if type(message) is Goodbye:
            self.goodbye = message
        elif self._is_new_question(message):
            self._awaiting_reply_since = now

    def _is_new_question(self, message: Message) -> bool:
        """Whether a reply must come within its time-out and none was awaited before."""
        return (
            self.role is Role.DEVICE
            and self._awaiting_reply_since is None
            and isinstance(message, _EXPECT_REPLY)
        )

    def data_to_send(self) -> bytes:
        """Take what is queued. Write it before the next read."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def close(self, reason: GoodbyeReason, now: float, retry_after_seconds: int = 0) -> None:
        """Say goodbye if the state allows it; CLOSED in any case. Harmless when closed."""
        if (SEND, Goodbye) in self._transitions[self.state]:
            self.send(Goodbye(reason, retry_after_seconds), now)
        self.state = State.CLOSED

    # Time.

    def next_deadline(self) -> float | None:
        """When `handle_deadline` must be called; it may change with every other call."""
        if self.state is State.CLOSED:
            return None
        if self.role is Role.GATEWAY:
            return self._gateway_deadline()
        if self._awaiting_reply_since is not None:
            return self._awaiting_reply_since + self.timeouts.reply_seconds
        return self._sent_at + self.timeouts.heartbeat_seconds

    def handle_deadline(self, now: float) -> None:
        """Do what is due at `now`: say goodbye to a silent peer, or (device) send a heartbeat."""
        deadline = self.next_deadline()
        if deadline is None or now < deadline:
            return
        if self.role is Role.DEVICE and self._awaiting_reply_since is None:
            self.send(Ping(), now)  # only a READY device awaits nothing
            return
        greeted = self.state in {State.ADMITTING, State.READY}
        self.close(GoodbyeReason.IDLE if greeted else GoodbyeReason.GREETING_TIMEOUT, now)

    def _gateway_deadline(self) -> float:
        if self.state in {State.START, State.AWAIT_HELLO}:
            return self._opened_at + self.timeouts.greeting_seconds
        idle_at = self._received_at + self.timeouts.idle_seconds
        if self.state is State.READY and self._frames:
            return min(idle_at, self._frame_began_at + self.timeouts.frame_seconds)
        return idle_at

    # When the peer is at fault.

    def _lost_framing(self, error: RemoteProtocolError) -> BadFrame:
        """Where the next frame begins is unknown: nothing that follows can be read."""
        self.body = self._frames.take_all()
        self._refuse_and_close(error.code)
        return BadFrame(self.body, error.code, error.detail)

    def _bad_frame(self, bad: BadFrame) -> BadFrame:
        if self.state is not State.READY:
            code = RefusalCode.GREETING_EXPECTED if bad.code in _NO_GREETING else bad.code
            self._refuse_and_close(code)
        elif bad.code is not RefusalCode.UNKNOWN_MESSAGE:
            self._bad_frames += 1
            if self._bad_frames > limits.MAX_BAD_FRAMES:
                self._goodbye(GoodbyeReason.TOO_MANY_ERRORS)
        return bad

    def _refuse_and_close(self, code: RefusalCode) -> None:
        if (SEND, Refusal) in self._transitions[self.state]:
            self.send(Refusal(code, Resend.LATER), self._received_at)
        self._goodbye(GoodbyeReason.PROTOCOL_ERROR)

    def _goodbye(self, reason: GoodbyeReason) -> None:
        self.close(reason, self._received_at)


_NO_GREETING = frozenset({RefusalCode.UNEXPECTED_MESSAGE, RefusalCode.UNKNOWN_MESSAGE})
_EXPECT_REPLY = (Hello, Ping, TaskAnswer, *STORED_MESSAGES)
