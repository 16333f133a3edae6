"""Connections and transactions: rolled back after errors, let go at once over a dead link."""

import asyncio

import asyncpg
import pytest
import pytest_asyncio

from gateway.database import connection_of, transaction
from gateway.store import open_pool
from tests.helpers.device_client import ANSWER_WITHIN_SECONDS
from tests.helpers.fault_proxy import FaultProxy, fault_proxy

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def dsn(empty_database_dsn: str) -> str:
    """A database with a table of numbers."""
    connection = await asyncpg.connect(empty_database_dsn)
    await connection.execute("CREATE TABLE number (id integer PRIMARY KEY)")
    await connection.close()
    return empty_database_dsn


NEVER_SECONDS = 3_600.0
"""A time-out that a test does not live to see."""

ADD = "INSERT INTO number (id) VALUES ($1)"


async def add(connection: asyncpg.Connection, number: int) -> None:
    """Write something."""
    await connection.execute(ADD, number)


async def add_in_vain(connection: asyncpg.Connection, number: int) -> None:
    """Write something in a transaction that meets a bug of ours."""
    async with transaction(connection):
        await add(connection, number)
        raise ValueError("ours")


async def ask_in_vain(pool: asyncpg.Pool, proxy: FaultProxy) -> None:
    """A statement in a transaction that takes longer than it may."""
    async with connection_of(pool) as connection, transaction(connection):
        proxy.hang()
        await connection.execute("SELECT 1", timeout=0.1)


async def cut_and_fail(pool: asyncpg.Pool) -> None:
    """A bug of ours behind a lost connection."""
    async with connection_of(pool) as connection:
        connection.terminate()
        raise ValueError("ours")


async def added(pool: asyncpg.Pool) -> list[int]:
    """What was written."""
    return [row["id"] for row in await pool.fetch("SELECT id FROM number ORDER BY id")]


async def test_errors_roll_back(dsn: str) -> None:
    """A transaction, and a savepoint in it, whosever error it was; what is around it stays."""
    pool = await open_pool(dsn, size=1)
    async with connection_of(pool) as connection:
        pid = connection.get_server_pid()
        async with transaction(connection):
            await add(connection, 1)
            with pytest.raises(ValueError, match="ours"):
                await add_in_vain(connection, 2)
            with pytest.raises(asyncpg.UniqueViolationError):
                async with transaction(connection):
                    await add(connection, 1)
        with pytest.raises(ValueError, match="ours"):
            await add_in_vain(connection, 3)
        assert connection.get_server_pid() == pid
    assert await added(pool) == [1]
    pool.terminate()


async def test_it_may_be_read_only(dsn: str) -> None:
    """Then the server refuses to write."""
    pool = await open_pool(dsn, size=1)
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        async with connection_of(pool) as connection, transaction(connection, readonly=True):
            await add(connection, 1)
    pool.terminate()


async def test_a_dead_link_holds_up_no_cancellation(dsn: str) -> None:
    """Whoever is cancelled while the server is silent ends at once, and as cancelled; the pool has
    a new connection for the next one.
    """
    async with fault_proxy(dsn) as proxy:
        away = proxy.dsn(dsn)
        pool = await open_pool(away, size=1, command_timeout_seconds=NEVER_SECONDS)

        async def work() -> None:
            async with (
                connection_of(pool) as connection,
                transaction(connection),
                transaction(connection),
            ):
                proxy.hang()
                sent.append(proxy.next_request())
                begun.set()
                await add(connection, 1)

        begun, sent = asyncio.Event(), list[asyncio.Event]()
        async with asyncio.timeout(ANSWER_WITHIN_SECONDS), asyncio.TaskGroup() as tasks:
            task = tasks.create_task(work())
            await begun.wait()
            await sent[0].wait()
            task.cancel()
        assert task.cancelled()
        proxy.flow()
        async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
            assert await added(pool) == []
        pool.terminate()


async def test_a_dead_link_holds_up_no_time_out(dsn: str) -> None:
    """A statement that takes too long costs its time-out once: no ROLLBACK waits after it."""
    async with fault_proxy(dsn) as proxy, asyncio.timeout(ANSWER_WITHIN_SECONDS):
        away = proxy.dsn(dsn)
        pool = await open_pool(away, size=1, command_timeout_seconds=NEVER_SECONDS)
        with pytest.raises(TimeoutError):
            await ask_in_vain(pool, proxy)
        pool.terminate()


async def test_a_connection_that_the_driver_has_cut(dsn: str) -> None:
    """The error of the block is the one that is told."""
    pool = await open_pool(dsn, size=1)
    with pytest.raises(ValueError, match="ours"):
        await cut_and_fail(pool)
    assert await added(pool) == []
    pool.terminate()
