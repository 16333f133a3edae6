"""An ack means committed; one row for ever; nothing bad is dropped; the ledger closes."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.embedded_postgres import EmbeddedPostgres
from gateway.protocol.errors import RefusalCode, Resend
from gateway.protocol.framing import encode_frame
from gateway.protocol.messages import Ack, Ping, Pong, Refusal, encode
from tests.helpers.databases import migrate_now
from tests.helpers.device_client import DeviceClient, connect, greeted
from tests.helpers.fault_proxy import fault_proxy
from tests.helpers.gateway_process import gateway_process
from tests.helpers.metrics import LedgerOfMetrics, grown
from tests.helpers.served_gateway import Look, register, served_gateway
from tests.helpers.tcp_gateway import until
from tests.helpers.wire import backlog, wire

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def dsn(database_dsn: str) -> AsyncIterator[str]:
    """A database with devices 1 to 3."""
    await register(database_dsn)
    yield database_dsn


async def expect_no_ack(client: DeviceClient) -> None:
    """Nothing lies between us and the answer to a ping."""
    await client.send(Ping())
    await client.expect(Pong)


async def test_postgresql_stopped_between_receive_and_commit(
    own_postgres: EmbeddedPostgres,
) -> None:
    """No ack while it is down; when it is back all is acked and stored once, by itself."""
    await asyncio.to_thread(migrate_now, own_postgres.dsn)
    await register(own_postgres.dsn)
    retries, ledger = grown("gateway_batch_retries_total"), LedgerOfMetrics()
    async with served_gateway(own_postgres.dsn) as gateway, greeted(gateway.tcp) as client:
        await client.send(wire(1))
        await client.expect_acks_of(1)
        await asyncio.to_thread(own_postgres.stop)
        await client.send(*(wire(number) for number in range(2, 8)))
        await until(lambda: retries() >= 2)
        await expect_no_ack(client)
        assert ledger.counts() == {"received": 7, "in_flight": 6, "stored": 1}
        await asyncio.to_thread(own_postgres.start)
        await client.expect_acks_of(*range(1, 8))
        await client.send(*(wire(number) for number in range(2, 8)))
        await client.expect_acks_of(*range(2, 8))
        look = Look(own_postgres.dsn)
        assert await look.reports() == [(1, 1, number) for number in range(1, 8)]
        assert await look.ledger() == [(13, 7, 6, 0, 0)]
    assert ledger.counts() == {"received": 13, "stored": 7, "duplicate": 6}


async def test_a_greeting_while_postgresql_is_down(own_postgres: EmbeddedPostgres) -> None:
    """It waits, and what was sent behind it too; both are answered when it is back."""
    await asyncio.to_thread(migrate_now, own_postgres.dsn)
    await register(own_postgres.dsn)
    async with served_gateway(own_postgres.dsn) as gateway, greeted(gateway.tcp, 2):
        await asyncio.to_thread(own_postgres.kill)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.to_thread(own_postgres.start))
            async with greeted(gateway.tcp, 1) as client:
                await client.send(wire(1))
                await client.expect_acks_of(1)
    assert await Look(own_postgres.dsn).reports() == [(1, 1, 1)]


async def test_a_link_to_the_database_that_hangs(dsn: str) -> None:
    """Nothing is acked while no answer comes; when the link is given up the work goes on."""
    retries = grown("gateway_batch_retries_total")
    async with (
        fault_proxy(dsn) as proxy,
        served_gateway(proxy.dsn(dsn), database={"command_timeout_seconds": 0.3}) as gateway,
        greeted(gateway.tcp) as client,
    ):
        proxy.hang()
        await client.send(wire(1))
        await until(lambda: retries() >= 1)
        await expect_no_ack(client)
        proxy.flow()
        await client.expect_acks_of(1)
    assert await Look(dsn).reports() == [(1, 1, 1)]


async def test_backends_that_are_stopped(dsn: str) -> None:
    """A server that stands still acks nothing; when it goes on, nothing has to be sent again."""
    ledger = LedgerOfMetrics()
    look = Look(dsn)
    async with served_gateway(dsn) as gateway, greeted(gateway.tcp) as client:
        await client.send(wire(1))
        await client.expect_acks_of(1)
        pids = [
            pid
            for (pid,) in await look.rows(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name = 'field-gateway'"
            )
        ]
        assert pids
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            await client.send(wire(2), wire(3))
            await until(lambda: ledger.counts().get("in_flight") == 2)
            await expect_no_ack(client)
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        await client.expect_acks_of(2, 3)
    assert await look.reports() == [(1, 1, 1), (1, 1, 2), (1, 1, 3)]
    assert await look.ledger() == [(3, 3, 0, 0, 0)]


async def test_a_commit_whose_answer_is_lost(dsn: str) -> None:
    """Written again, it is found to be there: acked, one row, counted once as what it was."""
    ledger = LedgerOfMetrics()
    async with (
        fault_proxy(dsn) as proxy,
        served_gateway(proxy.dsn(dsn)) as gateway,
        greeted(gateway.tcp) as client,
    ):
        proxy.cut_after(b"COMMIT")
        await client.send(wire(1), wire(2))
        await client.expect_acks_of(1, 2)
        assert proxy.was_cut.is_set()
    assert await Look(dsn).reports() == [(1, 1, 1), (1, 1, 2)]
    assert ledger.closes()


async def test_a_database_that_is_away_for_long_bounds_the_memory(dsn: str) -> None:
    """Full means: nothing more is read; nothing is lost; all goes on by itself."""
    ledger = LedgerOfMetrics()
    async with (
        fault_proxy(dsn) as proxy,
        served_gateway(proxy.dsn(dsn), batch={"max_pending_items": 500}) as gateway,
        greeted(gateway.tcp, 1) as first,
        greeted(gateway.tcp, 2) as second,
    ):
        proxy.cut()
        for client in (first, second):
            for place in range(20):
                client.writer.write(encode_frame(encode(backlog(255, 1 + 255 * place))))
        await until(lambda: ledger.counts().get("in_flight", 0) > 500)
        assert ledger.counts()["in_flight"] <= 500 + 255
        proxy.flow()
        for client in (first, second):
            await client.expect_acks_of(*range(1, 20 * 255 + 1))
    assert len(await Look(dsn).reports()) == 2 * 20 * 255
    assert ledger.counts() == {"received": 10_200, "stored": 10_200}


async def test_a_bad_row_costs_only_itself(dsn: str) -> None:
    """One that the database refuses is kept whole and refused; its batch is stored."""
    ledger, look = LedgerOfMetrics(), Look(dsn)
    await look.rows("ALTER TABLE report ADD CHECK (pictures < 9)")
    bad = wire(2, pictures=9)
    async with (
        served_gateway(dsn) as gateway,
        greeted(gateway.tcp, 1) as client,
        greeted(gateway.tcp, 2) as other,
    ):
        await other.send(wire(1))
        await client.send(wire(1), bad, wire(3))
        answers = [await client.receive()]
        while answers[-1] != Ack(3):
            answers.append(await client.receive())
        assert Refusal(RefusalCode.UNSTORABLE, Resend.NEVER, 2) in answers
        await other.expect_acks_of(1)
    assert await look.reports() == [(1, 1, 1), (1, 1, 3), (2, 1, 1)]
    assert await look.rows("SELECT device_id, sequence, code, frame FROM quarantine_readable") == [
        (1, 2, RefusalCode.UNSTORABLE, encode(bad))
    ]
    assert await look.ledger() == [(4, 3, 0, 1, 0)]
    assert ledger.counts() == {"received": 4, "stored": 3, "quarantined": 1}


async def test_the_refused_are_told_again_at_the_next_greeting(dsn: str) -> None:
    """A device that missed the refusal learns of it in the welcome."""
    async with served_gateway(dsn) as gateway:
        async with greeted(gateway.tcp) as client:
            await client.send(wire(1), wire(2, class_code=9), wire(3))
            while await client.receive() != Ack(3):
                pass
        async with greeted(gateway.tcp, 2), greeted(gateway.tcp, 1, installation=2) as wiped:
            await wiped.send(wire(1))
            await wiped.expect_acks_of(1)
        async with connect(gateway.tcp) as client:
            welcome = await client.greet()
            assert welcome.settled_through == 3
            assert welcome.refused == [(2, RefusalCode.UNKNOWN_CLASS)]
    assert await Look(dsn).reports() == [(1, 1, 1), (1, 1, 3), (1, 2, 1)]


async def test_another_content_under_a_known_number(dsn: str) -> None:
    """The first stays; the second is kept in quarantine and the device told to begin anew."""
    async with served_gateway(dsn) as gateway, greeted(gateway.tcp) as client:
        await client.send(wire(1, description="first"))
        await client.expect_acks_of(1)
        await client.send(wire(1, description="second"))
        refusal = await client.expect(Refusal)
        assert (refusal.code, refusal.sequence) == (RefusalCode.SEQUENCE_CONFLICT, 1)
    assert await Look(dsn).rows("SELECT description FROM report") == [("first",)]


async def test_two_gateways_at_the_same_time(dsn: str, tmp_path: Path) -> None:
    """Each report over both: one row, both acked, both ledgers closed."""
    count = 2_000

    async def report(address: tuple[str, int]) -> None:
        async with greeted(address, 1) as client:
            for first in range(1, count, 50):
                await client.send(*(wire(number) for number in range(first, first + 50)))
            await client.expect_acks_of(*range(1, count + 1))

    with (
        gateway_process(dsn, tmp_path / "north") as north,
        gateway_process(dsn, tmp_path / "south") as south,
    ):
        for gateway in (north, south):
            await asyncio.to_thread(gateway.wait_until_started)
        async with asyncio.TaskGroup() as devices:
            for gateway in (north, south):
                devices.create_task(report(gateway.tcp))
        for gateway in (north, south):
            gateway.process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(gateway.end) == 0
    look = Look(dsn)
    assert await look.reports() == [(1, 1, number) for number in range(1, count + 1)]
    # An ack of one gateway may cover what the other has stored, and end its device's session early.
    [(received, stored, duplicate, quarantined, refused)] = await look.ledger()
    assert (stored, quarantined, refused) == (count, 0, 0)
    assert received == stored + duplicate
    assert duplicate > 0
    names = await look.rows("SELECT DISTINCT gateway FROM ledger ORDER BY gateway")
    assert names == [("north",), ("south",)]


async def test_a_gateway_that_is_killed(dsn: str, tmp_path: Path) -> None:
    """What it had acked is stored; what it had not is sent again to its successor."""
    acked, frames = 0, [encode_frame(encode(backlog(255, 1 + 255 * place))) for place in range(80)]
    count = 255 * len(frames)
    ample = {"limits__burst_reports": str(2 * count)}
    with gateway_process(dsn, tmp_path / "first", **ample) as killed:
        await asyncio.to_thread(killed.wait_until_started)
        async with greeted(killed.tcp) as client:
            client.writer.write(b"".join(frames))
            acked = (await client.expect(Ack)).through
            killed.process.kill()
            while (event := await client.receive()) is not None:
                acked = event.through if isinstance(event, Ack) else acked
    look = Look(dsn)
    assert len(await look.reports()) >= acked > 0
    with gateway_process(dsn, tmp_path / "second", **ample) as successor:
        await asyncio.to_thread(successor.wait_until_started)
        async with connect(successor.tcp) as client:
            assert (await client.greet(settled_through=acked)).settled_through >= acked
            client.writer.write(b"".join(frames[acked // 255 :]))
            await client.expect_acks_of(*range(acked + 1, count + 1))
    assert await look.reports() == [(1, 1, number) for number in range(1, count + 1)]
