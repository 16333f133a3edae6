"""The demo's bill: made when all is metered, of what is in the database, as the quarter."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from decimal import Decimal

import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway import demo_bill
from gateway.cost.period import Period
from gateway.demo_bill import make_bill, until_metered
from gateway.price_lists import load_tariffs
from gateway.server_process import ServerFailedError

EVENING, MORNING = date(2026, 11, 24), date(2026, 11, 25)
"""A run that midnight falls into."""


@asynccontextmanager
async def gateway_with(sessions: int = 0, sums: int = 0) -> AsyncIterator[str]:
    """The address of something that has so many sessions and sums of traffic to write."""

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(
            text=f'gateway_sessions{{transport="tcp"}} {sessions}.0\n'
            f'gateway_queue_depth{{queue="traffic_sums"}} {sums}.0\n'
        )

    application = web.Application()
    application.router.add_get("/metrics", metrics)
    async with asyncio.timeout(30), TestServer(application) as server:
        yield str(server.make_url("")).rstrip("/")


async def execute(dsn: str, *statements: str) -> None:
    """Put something into the database."""
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.asyncio
async def test_all_is_metered(database_dsn: str) -> None:
    """What is counted does not have to be waited for."""
    await execute(database_dsn, "INSERT INTO publication (is_counted) VALUES (true)")
    async with gateway_with() as http:
        await until_metered(database_dsn, http)


@pytest.mark.asyncio
async def test_something_is_being_counted(
    database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waits for the gateway to do it."""
    await execute(database_dsn, "INSERT INTO publication DEFAULT VALUES")
    polled = asyncio.Event()

    async def count(_seconds: float) -> None:
        await execute(database_dsn, "UPDATE publication SET is_counted = true")
        polled.set()

    async with gateway_with() as http:
        monkeypatch.setattr("gateway.demo_bill.asyncio.sleep", count)
        await until_metered(database_dsn, http)
    assert polled.is_set()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "sessions, sums, uncounted, told",
    [(2, 0, 0, "sessions"), (0, 3, 0, "sums of traffic"), (0, 0, 1, "transactions")],
)
async def test_metering_does_not_get_on(
    database_dsn: str,
    monkeypatch: pytest.MonkeyPatch,
    sessions: int,
    sums: int,
    uncounted: int,
    told: str,
) -> None:
    """An error after a while, which tells what is missing: no bill of a part."""
    monkeypatch.setattr(demo_bill, "METERED_WITHIN_SECONDS", 0.5)
    await execute(database_dsn, *["INSERT INTO publication DEFAULT VALUES"] * uncounted)
    async with gateway_with(sessions, sums) as http:
        with pytest.raises(ServerFailedError, match=f"not metered everything.*{told}"):
            await until_metered(database_dsn, http)


@pytest.mark.asyncio
async def test_the_bill(database_dsn: str) -> None:
    """All days of the run and no other, as the quarter, under each tariff that is shipped."""
    traffic = "INSERT INTO traffic VALUES ({}, 1000, 200, 0, 2, 0, 1, '{}', 'tcp')"
    avoided = (
        "INSERT INTO sms_avoided (device_id, reports, report_segments, confirmation_segments, day,"
        " transport) VALUES ({}, 10, 20, 10, '{}', 'tcp')"
    )
    for device, day in ((1, EVENING), (1, MORNING), (2, MORNING), (2, date(2026, 11, 23))):
        await execute(database_dsn, traffic.format(device, day), avoided.format(device, day))
    bill = await make_bill(database_dsn, Period(EVENING, MORNING))
    assert bill.played_as == Period(date(2008, 1, 1), date(2008, 3, 31))
    assert (bill.totals.devices, bill.totals.reports) == (2, 30)
    assert bill.totals.bytes_up + bill.totals.bytes_down - bill.totals.idle_bytes == 3 * 1_200
    assert [line.tariff for line in bill.lines] == list(load_tariffs())
    # 60 segments up and 30 down, 0.1 yuan each.
    assert bill.lines[0].cost == Decimal("9.00")
