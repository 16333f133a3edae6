"""Counting under kill -9: real gateways, killed in the middle, and two of them at once."""

import asyncio
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from gateway.parcel import Parcel, Transport
from gateway.store import PostgresStore, open_pool
from tests.helpers.builders import build_reports
from tests.helpers.counting import assert_counted
from tests.helpers.processes import gateway_process

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(120)]

PUBLICATIONS: Final = 60
REPORTS: Final = 60_000


async def store_some(pool: asyncpg.Pool, turns: range) -> None:
    """Leave much to count: in each turn a transaction with 1,000 reports, of 50 devices."""
    store = PostgresStore(pool, gateway="test")
    for turn in turns:
        reports = build_reports(20, first_sequence=1 + 20 * turn)
        await store.write(
            [Parcel(device, 1, Transport.TCP, b"", reports) for device in range(1, 51)]
        )


async def counted(pool: asyncpg.Pool) -> int:
    """Publications that are counted."""
    count: int = await pool.fetchval("SELECT count(*) FROM publication WHERE is_counted")
    return count


async def until_more(pool: asyncpg.Pool, before: int) -> None:
    """Wait until more are counted."""
    async with asyncio.timeout(60):
        while await counted(pool) <= before:  # noqa: ASYNC110 -- a fact of the server
            await asyncio.sleep(0.005)


async def test_counts_are_exact_whatever_is_killed(database_dsn: str, tmp_path: Path) -> None:
    """Each of two gateways that count at the same time is killed in the middle; a third does the
    rest. Sums equal a straight count over the reports.
    """
    settings = {"GATEWAY_DATABASE__DSN": database_dsn}
    pool = await open_pool(database_dsn, size=2)
    try:
        with (
            gateway_process(tmp_path / "one.log", "one", settings) as one,
            gateway_process(tmp_path / "two.log", "two", settings) as two,
        ):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(store_some(pool, range(PUBLICATIONS - 1)))
                for gateway in (one, two):
                    await until_more(pool, await counted(pool))
                    await asyncio.to_thread(gateway.kill)
        await store_some(pool, range(PUBLICATIONS - 1, PUBLICATIONS))
        with gateway_process(tmp_path / "three.log", "three", settings):
            await until_more(pool, PUBLICATIONS - 1)
        await assert_counted(pool, REPORTS)
    finally:
        pool.terminate()
