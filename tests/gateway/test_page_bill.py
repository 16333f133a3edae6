"""The bill on the page: when it is made, and that it is the same as everywhere."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs

from gateway.cost.china import day_of
from gateway.cost.period import Period
from gateway.cost.statement import make_statement
from gateway.metered import fetch_usage
from gateway.page_bill import REST_FACTOR, REST_SECONDS, PageBill, make_bill
from gateway.price_lists import load_tariffs
from gateway.settings import Settings
from gateway.statement_view import statement_json
from tests.helpers.served_gateway import settings_of

pytestmark = pytest.mark.asyncio

NOW = datetime(2026, 11, 24, tzinfo=UTC)


class Accountant:
    """Makes bills 1, 2, 3, ... and lets the test say how long that takes and how the rests are."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.takes_seconds = 0.0
        self.bills = 0
        self.error: Exception | None = None
        self.threads: set[int] = set()
        self.rests: list[float] = []
        self.rested = asyncio.Event()
        self.bill = PageBill(self._make, lambda: NOW, lambda: self.now)
        monkeypatch.setattr("gateway.page_bill.asyncio.sleep", self._sleep)

    def _make(self) -> dict[str, Any]:
        self.threads.add(threading.get_ident())
        self.bills += 1
        self.now += self.takes_seconds
        if self.error is not None:
            raise self.error
        return {"number": self.bills}

    async def _sleep(self, seconds: float) -> None:
        self.rests.append(seconds)
        await self.rested.wait()
        self.rested.clear()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[PageBill]:
        """Until the block ends."""
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.bill.run())
            yield self.bill
            task.cancel()

    async def until_rest(self, number: int) -> None:
        """Wait until so many bills are over."""
        waiting = asyncio.get_running_loop().time() + 30
        while len(self.rests) < number:
            assert asyncio.get_running_loop().time() < waiting
            await asyncio.to_thread(lambda: None)


async def test_made_when_somebody_looks_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look finds none, and has it made; not on the thread of the event loop."""
    accountant = Accountant(monkeypatch)
    async with accountant.running() as bill:
        await asyncio.to_thread(lambda: None)
        assert accountant.bills == 0
        assert bill.latest() is None
        await accountant.until_rest(1)
        made = bill.latest()
        assert made is not None
        assert (made.bill, made.at) == ({"number": 1}, NOW)
    assert threading.get_ident() not in accountant.threads


async def test_it_rests_however_many_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than one each 15 seconds, and long after a slow one."""
    accountant = Accountant(monkeypatch)
    async with accountant.running() as bill:
        bill.latest()
        await accountant.until_rest(1)
        for _ in range(100):
            bill.latest()
        assert accountant.bills == 1
        accountant.takes_seconds = 5
        accountant.rested.set()
        await accountant.until_rest(2)
    assert accountant.rests == [REST_SECONDS, REST_FACTOR * 5]


async def test_a_failure_is_told_and_the_last_bill_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it is: the page must not end the gateway."""
    accountant = Accountant(monkeypatch)
    async with accountant.running() as bill:
        bill.latest()
        await accountant.until_rest(1)
        accountant.error = ZeroDivisionError("bug")
        bill.latest()
        with capture_logs() as lines:
            accountant.rested.set()
            await accountant.until_rest(2)
        made = bill.latest()
        assert made is not None
        assert made.bill == {"number": 1}
    assert [line["error"] for line in lines] == ["ZeroDivisionError: bug"]


# The bill itself.


async def meter(dsn: str, day: date, reports: int) -> None:
    """A day of one device, as the gateways count it."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "INSERT INTO traffic VALUES (1, 4000000, 1000000, 0, 5000, 0, 9, $1, 'tcp')", day
    )
    await connection.execute(
        "INSERT INTO sms_avoided (device_id, reports, report_segments, confirmation_segments, day,"
        " transport) VALUES (1, $2::bigint, 2 * $2::bigint, $2::bigint, $1, 'tcp')",
        day,
        reports,
    )
    await connection.execute(
        "INSERT INTO ledger (day, gateway, lane, transport) VALUES ($1, 'a', 0, 'tcp')", day
    )
    await connection.close()


async def expected(settings: Settings, period: Period, played_as: Period | None) -> dict[str, Any]:
    """The statement that anybody else would make."""
    connection = await asyncpg.connect(settings.database.dsn)
    usages = await fetch_usage(connection, period.first, period.last)
    await connection.close()
    tariffs = list(load_tariffs().values())
    return statement_json(make_statement(usages, period, tariffs, played_as=played_as))


async def test_of_this_month(database_dsn: str) -> None:
    """What was metered before it is not in it."""
    settings = settings_of(database_dsn)
    today = day_of(int(time.time()))
    first = today.replace(day=1)
    await meter(database_dsn, first - timedelta(1), 5)
    await meter(database_dsn, first, 70)
    bill = await asyncio.to_thread(make_bill, settings)
    assert bill == await expected(settings, Period(first, today), None)
    assert bill["totals"]["reports"] == 70


async def test_of_a_simulation(database_dsn: str) -> None:
    """All that was metered on whatever days it ran, as the days that it stands for."""
    settings = settings_of(database_dsn, cost={"played_as": "2008-01-01/2008-03-31"})
    days = Period(date(2026, 10, 31), date(2026, 11, 1))
    await meter(database_dsn, days.first, 5)
    await meter(database_dsn, days.last, 70)
    bill = await asyncio.to_thread(make_bill, settings)
    played_as = Period(date(2008, 1, 1), date(2008, 3, 31))
    assert bill == await expected(settings, days, played_as)
    assert bill["totals"]["reports"] == 75
    assert bill["days"] == 91


async def test_of_a_simulation_that_has_not_begun(database_dsn: str) -> None:
    """A bill of nothing."""
    settings = settings_of(database_dsn, cost={"played_as": "2008-01-01/2008-03-31"})
    bill = await asyncio.to_thread(make_bill, settings)
    assert bill["totals"]["reports"] == 0
