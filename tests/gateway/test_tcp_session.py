"""When a session reads and when it stops, and how long it waits in silence."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from gateway.intake import FRAMES_AT_ONCE
from gateway.parcel import ItemVerdict, Parcel
from gateway.protocol.errors import GoodbyeReason
from gateway.protocol.framing import encode_frame
from gateway.protocol.messages import (
    Goodbye,
    Ping,
    Pong,
    Welcome,
    WireReport,
    encode,
)
from gateway.protocol.report import Urgency
from gateway.settings import BatchSettings
from gateway.tcp_server import READ_BYTES
from gateway.tcp_session import GIVEN_UP_RETRY_SECONDS
from tests.helpers.device_client import DeviceClient, connect, greeted
from tests.helpers.memory_store import MemoryStore
from tests.helpers.metrics import TCP, LedgerOfMetrics, grown
from tests.helpers.tcp_gateway import TcpGateway, reads, tcp_gateway, until
from tests.helpers.wire import backlog, wire

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def store() -> MemoryStore:
    """What the gateway stores into."""
    return MemoryStore()


# The window.


async def test_reading_stops_at_the_window_and_goes_on_after_the_commit(store: MemoryStore) -> None:
    """With four reports unacked nothing more is taken; all come through in the end, each once."""
    store.go_on.clear()
    ledger = LedgerOfMetrics()
    async with (
        tcp_gateway(store, window_reports=4) as gateway,
        greeted(gateway.address, 1) as client,
        greeted(gateway.address, 2) as other,
    ):
        await client.send(*(wire(number) for number in range(1, 31)))
        await until(lambda: not reads(gateway.session_of(1)))
        assert ledger.counts() == {"received": 4, "in_flight": 4}
        await other.send(Ping())
        await other.expect(Pong)
        store.go_on.set()
        await client.expect_acks_of(*range(1, 31))
        assert reads(gateway.session_of(1))
    assert len(store.reports) == 30
    assert ledger.counts() == {"received": 30, "stored": 30}


async def test_one_backlog_may_overshoot_the_window(store: MemoryStore) -> None:
    """A frame is taken whole, so what is unacked is bounded by the window and one frame."""
    store.go_on.clear()
    ledger = LedgerOfMetrics()
    async with (
        tcp_gateway(store, window_reports=10) as gateway,
        greeted(gateway.address) as client,
    ):
        await client.send(backlog(9, 1), backlog(255, 10), backlog(5, 265))
        await until(lambda: not reads(gateway.session_of(1)))
        assert ledger.counts() == {"received": 264, "in_flight": 264}
        store.go_on.set()
        await client.expect_acks_of(*range(1, 270))


async def test_a_flood_behind_the_window_stays_outside(store: MemoryStore) -> None:
    """Two megabytes sent at once: the gateway holds one read of them, TCP holds the sender."""
    store.go_on.clear()
    async with (
        tcp_gateway(store, window_reports=4) as gateway,
        greeted(gateway.address) as client,
    ):
        frames = [encode_frame(encode(backlog(255, 1 + 255 * place))) for place in range(300)]
        client.writer.write(b"".join(frames))
        session = gateway.session_of(1)
        await until(lambda: not reads(session))
        assert session._connection.buffered_bytes <= READ_BYTES
        store.go_on.set()
        await client.expect_acks_of(*range(1, 300 * 255 + 1))
    assert len(store.reports) == 300 * 255


class Poison(MemoryStore):
    """Fails for as long as a parcel holds report 2, as a bug of ours would."""

    async def write(self, parcels: Sequence[Parcel]) -> list[list[ItemVerdict]]:
        """See `MemoryStore.write`."""
        await self.go_on.wait()
        if any(report.sequence == 2 for parcel in parcels for report in parcel.reports):
            raise ZeroDivisionError("a bug of this test")
        return await super().write(parcels)


async def test_a_report_that_is_given_up_ends_the_session_behind_the_acks_of_the_others() -> None:
    """The device comes again and sends it again; it holds up none of its neighbours."""
    store = Poison()
    store.go_on.clear()
    ledger = LedgerOfMetrics()
    goodbye = Goodbye(GoodbyeReason.SHUTTING_DOWN, GIVEN_UP_RETRY_SECONDS)
    async with tcp_gateway(store) as gateway, greeted(gateway.address, 2) as other:
        for _ in range(2):
            async with greeted(gateway.address) as client:
                await client.send(*(wire(number) for number in range(1, 7)))
                await until(lambda: ledger.counts().get("in_flight") == 6)
                store.go_on.set()
                await client.expect_acks_of(1, 3, 4, 5, 6)
                assert await client.expect_end() == ([], goodbye)
                store.go_on.clear()
        store.go_on.set()
        await other.send(wire(1))
        await other.expect_acks_of(1)
    assert sorted(store.reports) == [(1, 1, 1), *((1, 1, n) for n in (3, 4, 5, 6)), (2, 1, 1)]
    assert ledger.counts() == {"received": 13, "stored": 6, "duplicate": 5, "given_up": 2}


async def test_a_report_that_is_given_up_with_the_window_full(store: MemoryStore) -> None:
    """A session that does not read ends too."""
    store.bug = RuntimeError("a bug of this test")
    goodbye = Goodbye(GoodbyeReason.SHUTTING_DOWN, GIVEN_UP_RETRY_SECONDS)
    async with (
        tcp_gateway(store, window_reports=1) as gateway,
        greeted(gateway.address) as client,
    ):
        await client.send(wire(1), wire(2))
        assert await client.expect_end() == ([], goodbye)
        await gateway.until_sessions(0)


# The batcher.


async def test_a_full_batcher_stops_all_and_loses_nothing(store: MemoryStore) -> None:
    """Thirty sessions against a batcher for eight items: what it holds stays near its bound."""
    store.go_on.clear()
    limits = BatchSettings(max_items=4, max_pending_items=8, linger_seconds=0)
    ledger = LedgerOfMetrics()
    async with tcp_gateway(store, batch=limits) as gateway, sessions(gateway, 30) as clients:
        for client in clients:
            await client.send(*(wire(number) for number in range(1, 21)))
        await until(lambda: not any(reads(session) for session in gateway.server._open))
        # One is over each mark when the last that found it not full has added its frame: eight and
        # one in line, and a batch and one of those who pass a crowd with their first report.
        assert ledger.counts() == {"received": 14, "in_flight": 14}
        store.go_on.set()
        for client in clients:
            await client.expect_acks_of(*range(1, 21))
        assert all(reads(session) for session in gateway.server._open)
    assert len(store.reports) == 600
    assert ledger.counts() == {"received": 600, "stored": 600}


async def test_a_session_that_ends_while_it_waits_for_space(store: MemoryStore) -> None:
    """Its turn passes to the others and does nothing to the closed connection."""
    store.go_on.clear()
    limits = BatchSettings(max_items=1, max_pending_items=1, linger_seconds=0)
    async with tcp_gateway(store, batch=limits) as gateway, sessions(gateway, 3) as clients:
        for client in clients:
            await client.send(*(wire(number) for number in range(1, 5)))
        await until(lambda: gateway.batcher.statistics().waiting_for_space == 3)
        for gone in (1, 2):
            gateway.session_of(gone).close(GoodbyeReason.NORMAL)
        await gateway.until_sessions(1)
        store.go_on.set()
        await clients[2].expect_acks_of(1, 2, 3, 4)
        await until(lambda: gateway.batcher.statistics().waiting_for_space == 0)


async def test_a_full_batcher_lets_an_emergency_through(store: MemoryStore) -> None:
    """Of a device that has sent nothing else, at once, while all others wait; behind its own
    ordinary report it waits as that does.
    """
    store.holds = lambda parcels: not parcels[0].urgent
    limits = BatchSettings(max_items=4, max_pending_items=8, linger_seconds=0)
    async with tcp_gateway(store, batch=limits) as gateway, sessions(gateway, 10) as clients:
        *floods, caller, behind = clients
        gateway.let_pass_no_crowd(*(client.device for client in clients))
        for client in floods:
            await client.send(*(wire(number) for number in range(1, 21)))
        await behind.send(wire(1), emergency(2))
        waiting = [gateway.session_of(client.device) for client in (*floods, behind)]
        await until(lambda: not any(reads(session) for session in waiting))
        assert gateway.batcher.is_full
        for number in range(1, 30):
            await caller.send(emergency(number))
            await caller.expect_acks_of(number)
        assert set(store.reports) == {(caller.device, 1, number) for number in range(1, 30)}
        assert not any(reads(session) for session in waiting)
        store.release()
        await behind.expect_acks_of(1, 2)
        for client in floods:
            await client.expect_acks_of(*range(1, 21))


async def test_a_flood_of_emergencies_is_held_too(store: MemoryStore) -> None:
    """The express way has a bound, or a handset gone mad could fill the memory."""
    store.go_on.clear()
    limits = BatchSettings(max_items=4, max_pending_items=8, linger_seconds=0)
    ledger = LedgerOfMetrics()
    async with tcp_gateway(store, batch=limits) as gateway, sessions(gateway, 20) as clients:
        for client in clients:
            await client.send(*(emergency(number) for number in range(1, 21)))
        await until(lambda: not any(reads(session) for session in gateway.server._open))
        assert ledger.counts() == {"received": 5, "in_flight": 5}
        store.go_on.set()
        for client in clients:
            await client.expect_acks_of(*range(1, 21))
    assert ledger.counts() == {"received": 400, "stored": 400}


async def test_a_flood_of_one_does_not_keep_others_waiting(store: MemoryStore) -> None:
    """A device sends two thousand reports at once, another one: that is taken after a few of the
    first's and not behind them all.
    """
    count = 60 * FRAMES_AT_ONCE
    limits = BatchSettings(linger_seconds=0, max_pending_items=100_000, writers=1)
    async with (
        tcp_gateway(store, batch=limits, window_reports=count) as gateway,
        sessions(gateway, 2) as (flood, other),
    ):
        turns = gateway.server.turns
        await until(lambda: turns._until is None)
        turns._until = -1.0  # this turn's time is used up: both wait for the next
        flood.writer.write(b"".join(encode_frame(encode(wire(n))) for n in range(1, count + 1)))
        other.writer.write(encode_frame(encode(wire(1))))
        await until(lambda: len(turns) == 2)
        turns._next_turn()
        await other.expect_acks_of(1)
        await flood.expect_acks_of(*range(1, count + 1))
    order = [parcel.device_id for batch in store.batches for parcel in batch]
    assert order.index(2) <= 2 * FRAMES_AT_ONCE


def emergency(sequence: int) -> WireReport:
    """A report that cannot wait."""
    return wire(sequence, urgency=Urgency.EMERGENCY)


@asynccontextmanager
async def sessions(gateway: TcpGateway, count: int) -> AsyncIterator[list[DeviceClient]]:
    """Admitted devices 1 to `count`."""
    clients: list[DeviceClient] = []
    try:
        for device in range(1, count + 1):
            reader, writer = await asyncio.open_connection(*gateway.address)
            clients.append(DeviceClient(reader, writer, device))
            await clients[-1].greet()
        yield clients
    finally:
        for client in clients:
            client.close()


# Silence.


async def test_silence_ends_with_a_goodbye() -> None:
    """Nothing for the idle time-out; a peer behind a dead link looks the same."""
    async with tcp_gateway(idle_timeout_seconds=600) as gateway, greeted(gateway.address) as client:
        gateway.let_time_pass(599)
        await client.send(Ping())
        await client.expect(Pong)
        gateway.let_time_pass(599)
        assert gateway.sessions == 1
        gateway.let_time_pass(2)
        assert await client.expect_end() == ([], Goodbye(GoodbyeReason.IDLE))
        await gateway.until_sessions(0)


async def test_the_timer_rings_by_itself() -> None:
    """An idle time-out below the greeting's is kept too."""
    async with (
        tcp_gateway(idle_timeout_seconds=0.2, greeting_timeout_seconds=3_600) as gateway,
        greeted(gateway.address) as client,
    ):
        assert await client.expect_end() == ([], Goodbye(GoodbyeReason.IDLE))


