"""Who speaks over MQTT, message by message, without a broker."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.admission import Admission
from gateway.attendance import Attendance
from gateway.batcher import Batcher
from gateway.mqtt_client import Delivery, ManualAcks
from gateway.mqtt_sessions import MAX_REPLIES, Key, MqttSessions, Received
from gateway.protocol import limits
from gateway.protocol.connection import Event
from gateway.protocol.errors import GoodbyeReason, RefusalCode
from gateway.protocol.messages import (
    Ack,
    Goodbye,
    Hello,
    Message,
    Ping,
    Pong,
    Refusal,
    Welcome,
    WireReport,
    decode,
    decode_or_bad,
    encode,
)
from gateway.protocol.proof import Greeting, verify_gateway_proof
from gateway.protocol.wire_report import pack_report
from gateway.session import Session, Station
from gateway.settings import BatchSettings
from tests.helpers.builders import EDITION_2007, NOW, TABLES, build_report
from tests.helpers.device_client import secret_of
from tests.helpers.memory_store import MemoryStore
from tests.helpers.tcp_gateway import MemoryRegistry

pytestmark = pytest.mark.asyncio

KEY: Key = (7, 3)


class Rig:
    """Sessions with a store and a registry in memory, and a list of what the broker was acked."""

    def __init__(self, batch: BatchSettings | None = None) -> None:
        self.store = MemoryStore()
        self.registry = MemoryRegistry()
        self.batcher = Batcher(self.store, batch or BatchSettings(linger_seconds=0, writers=1))
        self.admission = Admission(self.registry)
        self.acked: list[int] = []
        self.acks = self._new_acks()
        self.refused: list[int] = []
        self.attendance = Attendance()
        loop = asyncio.get_running_loop()
        station = Station(
            tables=TABLES,
            offer=self.batcher.offer,
            refused=lambda _transport, items: self.refused.append(items),
            unix_time=lambda: float(NOW),
            monotonic=loop.time,
            call_soon=loop.call_soon,
            arrived=self.attendance.arrived,
            left=self.attendance.left,
        )
        self.sessions = MqttSessions(
            station, self.admission, self.batcher, recheck_device_seconds=60.0
        )
        self._next_id = 0

    def receive(self, body: bytes, key: Key = KEY) -> int:
        """Take a message as from the broker; returns its packet identifier."""
        self._next_id += 1
        delivery = Delivery(self._next_id, 1)
        self.acks._deliveries.append(delivery)
        self.sessions.receive(Received(key, decode_or_bad(body), body, self.acks, delivery))
        return self._next_id

    def reconnect(self) -> None:
        """Lose the connection to the broker and have another."""
        self.sessions.forget_waiting()
        self.acks = self._new_acks()

    def _new_acks(self) -> ManualAcks:
        return ManualAcks(lambda mid, _qos: self.acked.append(mid))

    async def reply(self) -> Message:
        """The next reply that would be published."""
        async with asyncio.timeout(10):
            _, body = await self.sessions.replies.get()
        return decode(body)


async def run_until_done(rig: Rig, work: Coroutine[Any, Any, None]) -> None:
    """Run batcher and admission until the work is done."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(rig.batcher.run())
        admission = tasks.create_task(rig.admission.run())
        await work
        await rig.batcher.drain(5)
        admission.cancel()


def report(sequence: int, **fields: Any) -> bytes:
    """A report as the body of a message, valid but for `fields`."""
    return encode(pack_report(build_report(sequence=sequence, **fields), EDITION_2007))


def hello(nonce: int) -> bytes:
    """A greeting with a nonce of its own."""
    return encode(Hello(1, *KEY, 0, bytes([nonce]) * limits.NONCE_BYTES, b""))


async def test_each_hello_gets_a_welcome_for_its_own_nonce() -> None:
    """A device that greeted twice while it was looked up can verify both welcomes."""
    rig = Rig()

    async def work() -> None:
        rig.registry.go_on.clear()
        rig.receive(hello(1))
        rig.receive(report(1))
        rig.receive(hello(2))
        rig.registry.go_on.set()
        welcomes = [m for m in [await rig.reply() for _ in range(3)] if isinstance(m, Welcome)]
        for nonce, welcome in zip((1, 2), welcomes, strict=True):
            greeting = Greeting(b"", bytes([nonce]) * limits.NONCE_BYTES, *KEY)
            assert verify_gateway_proof(secret_of(KEY[0]), greeting, welcome.proof)

    await run_until_done(rig, work())
    assert rig.acked == [1, 2, 3]


