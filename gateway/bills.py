"""Keeps the bills of the month in tables, for dashboards.

A bill has fees, allowances and rounding, which no query should know: it is calculated in one place,
`gateway.cost`, and written down. Each gateway makes bills, and none leads: whoever finds fresh ones
leaves them. Writing replaces a month as a whole, so to do it twice changes nothing.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

import asyncpg
import msgspec

from gateway import observe_bills
from gateway.cost.china import day_of
from gateway.cost.period import Period
from gateway.cost.statement import Group, Line, Statement, make_statement
from gateway.cost.tariff import Tariff
from gateway.cost.usage import Usage
from gateway.database import connection_of, transaction
from gateway.metered import fetch_usage
from gateway.price_lists import load_tariffs
from gateway.queries import load_queries
from gateway.retry import back_off
from gateway.settings import CostSettings
from gateway.store_errors import TRANSIENT_ERRORS

_QUERIES = load_queries("bills.sql")

PAUSE_SECONDS: Final = 300.0
"""Between two bills: money is read by the day. A month of 773 devices takes half a second."""

REST_FACTOR: Final = 50
"""How much longer than the work the rest is at least: bills may cost 2 % of a processor."""

FRESH_SHARE: Final = 0.9
"""Bills younger than this share of the pause are left as they are."""

NO_STREET: Final = ""
"""Key of a group of devices that belong to no street."""


class MonthlyBill(msgspec.Struct, frozen=True):
    """What is written of one month."""

    month: date
    by_day: Statement
    by_street: Statement


class Bills:
    """One of the stations of a gateway.

    Args:
        pool: Of the database.
        tariffs: What to bill under.
        unix_time: The clock.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        tariffs: Sequence[Tariff],
        unix_time: Callable[[], float] = time.time,
    ) -> None:
        self._pool = pool
        self._tariffs = list(tariffs)
        self._unix_time = unix_time

    async def run(self) -> None:
        """Keep the bills up to date until cancelled."""
        delays = back_off(most_seconds=PAUSE_SECONDS)
        while True:
            began = time.monotonic()
            try:
                await self.refresh(FRESH_SHARE * PAUSE_SECONDS)
            except TRANSIENT_ERRORS as error:
                delay_seconds = next(delays)
                observe_bills.bills_wait(error, delay_seconds)
            except Exception as error:  # noqa: BLE001 - a bug here must not cost a single report
                delay_seconds = PAUSE_SECONDS
                observe_bills.bills_failed(error, delay_seconds)
            else:
                delays = back_off(most_seconds=PAUSE_SECONDS)
                delay_seconds = max(PAUSE_SECONDS, REST_FACTOR * (time.monotonic() - began))
            await asyncio.sleep(delay_seconds)

    async def refresh(self, fresh_seconds: float = 0.0) -> None:
        """Make the bills of this month, and of yesterday's, unless they are younger than this."""
        today = day_of(int(self._unix_time()))
        if await self._pool.fetchval(_QUERIES["is_fresh"], today.replace(day=1), fresh_seconds):
            observe_bills.bills_are_fresh(self._unix_time())
            return
        began = time.monotonic()
        for month, through in _months(today):
            usages = await fetch_usage(self._pool, month, through)
            # In a thread: half a second of work, and the event loop has acks to send.
            bill = await asyncio.to_thread(_make_bill, usages, month, through, self._tariffs)
            await self._write(bill)
        observe_bills.bills_made(self._unix_time(), time.monotonic() - began)

    async def _write(self, bill: MonthlyBill) -> None:
        month = bill.month
        days = list(_costs(bill.by_day.groups))
        streets = list(_costs(bill.by_street.groups))
        async with connection_of(self._pool) as connection, transaction(connection):
            await connection.execute(_QUERIES["lock"])
            await connection.execute(_QUERIES["forget"], month)
            lines = [_row(month, bill.by_day.period.last, line) for line in bill.by_day.lines]
            await connection.executemany(_QUERIES["add_lines"], lines)
            await connection.execute(
                _QUERIES["add_days"],
                [date.fromisoformat(key) for key, *_ in days],
                [tariff for _, tariff, _ in days],
                [cost for *_, cost in days],
            )
            await connection.execute(
                _QUERIES["add_streets"],
                month,
                [None if key == NO_STREET else int(key) for key, *_ in streets],
                [tariff for _, tariff, _ in streets],
                [cost for *_, cost in streets],
            )


def bills_of(settings: CostSettings, pool: asyncpg.Pool) -> Bills:
    """Bills under all tariffs, shipped and own. Raises `TariffError` for a faulty one."""
    return Bills(pool, list(load_tariffs(settings.tariffs).values()))


def _months(today: date) -> Iterator[tuple[date, date]]:
    """The months to bill, each with its last day so far: what was counted late on the last day of
    a month still belongs to its bill.
    """
    first = today.replace(day=1)
    yesterday = today - timedelta(days=1)
    if yesterday < first:
        yield yesterday.replace(day=1), yesterday
    yield first, today


def _make_bill(
    usages: Sequence[Usage], month: date, through: date, tariffs: Sequence[Tariff]
) -> MonthlyBill:
    period = Period(month, through)
    return MonthlyBill(
        month,
        make_statement(usages, period, tariffs, by="day"),
        make_statement(usages, period, tariffs, by="street"),
    )


def _row(month: date, through: date, line: Line) -> tuple[object, ...]:
    return (
        month,
        through,
        line.tariff,
        line.name,
        line.currency,
        line.is_sms,
        line.assumption,
        line.cost,
        line.a_year,
        line.saving,
        line.saving_a_year,
        line.saving_percent,
        line.per_report,
    )


def _costs(groups: Sequence[Group]) -> Iterator[tuple[str, str, Decimal]]:
    """Key, tariff and cost of each."""
    for group in groups:
        for tariff, cost in group.costs.items():
            yield group.key, tariff, cost