async def test_silence_is_not_held_against_a_peer_that_we_do_not_read_from(
    store: MemoryStore,
) -> None:
    """While its window is full and the database away it cannot be heard, however long; and its
    silence begins anew when it can.
    """
    store.go_on.clear()
    async with tcp_gateway(store, window_reports=1) as gateway, greeted(gateway.address) as client:
        await client.send(wire(1))
        await until(lambda: not reads(gateway.session_of(1)))
        gateway.let_time_pass(10_000)
        store.go_on.set()
        await client.expect_acks_of(1)
        gateway.let_time_pass(1)
        await client.send(wire(2))
        await client.expect_acks_of(2)


async def test_a_goodbye_with_a_reason_of_the_future(store: MemoryStore) -> None:
    """A device may say goodbye for a reason that this gateway does not know."""
    closed = grown("gateway_sessions_closed_total", {**TCP, "reason": "unknown"})
    async with tcp_gateway(store) as gateway, greeted(gateway.address) as client:
        await client.send(wire(1), Goodbye(99))
        assert await client.receive() is None
        await gateway.until_sessions(0)
    assert closed() == 1
    assert list(store.reports) == [(1, 1, 1)]


async def test_reports_behind_the_hello_are_read_when_it_is_welcome(store: MemoryStore) -> None:
    """A device saves a round trip; nothing is taken before it is known who it is."""
    ledger = LedgerOfMetrics()
    async with tcp_gateway(store) as gateway, connect(gateway.address) as client:
        gateway.registry.go_on.clear()
        await client.send(await client.hello(), *(wire(number) for number in (1, 2, 3)))
        await until(lambda: bool(gateway.registry.lookups))
        assert ledger.counts() == {}
        gateway.registry.go_on.set()
        assert isinstance(await client.receive(), Welcome)
        await client.expect_acks_of(1, 2, 3)