async def test_what_was_given_up_holds_up_nobody() -> None:
    """A frame that a bug of ours cannot store is not acked to its device, and blocks no other."""
    rig = Rig()

    async def work() -> None:
        rig.store.bug = RuntimeError("a bug of this test")
        rig.receive(report(1))
        while rig.acked != [1]:  # noqa: ASYNC110 -- a list tells nobody when it grows
            await asyncio.sleep(0)
        rig.store.bug = None
        rig.receive(report(2))
        assert await rig.reply() == Ack(0, [2, 1])

    await run_until_done(rig, work())
    assert rig.acked == [1, 2]


async def test_bad_frames_are_logged_once_a_session() -> None:
    """The first is logged with its bytes, the others are only counted."""
    rig = Rig()

    async def work() -> None:
        with capture_logs() as lines:
            for _ in range(3):
                rig.receive(b"\xc1")
                await rig.reply()
        assert [line["event"] for line in lines if line["event"] == "bad_frame"] == ["bad_frame"]

    await run_until_done(rig, work())


async def test_messages_wait_while_the_batcher_is_full() -> None:
    """Nothing is decoded into the batcher beyond its bound; it goes on when there is space."""
    rig = Rig(BatchSettings(max_pending_items=2, linger_seconds=0, writers=1))

    async def work() -> None:
        rig.receive(encode(Ping()))
        assert await rig.reply() == Pong()
        rig.store.go_on.clear()
        for sequence in range(1, 10):
            rig.receive(report(sequence))
        assert rig.batcher.is_full
        assert rig.batcher.statistics().pending_items == 3
        rig.store.go_on.set()
        while len(rig.store.reports) < 9:
            await rig.reply()

    await run_until_done(rig, work())
    assert rig.acked == list(range(1, 11))


async def test_an_unknown_device_is_refused_and_counted() -> None:
    """Its reports count as refused, its messages are acked to the broker, and it keeps them."""
    rig = Rig()

    async def work() -> None:
        rig.receive(report(1), (9_999_999, 1))
        await rig.reply()

    await run_until_done(rig, work())
    assert (rig.refused, rig.acked, rig.store.reports) == ([1], [1], {})


async def test_no_ack_covers_a_refusal_that_may_be_lost() -> None:
    """A reply can be lost alone: the refused report stays open until a refusal names it."""
    rig = Rig()

    async def work() -> None:
        rig.receive(report(1, class_code=9))
        assert isinstance(await rig.reply(), Refusal)
        rig.receive(report(2))
        assert await rig.reply() == Ack(0, [2, 1])

    await run_until_done(rig, work())
    assert rig.acked == [1, 2]


async def test_no_ack_covers_what_only_a_welcome_tells() -> None:
    """Acks begin below the first refused number, whatever is settled beyond it."""
    rig = Rig()
    rig.registry.settled_through = 9
    rig.registry.refused = ((4, RefusalCode.UNKNOWN_CLASS), (7, RefusalCode.UNKNOWN_CLASS))

    async def work() -> None:
        rig.receive(hello(1))
        welcome = await rig.reply()
        assert isinstance(welcome, Welcome)
        assert welcome.settled_through == 9
        rig.receive(report(10))
        assert await rig.reply() == Ack(3, [7, 1])

    await run_until_done(rig, work())


async def test_what_waits_for_a_look_up_does_not_pile_up() -> None:
    """While the registry is away, each reconnect brings the same messages: none is kept twice."""
    rig = Rig()

    async def work() -> None:
        rig.registry.go_on.clear()
        for _ in range(3):
            for sequence in range(1, 11):
                rig.receive(report(sequence))
            rig.reconnect()
        for sequence in range(1, 11):
            rig.receive(report(sequence))
        rig.registry.go_on.set()
        while len(rig.store.reports) < 10:
            await rig.reply()

    await run_until_done(rig, work())
    assert rig.acked == [1, *range(31, 41)]


async def test_what_waited_for_a_look_up_goes_on_as_the_batcher_has_room() -> None:
    """An answer lets no more into the batcher than its bound, and keeps the order."""
    rig = Rig(BatchSettings(max_pending_items=2, linger_seconds=0, writers=1))

    async def work() -> None:
        rig.registry.go_on.clear()
        rig.store.go_on.clear()
        for sequence in range(1, 10):
            rig.receive(report(sequence))
        rig.registry.go_on.set()
        while not rig.batcher.is_full:  # noqa: ASYNC110 -- a count tells nobody when it grows
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        statistics = rig.batcher.statistics()
        assert statistics.pending_items + statistics.in_flight_items == 3
        rig.store.go_on.set()
        while len(rig.store.reports) < 9:
            await rig.reply()

    await run_until_done(rig, work())
    assert rig.acked == list(range(1, 10))


