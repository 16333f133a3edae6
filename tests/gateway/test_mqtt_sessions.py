"""Who speaks over MQTT, message by message, without a broker."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.admission import NOT_ADMITTED_RETRY_SECONDS
from gateway.allowance import BURST_GREETINGS
from gateway.mqtt_sessions import HANDLED_AT_ONCE, MAX_UNDER_WAY
from gateway.protocol import limits
from gateway.protocol.connection import Event
from gateway.protocol.errors import RefusalCode, Resend
from gateway.protocol.messages import (
    Ack,
    Ping,
    Pong,
    Refusal,
    Welcome,
    WireReport,
    encode,
)
from gateway.protocol.proof import Greeting, verify_gateway_proof
from gateway.protocol.report import Urgency
from gateway.session import Session
from gateway.settings import BatchSettings
from tests.helpers.device_client import secret_of
from tests.helpers.mqtt_rig import KEY, Rig, hello, report, run_until_done
from tests.helpers.tcp_gateway import until

pytestmark = pytest.mark.asyncio


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


async def test_an_emergency_goes_on_while_the_batcher_is_full() -> None:
    """Known device or not yet known, it is stored and answered before all that wait."""
    rig = Rig(BatchSettings(max_pending_items=2, linger_seconds=0, writers=1))
    rig.store.holds = lambda parcels: not parcels[0].urgent

    async def work() -> None:
        for sequence in range(1, 10):
            rig.receive(report(sequence))
        await rig.store.until_held(1)
        assert rig.batcher.is_full
        rig.receive(report(10, urgency=Urgency.EMERGENCY))
        assert await rig.reply() == Ack(0, [10, 1])
        other = (8, 3)
        rig.registry.go_on.clear()
        rig.receive(report(1), other)
        rig.receive(report(2, urgency=Urgency.EMERGENCY), other)
        rig.registry.go_on.set()
        assert await rig.reply() == Ack(0, [2, 1])
        assert sorted(rig.store.reports) == [(*KEY, 10), (*other, 2)]
        rig.store.release()
        while len(rig.store.reports) < 12:
            await rig.reply()

    await run_until_done(rig, work())
    assert rig.acked == list(range(1, 13))


async def test_many_messages_are_taken_in_portions() -> None:
    """What waited for room does not hold the event loop when it comes; the order is kept."""
    rig = Rig()

    async def work() -> None:
        rig.receive(encode(Ping()))
        assert await rig.reply() == Pong()
        rig.sessions._waits = True
        count = 2 * HANDLED_AT_ONCE + 1
        for sequence in range(1, count + 1):
            rig.receive(report(sequence))
        rig.sessions._go_on()
        assert rig.batcher.statistics().pending_items == HANDLED_AT_ONCE
        while len(rig.store.reports) < count:
            await rig.reply()

    await run_until_done(rig, work())
    assert rig.acked == list(range(1, 2 * HANDLED_AT_ONCE + 3))


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


SHUT_OUT = Refusal(
    RefusalCode.NOT_ADMITTED, Resend.LATER, retry_after_seconds=NOT_ADMITTED_RETRY_SECONDS
)


async def test_a_session_that_is_shut_out_is_looked_up_again() -> None:
    """Its device is told on its down topic; its next message does not profit from the trust of
    `recheck_device_seconds`.
    """
    rig = Rig()

    async def work() -> None:
        rig.registry.standing = 4
        rig.receive(report(1))
        assert await rig.reply() == Ack(1)
        (session,) = rig.attendance.sessions()
        assert session.standing == 4
        rig.registry.revoked.add(KEY[0])
        session.shut_out()
        assert await rig.reply() == SHUT_OUT
        assert rig.attendance.sessions() == []
        rig.receive(report(2))
        assert await rig.reply() == SHUT_OUT

    await run_until_done(rig, work())
    assert (list(rig.store.reports), rig.refused) == ([(*KEY, 1)], [1])


async def test_a_flood_of_one_device_stands_before_nobody_else() -> None:
    """Whoever waits for room has turns: the third message of one comes behind the first of all."""
    rig = Rig(BatchSettings(max_pending_items=1, linger_seconds=0, writers=1))
    other = (8, 3)

    async def work() -> None:
        for key in (KEY, other):
            rig.receive(encode(Ping()), key)
            assert await rig.reply() == Pong()
        rig.store.go_on.clear()
        for sequence in range(1, 101):
            rig.receive(report(sequence))
        rig.receive(report(1), other)
        rig.store.go_on.set()
        await until(lambda: (*other, 1) in rig.store.reports)
        assert len(rig.store.reports) < 20
        await until(lambda: len(rig.store.reports) == 101)

    await run_until_done(rig, work())


async def test_one_device_has_only_so_much_under_way() -> None:
    """What a window, sent twice, cannot explain is refused for now and takes no room."""
    rig = Rig(BatchSettings(max_pending_items=1, linger_seconds=0, writers=1))

    async def work() -> None:
        rig.receive(encode(Ping()))
        assert await rig.reply() == Pong()
        rig.store.go_on.clear()
        for sequence in range(1, MAX_UNDER_WAY + 1):
            rig.receive(report(sequence))
        assert rig.refused == []
        rig.receive(report(5_000))
        assert rig.refused == [1]
        refusal = await rig.reply()
        assert isinstance(refusal, Refusal)
        assert (refusal.code, refusal.sequence) == (RefusalCode.TOO_MANY_REPORTS, 5_000)
        rig.receive(report(1), (8, 3))
        assert rig.refused == [1]
        rig.store.go_on.set()
        await until(lambda: len(rig.store.reports) == MAX_UNDER_WAY + 1)

    await run_until_done(rig, work())
    assert (*KEY, 5_000) not in rig.store.reports


async def test_greetings_of_one_device_are_bounded() -> None:
    """Each is a look into the database; beyond its share they get one word a second."""
    rig = Rig()

    async def work() -> None:
        for installation in range(1, BURST_GREETINGS + 1):
            rig.receive(hello(1), (KEY[0], installation))
        assert rig.replies_waiting() == 0
        for installation in range(1_001, 1_010):
            rig.receive(hello(1), (KEY[0], installation))
        refusal = await rig.reply()
        assert isinstance(refusal, Refusal)
        assert (refusal.code, refusal.resend) == (RefusalCode.TOO_MANY_REPORTS, Resend.LATER)
        rig.receive(hello(1), (8, 3))
        for _ in range(BURST_GREETINGS + 1):
            assert isinstance(await rig.reply(), Welcome)
        assert rig.replies_waiting() == 0

    await run_until_done(rig, work())
    assert len(rig.acked) == BURST_GREETINGS + 10


async def test_the_report_of_a_device_that_waits_for_nothing_else_passes_a_crowd() -> None:
    """A flood of another makes only that one wait."""
    rig = Rig(BatchSettings(max_items=2, max_pending_items=4, linger_seconds=0, writers=1))
    other = (8, 3)

    async def work() -> None:
        rig.receive(report(1), other)
        assert await rig.reply() == Ack(1)
        rig.store.holds = lambda parcels: not parcels[0].urgent
        for sequence in range(1, 10):
            rig.receive(report(sequence))
        await rig.store.until_held(1)
        await until(rig.batcher.is_crowded)
        rig.receive(report(2), other)
        assert await rig.reply() == Ack(2)
        rig.store.release()
        await until(lambda: len(rig.store.reports) == 11)

    await run_until_done(rig, work())


async def test_who_calls_everything_an_emergency_waits_like_the_others() -> None:
    """Beyond its share its emergencies wait for room; those of others do not."""
    rig = Rig(BatchSettings(max_pending_items=2, linger_seconds=0, writers=1))
    rig.station.allowances.of(KEY[0], 0.0).emergencies.take(60, asyncio.get_running_loop().time())
    rig.store.holds = lambda parcels: not parcels[0].urgent
    other = (8, 3)

    async def work() -> None:
        for sequence in range(1, 10):
            rig.receive(report(sequence, urgency=Urgency.EMERGENCY))
        await rig.store.until_held(1)
        rig.receive(report(10, urgency=Urgency.EMERGENCY))
        assert rig.batcher.statistics().pending_items <= 3
        assert rig.sessions._inbox.waiting(KEY[0]) >= 7
        rig.receive(report(1, urgency=Urgency.EMERGENCY), other)
        assert await rig.reply() == Ack(1)
        assert sorted(rig.store.reports) == [(*other, 1)]
        rig.store.release()
        await until(lambda: len(rig.store.reports) == 11)

    await run_until_done(rig, work())
