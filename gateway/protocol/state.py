"""The states of a session, as a table and nothing else.

Each side runs its own copy of this machine: (role, state) -> (direction, message) -> next state.
What does not stand here is not allowed. A message that we must not *send* is a bug of ours
(`LocalProtocolError`). One that we must not *receive* is the peer's fault: before the session is
READY it ends the session, afterwards it is refused and the session goes on.

Between a hello and its welcome the gateway is ADMITTING: it looks the device up and takes nothing
from its buffer, so a device may send reports right behind its hello and save a round trip; they
are read when it is welcome. The diagrams in `docs/protocol.md` are made from this table.
"""

from collections.abc import Mapping
from enum import Enum, unique
from typing import Final

from gateway.protocol.messages import (
    Ack,
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
)
from gateway.protocol.task_messages import (
    Task,
    TaskAnswer,
    TaskNoted,
    TaskReceipt,
    TaskWithdrawal,
)


@unique
class Role(Enum):
    """Which side of the session we are."""

    GATEWAY = "gateway"
    DEVICE = "device"

    __hash__ = object.__hash__  # members are singletons; Enum's own hash costs each look-up 0.4 us


@unique
class Direction(Enum):
    """Which way a message goes, seen from our side."""

    SEND = "send"
    RECEIVE = "receive"

    __hash__ = object.__hash__  # as for `Role`


@unique
class State(Enum):
    """Where a session stands."""

    START = "start"
    AWAIT_HELLO = "await hello"
    ADMITTING = "admitting"
    GREETING = "greeting"
    AWAIT_WELCOME = "await welcome"
    READY = "ready"
    CLOSED = "closed"

    __hash__ = object.__hash__  # as for `Role`


SEND, RECEIVE = Direction.SEND, Direction.RECEIVE

Input = tuple[Direction, type[Message]]

_GATEWAY: Final[Mapping[State, Mapping[Input, State]]] = {
    State.START: {
        (SEND, Challenge): State.AWAIT_HELLO,
    },
    State.AWAIT_HELLO: {
        (RECEIVE, Hello): State.ADMITTING,
        (RECEIVE, Goodbye): State.CLOSED,
        (SEND, Refusal): State.AWAIT_HELLO,
        (SEND, Goodbye): State.CLOSED,
    },
    State.ADMITTING: {
        (SEND, Welcome): State.READY,
        (SEND, Refusal): State.ADMITTING,
        (SEND, Goodbye): State.CLOSED,
    },
    State.READY: {
        (RECEIVE, WireReport): State.READY,
        (RECEIVE, WireBacklog): State.READY,
        (RECEIVE, WireTrack): State.READY,
        (RECEIVE, TaskNoted): State.READY,
        (RECEIVE, TaskAnswer): State.READY,
        (RECEIVE, Ping): State.READY,
        (RECEIVE, Pong): State.READY,
        (RECEIVE, Goodbye): State.CLOSED,
        (SEND, Ack): State.READY,
        (SEND, Refusal): State.READY,
        (SEND, Task): State.READY,
        (SEND, TaskReceipt): State.READY,
        (SEND, TaskWithdrawal): State.READY,
        (SEND, Ping): State.READY,
        (SEND, Pong): State.READY,
        (SEND, Goodbye): State.CLOSED,
    },
    State.CLOSED: {},
}

_DEVICE: Final[Mapping[State, Mapping[Input, State]]] = {
    State.START: {
        (RECEIVE, Challenge): State.GREETING,
        (RECEIVE, Goodbye): State.CLOSED,
        (SEND, Goodbye): State.CLOSED,
    },
    State.GREETING: {
        (SEND, Hello): State.AWAIT_WELCOME,
        (RECEIVE, Refusal): State.GREETING,
        (RECEIVE, Goodbye): State.CLOSED,
        (SEND, Goodbye): State.CLOSED,
    },
    State.AWAIT_WELCOME: {
        (RECEIVE, Welcome): State.READY,
        (RECEIVE, Refusal): State.AWAIT_WELCOME,
        (RECEIVE, Goodbye): State.CLOSED,
        (SEND, WireReport): State.AWAIT_WELCOME,
        (SEND, WireBacklog): State.AWAIT_WELCOME,
        (SEND, WireTrack): State.AWAIT_WELCOME,
        (SEND, Goodbye): State.CLOSED,
    },
    State.READY: {
        (RECEIVE, Ack): State.READY,
        (RECEIVE, Refusal): State.READY,
        (RECEIVE, Task): State.READY,
        (RECEIVE, TaskReceipt): State.READY,
        (RECEIVE, TaskWithdrawal): State.READY,
        (RECEIVE, Ping): State.READY,
        (RECEIVE, Pong): State.READY,
        (RECEIVE, Goodbye): State.CLOSED,
        (SEND, WireReport): State.READY,
        (SEND, WireBacklog): State.READY,
        (SEND, WireTrack): State.READY,
        (SEND, TaskNoted): State.READY,
        (SEND, TaskAnswer): State.READY,
        (SEND, Ping): State.READY,
        (SEND, Pong): State.READY,
        (SEND, Goodbye): State.CLOSED,
    },
    State.CLOSED: {},
}

TRANSITIONS: Final[Mapping[Role, Mapping[State, Mapping[Input, State]]]] = {
    Role.GATEWAY: _GATEWAY,
    Role.DEVICE: _DEVICE,
}