async def test_a_bug_in_one_message_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message goes back to nobody: its device, which has no ack, sends it again."""
    rig = Rig()
    handle = Session.handle

    def fail_on_2(session: Session, event: Event, *others: Any) -> None:
        if isinstance(event, WireReport) and event.sequence == 2:
            raise RuntimeError("a bug of this test")
        handle(session, event, *others)

    monkeypatch.setattr(Session, "handle", fail_on_2)

    async def work() -> None:
        with capture_logs() as lines:
            for sequence in (1, 2, 3):
                rig.receive(report(sequence))
            while len(rig.store.reports) < 2:
                await rig.reply()
        assert "session_failed" in [line["event"] for line in lines]

    await run_until_done(rig, work())
    assert sorted(rig.acked) == [1, 2, 3]


GOODBYE = encode(Goodbye(GoodbyeReason.NORMAL))


async def test_who_has_greeted_is_here_until_it_says_goodbye() -> None:
    """Its will says the same. A second goodbye means nothing."""
    rig = Rig()

    async def work() -> None:
        rig.receive(hello(1))
        assert isinstance(await rig.reply(), Welcome)
        assert rig.attendance.devices() == [KEY[0]]
        rig.receive(GOODBYE)
        rig.receive(GOODBYE)
        assert rig.attendance.devices() == []
        rig.receive(report(1))
        await rig.reply()
        assert rig.attendance.devices() == [KEY[0]]

    await run_until_done(rig, work())
    assert rig.acked == [1, 2, 3, 4]


async def test_a_goodbye_opens_no_session() -> None:
    """Nobody is looked up for it, known or not."""
    rig = Rig()

    async def work() -> None:
        rig.receive(GOODBYE)
        rig.receive(GOODBYE, (9_999_999, 1))

    await run_until_done(rig, work())
    assert (rig.acked, rig.registry.lookups, rig.sessions.replies.qsize()) == ([1, 2], [], 0)


async def test_a_goodbye_behind_a_greeting_waits_for_its_turn() -> None:
    """Else the device would be here for ever."""
    rig = Rig()

    async def work() -> None:
        rig.receive(hello(1))
        rig.receive(GOODBYE)
        await rig.reply()
        while rig.acked != [1, 2]:  # noqa: ASYNC110 -- a list tells nobody when it grows
            await asyncio.sleep(0)
        assert rig.attendance.devices() == []

    await run_until_done(rig, work())


async def test_who_is_refused_later_leaves() -> None:
    """A device that is revoked is not here any more once it is looked up again."""
    rig = Rig()

    async def work() -> None:
        rig.receive(hello(1))
        await rig.reply()
        rig.registry.revoked.add(KEY[0])
        rig.receive(hello(2))
        assert isinstance(await rig.reply(), Refusal)
        assert rig.attendance.devices() == []

    await run_until_done(rig, work())


async def test_looking_up_again_keeps_a_device_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that has grown old is replaced; its device is never away meanwhile."""
    rig = Rig()
    monkeypatch.setattr(rig.sessions, "_recheck_device_seconds", 0.0)
    left: list[Session] = []

    async def work() -> None:
        rig.receive(report(1))
        await rig.reply()
        rig.attendance.listen(Ear(left))
        first = rig.attendance.session_of(KEY[0])
        rig.receive(report(2))
        await rig.reply()
        assert rig.attendance.session_of(KEY[0]) not in {None, first}

    await run_until_done(rig, work())
    assert left == []
    assert len(rig.registry.lookups) == 2


class Ear:
    """Remembers who left."""

    def __init__(self, left: list[Session]) -> None:
        self._left = left

    def arrived(self, session: Session) -> None:
        """See `Listener`."""

    def left(self, session: Session) -> None:
        """See `Listener`."""
        self._left.append(session)


async def test_who_was_silent_longest_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no room for one more; at the bound nobody has to."""
    monkeypatch.setattr("gateway.mqtt_sessions.MAX_SESSIONS", 2)
    rig = Rig()

    async def work() -> None:
        for device in (1, 2):
            rig.receive(report(1), (device, 1))
            await rig.reply()
        assert rig.attendance.devices() == [1, 2]
        rig.receive(report(2), (1, 1))
        await rig.reply()
        rig.receive(report(1), (3, 1))
        await rig.reply()
        assert rig.attendance.devices() == [1, 3]

    await run_until_done(rig, work())


async def test_a_session_listens_while_there_is_room_for_replies() -> None:
    """What finds no room would be dropped: a task is better sent later."""
    rig = Rig()

    async def work() -> None:
        rig.receive(hello(1))
        await rig.reply()
        session = rig.attendance.session_of(KEY[0])
        assert session
        session.send([Ping()] * (MAX_REPLIES - 1))
        assert session.is_listening()
        session.send([Ping()])
        assert not session.is_listening()
        await rig.reply()
        assert session.is_listening()

    await run_until_done(rig, work())
