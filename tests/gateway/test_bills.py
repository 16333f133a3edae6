"""The bills of the month, as dashboards read them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal

import asyncpg
import msgspec
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from gateway.bills import Bills
from gateway.cost.china import CHINA_TIME
from gateway.cost.period import Period
from gateway.cost.statement import make_statement
from gateway.cost.tariff import MAX_PRICE, DataPrices
from gateway.metered import fetch_usage
from gateway.price_lists import load_tariffs
from gateway.store import open_pool
from tests.helpers.metrics import grown, value_of
from tests.helpers.served_gateway import register, served_gateway
from tests.helpers.tcp_gateway import until

pytestmark = pytest.mark.asyncio

TARIFFS = list(load_tariffs().values())
MONTH = date(2026, 3, 1)
PINGHU, PINGDI = 440307003, 440307006


def noon(day: date) -> float:
    """Of a day in China, as Unix time."""
    return datetime(day.year, day.month, day.day, 12, tzinfo=CHINA_TIME).timestamp()


@pytest_asyncio.fixture
async def pool(database_dsn: str) -> AsyncIterator[asyncpg.Pool]:
    """Three devices, two of them of streets, that were metered from February to April."""
    await register(database_dsn)
    pool = await open_pool(database_dsn, size=2)
    await pool.execute(
        "UPDATE device SET street_code = CASE id WHEN 1 THEN $1::int WHEN 2 THEN $2 END",
        PINGHU,
        PINGDI,
    )
    days = [date(2026, 2, 27) + timedelta(number) for number in range(36)]
    await pool.execute(
        "INSERT INTO traffic SELECT device, 1700000 * device, 90000, 1000, 1750, 1, 3, day, 'tcp'"
        " FROM unnest($1::date[]) AS day, generate_series(1, 3) AS device",
        days,
    )
    await pool.execute(
        "INSERT INTO sms_avoided (device_id, reports, report_segments, confirmation_segments, day,"
        " transport) SELECT device, 20, 40 + device, 20, day, 'tcp'"
        " FROM unnest($1::date[]) AS day, generate_series(1, 3) AS device",
        days,
    )
    yield pool
    await pool.close()


@asynccontextmanager
async def running(bills: Bills) -> AsyncIterator[None]:
    """The station, until the block ends."""
    async with asyncio.TaskGroup() as tasks:
        station = tasks.create_task(bills.run())
        yield
        station.cancel()


async def totals(pool: asyncpg.Pool, query: str) -> dict[str, Decimal]:
    """Cost by tariff."""
    return dict(await pool.fetch(query))


async def test_a_bill_is_the_statement_of_the_month(pool: asyncpg.Pool) -> None:
    """Line by line, to the cent; days and streets add up to it."""
    today = date(2026, 3, 20)
    await Bills(pool, TARIFFS, lambda: noon(today)).refresh()
    period = Period(MONTH, today)
    statement = make_statement(await fetch_usage(pool, MONTH, today), period, TARIFFS, by="street")
    rows = await pool.fetch("SELECT * FROM dashboard_bill ORDER BY tariff")
    lines = sorted(statement.lines, key=lambda line: line.tariff)
    assert [row["tariff"] for row in rows] == [line.tariff for line in lines]
    for row, line in zip(rows, lines, strict=True):
        for name in ("cost", "a_year", "saving", "saving_a_year", "saving_percent", "per_report"):
            assert row[name] == getattr(line, name), (line.tariff, name)
        assert (row["month"], row["through"]) == (MONTH, today)
    bill = {line.tariff: line.cost for line in lines}
    assert all(cost > 0 for cost in bill.values())
    by_day = "SELECT tariff, sum(cost) FROM dashboard_bill_by_day GROUP BY 1"
    by_street = "SELECT tariff, sum(cost) FROM dashboard_bill_by_street GROUP BY 1"
    assert await totals(pool, by_day) == bill
    assert await totals(pool, by_street) == bill
    streets = await pool.fetch("SELECT DISTINCT street FROM dashboard_bill_by_street ORDER BY 1")
    assert [row["street"] for row in streets] == ["-", "坪地街道", "平湖街道"]


async def test_the_dearest_tariff(pool: asyncpg.Pool) -> None:
    """A slip in the price of one costs nobody the bills under the others."""
    prices = DataPrices(price=Decimal(MAX_PRICE), unit_bytes=1)
    dearest = msgspec.structs.replace(TARIFFS[-1], id="slip", data=prices)
    await Bills(pool, [*TARIFFS, dearest], lambda: noon(date(2026, 3, 31))).refresh()
    costs = await totals(pool, "SELECT tariff, cost FROM bill")
    assert len(costs) == len(TARIFFS) + 1
    assert costs["slip"] == 31 * (6 * 1_700_000 + 3 * 90_000) * Decimal(MAX_PRICE)


async def test_again_changes_nothing_but_what_is_new(pool: asyncpg.Pool) -> None:
    """A month is replaced as a whole, also by two gateways at once; other months stay."""
    april = Bills(pool, TARIFFS, lambda: noon(date(2026, 4, 2)))
    await april.refresh()
    march = Bills(pool, TARIFFS, lambda: noon(date(2026, 3, 31)))
    everything = "SELECT * FROM bill_by_street ORDER BY month, street_code, tariff"
    await march.refresh()
    before = await pool.fetch(everything)
    await asyncio.gather(march.refresh(), march.refresh())
    assert await pool.fetch(everything) == before
    await pool.execute("DELETE FROM traffic WHERE day = '2026-03-15'")
    await pool.execute("DELETE FROM sms_avoided WHERE day = '2026-03-15'")
    await march.refresh()
    days = await pool.fetch("SELECT DISTINCT day FROM bill_by_day ORDER BY 1")
    assert [row["day"].day for row in days] == [*range(1, 15), *range(16, 32), 1, 2]


async def test_fresh_bills_are_left(pool: asyncpg.Pool) -> None:
    """Another gateway has made them a moment ago."""
    bills = Bills(pool, TARIFFS, lambda: noon(date(2026, 3, 20)))
    await bills.refresh(60)
    await pool.execute("UPDATE bill SET cost = 7")
    await bills.refresh(60)
    assert await pool.fetchval("SELECT min(cost) FROM bill") == 7
    await pool.execute("UPDATE bill SET made_at = now() - interval '61 s'")
    await bills.refresh(60)
    assert await pool.fetchval("SELECT max(cost) FROM bill") != 7


@pytest.mark.parametrize(
    "today, through",
    [
        (
            date(2026, 4, 1),
            {date(2026, 3, 1): date(2026, 3, 31), date(2026, 4, 1): date(2026, 4, 1)},
        ),
        (date(2026, 4, 2), {date(2026, 4, 1): date(2026, 4, 2)}),
    ],
    ids=["first day", "second day"],
)
async def test_the_last_day_of_a_month(
    pool: asyncpg.Pool, today: date, through: dict[date, date]
) -> None:
    """On the first day of a month the last one is billed once more, to its end."""
    await Bills(pool, TARIFFS, lambda: noon(today)).refresh()
    assert dict(await pool.fetch("SELECT DISTINCT month, through FROM bill")) == through


async def test_a_day_is_one_of_china(pool: asyncpg.Pool) -> None:
    """A second after midnight there, in the afternoon before in Greenwich."""
    midnight = datetime(2026, 4, 2, tzinfo=CHINA_TIME).timestamp()
    for unix_time, expected in ((midnight - 1, date(2026, 4, 1)), (midnight, date(2026, 4, 2))):
        await Bills(pool, TARIFFS, lambda now=unix_time: now).refresh()  # type: ignore[misc]
        assert await pool.fetchval("SELECT max(through) FROM bill") == expected


async def test_it_goes_on_after_errors(pool: asyncpg.Pool) -> None:
    """A bug is told and counted, and the station rests."""
    failures = grown("gateway_bills_failures_total")

    def broken_clock() -> float:
        raise ZeroDivisionError

    with capture_logs() as logs:
        async with running(Bills(pool, TARIFFS, broken_clock)):
            await until(lambda: failures() == 1)
    assert [log["event"] for log in logs] == ["bills_failed"]


async def test_it_waits_for_the_database(database_dsn: str) -> None:
    """While it is away nothing is made, and the station goes on."""
    pool = await open_pool(database_dsn, size=1)
    await pool.execute("ALTER TABLE bill RENAME TO away")
    with capture_logs() as logs:
        async with running(Bills(pool, TARIFFS)):
            await until(lambda: len(logs) > 0)
            await pool.execute("ALTER TABLE away RENAME TO bill")
            before = value_of("gateway_bills_made_timestamp_seconds")
            await until(lambda: value_of("gateway_bills_made_timestamp_seconds") > before)
    assert {log["event"] for log in logs} == {"bills_wait"}
    await pool.close()


async def test_a_gateway_makes_bills(database_dsn: str) -> None:
    """As soon as it starts; with the meter off it makes none."""
    pool = await open_pool(database_dsn, size=1)
    async with served_gateway(database_dsn, meter={"enabled": False}):
        pass
    assert await pool.fetchval("SELECT count(*) FROM bill") == 0
    before = value_of("gateway_bills_made_timestamp_seconds")
    async with served_gateway(database_dsn):
        await until(lambda: value_of("gateway_bills_made_timestamp_seconds") > before)
    assert await pool.fetchval("SELECT count(*) FROM bill") == len(TARIFFS)
    await pool.close()
