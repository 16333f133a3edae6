"""Who gets a session, and how sessions end when the gateway does."""

import asyncio

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from gateway import admission as admission_module
from gateway.parcel import Transport
from gateway.protocol.errors import GoodbyeReason, RefusalCode, Resend
from gateway.protocol.messages import Goodbye, Ping, Pong, Refusal
from gateway.protocol.task_messages import TaskWithdrawal
from gateway.settings import TcpSettings
from gateway.tcp_greeting import BUSY_RETRY_SECONDS
from gateway.tcp_server import RESTART_RETRY_SECONDS, TcpServer
from tests.helpers.device_client import connect, greeted
from tests.helpers.memory_store import MemoryStore
from tests.helpers.metrics import TCP, LedgerOfMetrics, grown, value_of
from tests.helpers.tcp_gateway import tcp_gateway, until
from tests.helpers.wire import wire

pytestmark = pytest.mark.asyncio

BUSY = Refusal(RefusalCode.BUSY, Resend.LATER, retry_after_seconds=BUSY_RETRY_SECONDS)
COME_BACK = Goodbye(GoodbyeReason.NORMAL, BUSY_RETRY_SECONDS)


@pytest_asyncio.fixture
async def store() -> MemoryStore:
    """What the gateway stores into."""
    return MemoryStore()


async def test_the_welcome_states_the_session_s_parameters(store: MemoryStore) -> None:
    """They are those of the settings and of the registry."""
    async with (
        tcp_gateway(store, window_reports=77, heartbeat_seconds=99) as gateway,
        connect(gateway.address, 5) as client,
    ):
        gateway.registry.settled_through = 41
        welcome = await client.greet(settled_through=40)
        assert (welcome.window_reports, welcome.heartbeat_seconds) == (77, 99)
        assert (welcome.settled_through, welcome.edition, welcome.version) == (41, 1, 1)
        assert gateway.registry.lookups == [[(5, 1, 40)]]
        await client.send(wire(42))
        await client.expect_acks_of(*range(1, 43))


async def test_sessions_are_counted_and_told_of(store: MemoryStore) -> None:
    """The gauge follows; the end of an admitted session is one line with its counts."""
    opened = grown("gateway_sessions_opened_total", TCP)
    with capture_logs() as logs:
        async with tcp_gateway(store) as gateway:
            async with greeted(gateway.address, 3) as client:
                assert (opened(), value_of("gateway_sessions", TCP), gateway.sessions) == (1, 1, 1)
                await client.send(wire(1), wire(1), wire(2, class_code=9))
                await client.expect(Refusal)
            await gateway.until_sessions(0)
            assert value_of("gateway_sessions", TCP) == 0
    (line,) = [line for line in logs if line["event"] == "session_closed"]
    assert (line["log_level"], line["device"], line["transport"]) == ("info", 3, Transport.TCP)
    assert (line["frames"], line["stored"], line["duplicate"], line["quarantined"]) == (3, 1, 1, 1)


async def test_the_newer_session_of_a_device_wins(store: MemoryStore) -> None:
    """The older gets a goodbye; what it had under way is stored; others do not notice."""
    store.go_on.clear()
    async with (
        tcp_gateway(store) as gateway,
        greeted(gateway.address, 1) as older,
        greeted(gateway.address, 2) as other,
    ):
        await older.send(wire(1))
        await until(lambda: bool(store.batches))
        async with greeted(gateway.address, 1, installation=2) as newer:
            assert await older.expect_end() == ([], Goodbye(GoodbyeReason.REPLACED))
            await gateway.until_sessions(2)
            store.go_on.set()
            await newer.send(wire(1))
            await newer.expect_acks_of(1)
            await other.send(Ping())
            await other.expect(Pong)
    assert sorted(store.reports) == [(1, 1, 1), (1, 2, 1)]


async def test_the_end_of_the_older_session_leaves_the_newer_registered(store: MemoryStore) -> None:
    """A third session still finds the second one to replace."""
    async with (
        tcp_gateway(store) as gateway,
        greeted(gateway.address, 1) as first,
        greeted(gateway.address, 1) as second,
    ):
        await first.expect_end()
        await gateway.until_sessions(1)
        async with greeted(gateway.address, 1):
            assert await second.expect_end() == ([], Goodbye(GoodbyeReason.REPLACED))


