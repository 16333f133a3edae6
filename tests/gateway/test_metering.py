"""The station that meters: what it runs, what it writes at the end, what the metrics see."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from gateway.metering import LAST_TRAFFIC_SECONDS, Metering
from gateway.parcel import Transport
from gateway.store import open_pool
from gateway.traffic_account import MAX_ROWS
from tests.helpers.metrics import value_of
from tests.helpers.served_gateway import settings_of

pytestmark = pytest.mark.asyncio

TASKS = {"traffic meter", "report counter", "bills", "budgets"}
QUEUE = {"queue": "traffic_sums"}


class Connection:
    """A connection that has carried three bytes up and five down."""

    def read(self, _now: float) -> tuple[int, int]:
        """What was carried."""
        return 3, 5

    def close(self, _now: float, *, by_peer: bool) -> tuple[int, int]:
        """The same."""
        del by_peer
        return 3, 5


@pytest_asyncio.fixture
async def pool(database_dsn: str) -> AsyncIterator[asyncpg.Pool]:
    """Connections to a database of the test's own."""
    pool = await open_pool(database_dsn, size=6)
    yield pool
    pool.terminate()


def metering_of(dsn: str, pool: asyncpg.Pool) -> Metering:
    """A station on the database."""
    return Metering(settings_of(dsn, "metering"), pool, lambda: False)


async def test_all_that_counts_runs_as_one_station(database_dsn: str, pool: asyncpg.Pool) -> None:
    """Four tasks begin together, and end when the station is cancelled."""
    running = asyncio.Event()
    metering = metering_of(database_dsn, pool)

    async def names() -> set[str]:
        return {task.get_name() for task in asyncio.all_tasks()} & TASKS

    async with asyncio.TaskGroup() as tasks:
        station = tasks.create_task(metering.run())
        asyncio.get_running_loop().call_soon(running.set)
        await running.wait()
        assert await names() == TASKS
        station.cancel()
    assert await names() == set()


async def test_the_last_traffic_is_written_at_the_end(
    database_dsn: str, pool: asyncpg.Pool
) -> None:
    """What was carried since the last flush is in the table, and nothing waits any more."""
    metering = metering_of(database_dsn, pool)
    metering.watch_queues()
    link = metering.traffic.begin(Transport.TCP, Connection())
    link.belongs_to(7)
    link.end(by_peer=True)
    assert value_of("gateway_queue_depth", QUEUE) == 1
    assert value_of("gateway_queue_limit", QUEUE) == MAX_ROWS
    await metering.close()
    assert value_of("gateway_queue_depth", QUEUE) == 0
    row = await pool.fetchrow("SELECT device_id, bytes_up, bytes_down FROM traffic")
    assert tuple(row) == (7, 3, 5)


async def test_a_database_that_is_away_does_not_hold_up_the_end(
    database_dsn: str, pool: asyncpg.Pool
) -> None:
    """The counts are given up in time: what they are worth is less than a clean end."""
    metering = metering_of(database_dsn, pool)
    link = metering.traffic.begin(Transport.TCP, Connection())
    link.belongs_to(7)
    blocker = await asyncpg.connect(database_dsn)
    try:
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE traffic")
            async with asyncio.timeout(LAST_TRAFFIC_SECONDS + 30):
                await metering.close()
    finally:
        await blocker.close()
    assert await pool.fetchval("SELECT count(*) FROM traffic") == 0
