"""Traffic in its table, each sum once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from gateway.embedded_postgres import EmbeddedPostgres
from gateway.store import open_pool
from gateway.store_errors import StoreUnavailableError
from gateway.traffic_account import Row
from gateway.traffic_table import Addition, TrafficTable
from tests.helpers.databases import migrate_now

pytestmark = pytest.mark.asyncio

DAY = date(2026, 11, 24)


@pytest_asyncio.fixture
async def pool(database_dsn: str) -> AsyncIterator[asyncpg.Pool]:
    """Two connections."""
    pool = await open_pool(database_dsn, size=2)
    yield pool
    pool.terminate()


def rows_of(*devices: int, transport: str = "tcp") -> list[Row]:
    """A different number in each column."""
    return [(DAY, device, transport, 1, 2, 3, 4, 5, 6) for device in devices]


async def stored(pool: asyncpg.Pool) -> list[tuple[Any, ...]]:
    """All rows."""
    rows = await pool.fetch(
        "SELECT day, device_id, transport::text, bytes_up, bytes_down, night_bytes, kib, night_kib,"
        " connections FROM traffic ORDER BY 1, 2, 3"
    )
    return [tuple(row) for row in rows]


async def test_new_and_known_rows(pool: asyncpg.Pool) -> None:
    """Each column is added to its own."""
    table = TrafficTable(pool)
    await table.add(Addition(rows_of(1, 2)))
    await table.add(Addition(rows_of(2, 3)))
    assert await stored(pool) == [
        *rows_of(1),
        (DAY, 2, "tcp", 2, 4, 6, 8, 10, 12),
        *rows_of(3),
    ]


async def test_transports_have_rows_of_their_own(pool: asyncpg.Pool) -> None:
    """A device may use both on one day."""
    await TrafficTable(pool).add(Addition(sorted([*rows_of(1), *rows_of(1, transport="mqtt")])))
    assert [row[2] for row in await stored(pool)] == ["mqtt", "tcp"]


async def test_two_gateways_at_the_same_rows(database_dsn: str, pool: asyncpg.Pool) -> None:
    """They wait for each other and nothing is lost."""
    other = await open_pool(database_dsn, size=2)
    devices = range(1, 400)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(10):
            for one in (pool, other):
                tasks.create_task(TrafficTable(one).add(Addition(rows_of(*devices))))
    other.terminate()
    assert {row[3:] for row in await stored(pool)} == {(20, 40, 60, 80, 100, 120)}


async def test_an_answer_that_was_lost(pool: asyncpg.Pool) -> None:
    """A transaction that was committed is not added again; its number says so."""
    table, addition = TrafficTable(pool), Addition(rows_of(1))
    await table.add(addition)
    assert addition.transaction is not None
    await table.add(addition)
    assert await stored(pool) == rows_of(1)


async def test_a_transaction_that_came_to_nothing(pool: asyncpg.Pool) -> None:
    """It is added by the next try."""
    addition = Addition(rows_of(1))
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        addition.transaction = await connection.fetchval("SELECT pg_current_xact_id()::text")
        await transaction.rollback()
    await TrafficTable(pool).add(addition)
    assert await stored(pool) == rows_of(1)


async def test_a_transaction_that_is_not_over(pool: asyncpg.Pool) -> None:
    """Nobody knows yet: to be asked again."""
    addition = Addition(rows_of(1))
    async with pool.acquire() as connection, connection.transaction():
        addition.transaction = await connection.fetchval("SELECT pg_current_xact_id()::text")
        with pytest.raises(StoreUnavailableError, match="in progress"):
            await TrafficTable(pool).add(addition)
    await TrafficTable(pool).add(addition)
    assert await stored(pool) == []


async def test_a_server_that_never_had_the_transaction(pool: asyncpg.Pool) -> None:
    """After a failover its number lies in the future: it is added."""
    addition = Addition(rows_of(1))
    addition.transaction = str(2**40 + 1_000)
    await TrafficTable(pool).add(addition)
    assert await stored(pool) == rows_of(1)


async def test_a_database_that_is_away(own_postgres: EmbeddedPostgres) -> None:
    """The same addition is written when it is back, once."""
    await asyncio.to_thread(migrate_now, own_postgres.dsn)
    pool = await open_pool(own_postgres.dsn, size=1)
    table, addition = TrafficTable(pool), Addition(rows_of(1))
    await asyncio.to_thread(own_postgres.stop)
    with pytest.raises(StoreUnavailableError):
        await table.add(addition)
    await asyncio.to_thread(own_postgres.start)
    await table.add(addition)
    assert await stored(pool) == rows_of(1)
    pool.terminate()


async def test_a_value_that_no_column_holds(pool: asyncpg.Pool) -> None:
    """It is no fault of the server, so it does not help to wait."""
    row: Row = (DAY, 1, "tcp", 1, 2, 3, 4, 5, 2**40)
    with pytest.raises(asyncpg.DataError):
        await TrafficTable(pool).add(Addition([row]))