async def test_a_hundred_devices_at_once(store: MemoryStore) -> None:
    """All are admitted, with few look-ups, and each gets the acks of its own reports."""
    ledger = LedgerOfMetrics()

    async def one(device: int) -> None:
        async with connect(gateway.address, device) as client:
            await client.send(await client.hello(), *(wire(number) for number in range(1, 11)))
            await client.welcome()
            await client.expect_acks_of(*range(1, 11))

    async with tcp_gateway(store) as gateway:
        async with asyncio.TaskGroup() as devices:
            for device in range(1, 101):
                devices.create_task(one(device))
        await gateway.until_sessions(0)
    assert len(store.reports) == 1_000
    assert ledger.counts() == {"received": 1_000, "stored": 1_000}


# No room.


async def test_more_sessions_than_there_is_room_for(store: MemoryStore) -> None:
    """The next, who proves who it is, is told when to come back; those inside go on; a place that
    is free is given, and that of an older session of the same device.
    """
    turned_away = grown("gateway_turned_away_total", TCP)
    async with tcp_gateway(store, max_sessions=2) as gateway, greeted(gateway.address, 1) as first:
        async with greeted(gateway.address, 2):
            async with connect(gateway.address, 3) as third:
                await third.send(await third.hello())
                assert await third.expect_end() == ([BUSY], COME_BACK)
            assert turned_away() == 1
        async with greeted(gateway.address, 2):
            await first.send(wire(1))
            await first.expect_acks_of(1)
        await gateway.until_sessions(1)
        async with greeted(gateway.address, 3) as third:
            await third.send(wire(1))
            await third.expect_acks_of(1)


