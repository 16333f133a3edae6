"""The times of a session, in numbers: at each limit and an instant before it."""

import pytest

from gateway.protocol.connection import Connection, Timeouts
from gateway.protocol.errors import GoodbyeReason
from gateway.protocol.messages import (
    Ack,
    Goodbye,
    Message,
    Ping,
    Pong,
)
from gateway.protocol.state import Role, State
from gateway.protocol.task_messages import TaskAnswer, TaskNoted
from gateway.protocol.wire_report import pack_report, pack_track
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

REPORT = pack_report(build_report(description="plain"), EDITION_2007)
TRACK = pack_track(build_track(), EDITION_2007)


def _hello_received(now: float) -> Connection:
    gateway = awaiting_hello()
    gateway.receive_data(frame_of(HELLO), now)
    assert drain(gateway) == [HELLO]
    return gateway


def test_greeting_time_is_counted_from_the_opening() -> None:
    """30 seconds for a whole greeting, however the bytes drip in; one instant less is in time."""
    gateway = awaiting_hello()
    frame = frame_of(HELLO)
    for second in range(29):
        gateway.receive_data(frame[second : second + 1], float(second))
        assert drain(gateway) == []
    assert gateway.next_deadline() == 30.0
    gateway.handle_deadline(29.999)
    assert state_of(gateway) is State.AWAIT_HELLO
    gateway.handle_deadline(30.0)
    assert state_of(gateway) is State.CLOSED
    assert sent_by(gateway) == [Goodbye(GoodbyeReason.GREETING_TIMEOUT)]


def test_a_gateway_that_never_challenged_gives_up_too() -> None:
    """A session that never starts ends with the greeting time, in silence."""
    gateway = Connection(Role.GATEWAY, 100.0)
    assert gateway.next_deadline() == 130.0
    gateway.handle_deadline(130.0)
    assert state_of(gateway) is State.CLOSED
    assert gateway.data_to_send() == b""


def test_idle_time_runs_from_the_last_byte() -> None:
    """600 seconds of silence end an admitted session; any byte starts them anew."""
    gateway = _hello_received(5.0)
    assert gateway.next_deadline() == 605.0
    gateway.send(WELCOME, 6.0)
    gateway.receive_data(frame_of(Ping()), 100.0)
    assert drain(gateway) == [Ping()]
    gateway.send(Ping(), 500.0)
    assert gateway.next_deadline() == 700.0
    gateway.handle_deadline(699.999)
    assert state_of(gateway) is State.READY
    gateway.data_to_send()
    gateway.handle_deadline(700.0)
    assert sent_by(gateway) == [Goodbye(GoodbyeReason.IDLE)]
    assert state_of(gateway) is State.CLOSED


def test_idle_while_admitting_says_idle() -> None:
    """A device whose admission takes for ever was greeting in time: it is not blamed for that."""
    gateway = _hello_received(5.0)
    gateway.handle_deadline(605.0)
    assert sent_by(gateway) == [Goodbye(GoodbyeReason.IDLE)]


def test_heartbeat_when_nothing_was_sent() -> None:
    """A device sends a ping 270 seconds after its last frame, and not before."""
    device = ready(Role.DEVICE)
    assert device.next_deadline() == 270.0
    device.handle_deadline(269.999)
    assert device.data_to_send() == b""
    device.handle_deadline(270.0)
    assert sent_by(device) == [Ping()]
    assert device.next_deadline() == 330.0


def test_any_frame_puts_the_heartbeat_off() -> None:
    """270 seconds run from whatever was sent last."""
    device = ready(Role.DEVICE)
    device.send(Pong(), 200.0)
    assert device.next_deadline() == 470.0


@pytest.mark.parametrize("question", [REPORT, TRACK, TaskAnswer(7, 1, 1_206_000_000), Ping()])
def test_reply_must_come_within_its_time(question: Message) -> None:
    """A device that has waited 60 seconds takes the link for dead, whatever it sends meanwhile."""
    device = ready(Role.DEVICE)
    device.send(question, 10.0)
    device.send(REPORT, 40.0)
    assert device.next_deadline() == 70.0
    device.handle_deadline(69.999)
    assert state_of(device) is State.READY
    device.data_to_send()
    device.handle_deadline(70.0)
    assert state_of(device) is State.CLOSED
    assert sent_by(device) == [Goodbye(GoodbyeReason.IDLE)]


def test_a_noted_task_awaits_nothing() -> None:
    """Nothing answers a note: the next that is due is the heartbeat."""
    device = ready(Role.DEVICE)
    device.send(TaskNoted(7), 10.0)
    assert device.next_deadline() == 280.0


