"""The demo's bill: waits until all that was played is metered, then bills it as the quarter."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from gateway.cost.period import Period
from gateway.cost.statement import Statement, make_statement
from gateway.demo_figures import fetch_figures
from gateway.demo_process import POLL_SECONDS
from gateway.metered import fetch_usage
from gateway.price_lists import load_tariffs
from gateway.quarter import load_published
from gateway.server_process import ServerFailedError
from gateway.uncounted import CountTables

METERED_WITHIN_SECONDS: Final = 300.0
"""Most that metering may take behind the events: ten times what the quarter needs."""


async def until_metered(dsn: str, http: str) -> None:
    """Wait until all reports are counted and the traffic of the sessions, which are over, is
    written.

    Raises:
        ServerFailedError: the gateway is gone or does not get on with it.
    """
    rest: dict[str, float] = {}
    try:
        async with asyncio.timeout(METERED_WITHIN_SECONDS), _pool(dsn) as pool:
            tables = CountTables(pool)
            while rest := await _unmetered(tables, http):  # noqa: ASYNC110 - not our loop's work
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise ServerFailedError(f"the gateway has not metered everything in time: {rest}") from None


async def make_bill(dsn: str, run: Period) -> Statement:
    """What was metered on the days of a run, billed under all tariffs that are shipped as if it
    were the quarter.
    """
    async with _pool(dsn) as pool:
        usages = await fetch_usage(pool, run.first, run.last)
    published = load_published()
    quarter = Period(published.first_day, published.last_day)
    tariffs = list(load_tariffs().values())
    return await asyncio.to_thread(make_statement, usages, run, tariffs, played_as=quarter)


async def _unmetered(tables: CountTables, http: str) -> dict[str, float]:
    """What is not zero yet. The traffic of a session is whole when it is over."""
    figures = await fetch_figures(http)
    waiting = await tables.waiting()
    rest = {
        "sessions": figures["sessions"],
        "sums of traffic": figures["traffic_sums"],
        "transactions to be counted": waiting.publications,
    }
    return {name: count for name, count in rest.items() if count}


@asynccontextmanager
async def _pool(dsn: str) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
        yield pool