async def test_more_greetings_than_may_wait(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the database is away one may wait; for the next it is told when to come back."""
    monkeypatch.setattr(admission_module, "MAX_WAITING", 1)
    async with tcp_gateway(store) as gateway:
        gateway.registry.go_on.clear()
        async with (
            connect(gateway.address, 1) as first,
            connect(gateway.address, 2) as second,
            connect(gateway.address, 3) as third,
        ):
            await first.send(await first.hello())
            await until(lambda: len(gateway.registry.lookups) == 1)
            await second.send(await second.hello())
            await until(lambda: gateway.admission.statistics() == 1)
            await third.send(await third.hello())
            assert await second.expect_end() == ([BUSY], COME_BACK)
            gateway.registry.go_on.set()
            await first.welcome()
            await third.welcome()


async def test_a_greeting_waits_while_the_database_is_away(store: MemoryStore) -> None:
    """It is answered when the database is back, by itself."""
    async with tcp_gateway(store) as gateway, connect(gateway.address) as client:
        gateway.registry.is_away = True
        await client.send(await client.hello())
        await until(lambda: len(gateway.registry.lookups) >= 2)
        gateway.registry.is_away = False
        await client.welcome()


async def test_a_device_that_left_before_it_was_admitted(store: MemoryStore) -> None:
    """The answer to its greeting finds nobody, and replaces no session that is there."""
    async with tcp_gateway(store) as gateway, greeted(gateway.address, 1) as client:
        gateway.registry.go_on.clear()
        async with connect(gateway.address, 1) as impatient:
            await impatient.send(await impatient.hello())
            await until(lambda: len(gateway.registry.lookups) == 2)
            (waiting,) = gateway.server._open - {gateway.session_of(1)}
            waiting.close(GoodbyeReason.NORMAL)
            gateway.registry.go_on.set()
            await gateway.until_sessions(1)
        await client.send(wire(1))
        await client.expect_acks_of(1)


# Starting and stopping.


async def test_an_address_that_is_taken(store: MemoryStore) -> None:
    """It is an error of the operating system, which names the address."""
    async with tcp_gateway(store) as gateway:
        taken = TcpSettings(host=gateway.address[0], port=gateway.address[1])
        other = TcpServer(taken, gateway.station, gateway.admission, gateway.batcher)
        with pytest.raises(OSError, match=str(taken.port)):
            await other.start()


async def test_a_drain_acks_what_was_received_and_says_goodbye(store: MemoryStore) -> None:
    """Commit, ack, goodbye with the time to come back: in this order."""
    store.go_on.clear()
    async with tcp_gateway(store) as gateway, greeted(gateway.address) as client:
        await client.send(wire(1), wire(2))
        await until(lambda: bool(store.batches))
        gateway.server.stop_accepting()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*gateway.address)
        await client.send(wire(3))
        store.go_on.set()
        assert await gateway.batcher.drain(10)
        await gateway.server.close_sessions()
        await client.expect_acks_of(1, 2)
        goodbye = Goodbye(GoodbyeReason.SHUTTING_DOWN, RESTART_RETRY_SECONDS)
        assert await client.expect_end() == ([], goodbye)
        assert gateway.sessions == 0
    assert sorted(store.reports) == [(1, 1, 1), (1, 1, 2)]


async def test_a_drain_that_cannot_commit_acks_nothing(store: MemoryStore) -> None:
    """The device keeps its reports; the ledger says so."""
    store.go_on.clear()
    ledger = LedgerOfMetrics()
    async with tcp_gateway(store) as gateway, greeted(gateway.address) as client:
        await client.send(wire(1), wire(2))
        await until(lambda: bool(store.batches))
        gateway.server.stop_accepting()
        assert not await gateway.batcher.drain(0.01)
        await gateway.server.close_sessions()
        goodbye = Goodbye(GoodbyeReason.SHUTTING_DOWN, RESTART_RETRY_SECONDS)
        assert await client.expect_end() == ([], goodbye)
    assert ledger.counts() == {"received": 2, "given_up": 2}
    assert ledger.closes()


async def test_strangers_get_a_goodbye_too(store: MemoryStore) -> None:
    """A connection that has not greeted does not hold up the end."""
    async with tcp_gateway(store) as gateway, connect(gateway.address) as client:
        await client.hello()
        gateway.server.stop_accepting()
        await gateway.server.close_sessions()
        goodbye = Goodbye(GoodbyeReason.SHUTTING_DOWN, RESTART_RETRY_SECONDS)
        assert await client.expect_end() == ([], goodbye)


async def test_a_welcome_device_is_here_until_its_connection_ends(store: MemoryStore) -> None:
    """It is told of behind the welcome, so that what is sent to it then arrives."""
    async with tcp_gateway(store) as gateway:
        async with connect(gateway.address, 7, 3) as client:
            hello = await client.hello()
            assert gateway.attendance.devices() == []
            await client.send(hello)
            await client.welcome()
            session = gateway.attendance.session_of(7)
            assert session
            assert (session.device_id, session.installation) == (7, 3)
            session.send([TaskWithdrawal(5)])
            assert await client.expect(TaskWithdrawal) == TaskWithdrawal(5)
        await until(lambda: not gateway.attendance.devices())


async def test_the_newer_session_is_the_one_that_is_here(store: MemoryStore) -> None:
    """The end of the older one changes nothing."""
    async with tcp_gateway(store) as gateway, greeted(gateway.address) as older:
        first = gateway.attendance.session_of(1)
        async with greeted(gateway.address):
            await older.expect_end()
            await gateway.until_sessions(1)
            assert gateway.attendance.session_of(1) not in {None, first}
        await until(lambda: not gateway.attendance.devices())


async def test_who_is_not_admitted_is_not_here(store: MemoryStore) -> None:
    """Neither before nor after."""
    async with tcp_gateway(store) as gateway, connect(gateway.address, 9_999) as client:
        await client.send(await client.hello())
        await client.expect_end()
        assert gateway.attendance.devices() == []


async def test_a_session_that_is_shut_out(store: MemoryStore) -> None:
    """It ends with goodbye 5 at once; what is under way is stored, though nobody hears the ack."""
    async with tcp_gateway(store) as gateway:
        gateway.registry.standing = 4
        async with greeted(gateway.address, 3) as client:
            (session,) = gateway.attendance.sessions()
            assert session.standing == 4
            store.go_on.clear()
            await client.send(wire(1))
            await until(lambda: session.unsettled_items == 1)
            session.shut_out()
            assert await client.expect_end() == ([], Goodbye(GoodbyeReason.NOT_ADMITTED))
            store.go_on.set()
            await gateway.until_sessions(0)
            assert gateway.attendance.sessions() == []
            await until(lambda: list(store.reports) == [(3, 1, 1)])