def test_reply_time_at_clock_zero() -> None:
    """A clock that starts at zero, as a virtual one does, counts like any other."""
    device = ready(Role.DEVICE, now=0.0)
    device.send(REPORT, 0.0)
    device.send(REPORT, 30.0)
    assert device.next_deadline() == 60.0


def test_bytes_on_the_way_put_the_reply_time_off() -> None:
    """A slow link that delivers is no dead link; a whole message ends the waiting."""
    device = ready(Role.DEVICE)
    device.send(REPORT, 10.0)
    frame = frame_of(Ack(1))
    device.receive_data(frame[:1], 50.0)
    assert drain(device) == []
    assert device.next_deadline() == 110.0
    device.receive_data(frame[1:], 100.0)
    assert drain(device) == [Ack(1)]
    assert device.next_deadline() == 280.0


@pytest.mark.parametrize("steps", [0, 1, 2], ids=["start", "greeting", "await welcome"])
def test_device_waits_so_long_for_each_step_of_the_greeting(steps: int) -> None:
    """60 seconds without a byte from the gateway end a greeting, wherever it stands."""
    device = Connection(Role.DEVICE, 0.0)
    expected_deadline = 60.0
    if steps >= 1:
        device.receive_data(frame_of(CHALLENGE), 20.0)
        assert drain(device) == [CHALLENGE]
        expected_deadline = 80.0
    if steps >= 2:
        device.send(HELLO, 21.0)
        device.data_to_send()
    assert device.next_deadline() == expected_deadline
    device.handle_deadline(expected_deadline - 0.001)
    assert state_of(device) is not State.CLOSED
    device.handle_deadline(expected_deadline)
    assert state_of(device) is State.CLOSED
    assert sent_by(device) == [Goodbye(GoodbyeReason.GREETING_TIMEOUT)]


@pytest.mark.parametrize("second", [0.0, 12.0])
def test_a_frame_that_never_becomes_whole(second: float) -> None:
    """300 seconds from its first byte, however the others drip in; an instant less is in time."""
    gateway = ready(Role.GATEWAY)
    frame = frame_of(REPORT)
    for number in range(30):
        gateway.receive_data(frame[number : number + 1], second + 10 * number)
        assert drain(gateway) == []
    assert gateway.next_deadline() == second + 300.0
    gateway.handle_deadline(second + 299.999)
    assert state_of(gateway) is State.READY
    gateway.handle_deadline(second + 300.0)
    assert state_of(gateway) is State.CLOSED
    assert sent_by(gateway) == [Goodbye(GoodbyeReason.IDLE)]


def test_each_frame_has_its_own_time() -> None:
    """One that is whole in time leaves the next one all of its own; so does a pause of ours."""
    gateway = _hello_received(0.0)
    gateway.send(WELCOME, 0.0)
    frame = frame_of(REPORT)
    gateway.receive_data(frame[:5], 1.0)
    gateway.receive_data(frame[5:] + frame[:1], 200.0)
    assert drain(gateway) == [REPORT]
    assert gateway.next_deadline() == 500.0
    gateway.receive_data(b"", 450.0)
    assert gateway.next_deadline() == 750.0
    gateway.receive_data(frame[1:], 451.0)
    assert drain(gateway) == [REPORT]
    assert gateway.next_deadline() == 1_051.0


def test_timeouts_can_be_set() -> None:
    """A gateway with shorter times keeps to those; the defaults are the protocol's."""
    short = Timeouts(greeting_seconds=1, idle_seconds=2, heartbeat_seconds=3, reply_seconds=4)
    pair = ConnectionPair(timeouts=short)
    assert (pair.gateway.next_deadline(), pair.device.next_deadline()) == (1, 4)
    pair.greet()
    assert (pair.gateway.next_deadline(), pair.device.next_deadline()) == (2, 3)
    assert Timeouts() == Timeouts(30, 600, 300, 270, 60)


def test_two_idle_sides_keep_each_other_alive() -> None:
    """With nothing to say for a day, heartbeats alone keep a session open."""
    pair = ConnectionPair()
    pair.greet()
    pings = 0
    while pair.now < 86_400:
        deadlines = [pair.gateway.next_deadline(), pair.device.next_deadline()]
        pair.now = min(deadline for deadline in deadlines if deadline is not None)
        pair.gateway.handle_deadline(pair.now)
        pair.device.handle_deadline(pair.now)
        if pair.from_device() == [Ping()]:
            pings += 1
            assert pair.from_gateway(Pong()) == [Pong()]
    assert {pair.device.state, pair.gateway.state} == {State.READY}
    assert pings == 86_400 // 270
