"""Tests of what sessions of both transports share, on a transport that sends names of messages."""

import math
from pathlib import Path

import pytest
import trio
from trio.testing import memory_stream_pair

from device_sim.courier import Courier
from device_sim.session import Ending, Session
from device_sim.streams import CountedLink
from gateway.protocol.messages import Ack, Message
from tests.helpers.builders import build_reports, build_task
from tests.helpers.couriers import build_courier, open_outbox, welcome_to, write_all


class NameSession(Session):
    """Greets with "hello"; "welcome" and "ack" are the answers it knows."""

    room = 100

    def _open(self, now: float) -> bytes:
        del now
        self.hello = self.courier.hello(None)
        return b"hello "

    def _receive(self, data: bytes, now: float) -> None:
        for word in data.split():
            if word == b"welcome":
                self.courier.receive(welcome_to(self.hello), now)
            else:
                self.courier.receive(Ack(int(word)), now)

    def _pack(self, message: Message, now: float) -> bytes:
        del now
        self.room -= 1
        return f"{type(message).__name__} ".encode()

    def _keep_time(self, now: float) -> None:
        pass

    def _next_deadline(self) -> float:
        return math.inf

    def _farewell(self, now: float) -> bytes:
        del now
        return b"bye "

    def _has_room(self) -> bool:
        return self.room > 0


@pytest.fixture
def courier(tmp_path: Path) -> Courier:
    """A courier with two reports to send."""
    courier = build_courier(open_outbox(tmp_path))
    write_all(courier, build_reports(2))
    return courier


@pytest.mark.trio
async def test_from_hello_to_farewell(courier: Courier) -> None:
    """Nothing goes before the welcome, which is told once; the end comes with the last ack."""
    ours, theirs = memory_stream_pair()
    session = NameSession(CountedLink(ours, courier.tally.traffic), courier)
    told, endings = [], []

    async def run() -> None:
        endings.append(await session.run(lambda: told.append("welcome")))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        assert await theirs.receive_some(99) == b"hello "
        await theirs.send_all(b"welcome")
        assert await theirs.receive_some(99) == b"WireReport WireReport "
        await theirs.send_all(b"1 ")
        await trio.testing.wait_all_tasks_blocked()
        await theirs.send_all(b"2 ")
        assert await theirs.receive_some(99) == b"bye "
    assert endings == [Ending.FINISHED]
    assert told == ["welcome"]


@pytest.mark.trio
async def test_a_transport_without_room_sends_nothing(courier: Courier) -> None:
    """What waits stays with the handset."""
    ours, theirs = memory_stream_pair()
    session = NameSession(CountedLink(ours, courier.tally.traffic), courier)
    session.room = 1
    async with trio.open_nursery() as nursery:
        nursery.start_soon(session.run, lambda: None)
        await theirs.receive_some(99)
        await theirs.send_all(b"welcome")
        assert await theirs.receive_some(99) == b"WireReport "
        nursery.cancel_scope.cancel()


@pytest.mark.trio
@pytest.mark.parametrize("room", [0, 100])
async def test_a_session_that_may_not_send_sleeps(tmp_path: Path, room: int) -> None:
    """Though an answer is due: before the welcome, and while the transport has no room."""
    courier = build_courier(open_outbox(tmp_path))
    courier.stays_on = True
    courier.receive(welcome_to(courier.hello(None)), 0.0)
    courier.receive(build_task(), 0.0)
    courier.link_lost()
    ours, theirs = memory_stream_pair()
    session = NameSession(CountedLink(ours, courier.tally.traffic), courier)
    session.room = room
    async with trio.open_nursery() as nursery:
        nursery.start_soon(session.run, lambda: None)
        with trio.fail_after(10):
            await trio.testing.wait_all_tasks_blocked()
            await theirs.send_all(b"welcome")
            await trio.testing.wait_all_tasks_blocked()
        received = await theirs.receive_some(99)
        assert received == b"hello " + (b"TaskAnswer " if room else b"")
        nursery.cancel_scope.cancel()


def test_the_first_reason_to_end_counts(courier: Courier) -> None:
    """What comes later was its consequence."""
    ours, _ = memory_stream_pair()
    session = NameSession(CountedLink(ours, courier.tally.traffic), courier)
    session.end(Ending.CUT)
    session.end(Ending.LOST, 30)
    assert (session.ending, session.retry_after_seconds) == (Ending.CUT, 0)
