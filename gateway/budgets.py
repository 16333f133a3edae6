"""Warns when the month's traffic is on the way to cost more than it may.

Every gateway calculates for all devices of the database; a warning is a row that is there once, and
the relay publishes it. What is calculated, and when it means anything, stands in `cost.budget`.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import asyncpg

from gateway import observe_budgets
from gateway.cost.budget import Excess, Outlook, find_excess, look_ahead, month_of
from gateway.cost.tariff import DataPrices, Tariff
from gateway.cost.usage import Traffic, Usage
from gateway.database import connection_of, transaction
from gateway.price_lists import find_tariff
from gateway.queries import load_queries
from gateway.retry import back_off
from gateway.settings import CostSettings
from gateway.store_errors import TRANSIENT_ERRORS

REST_SECONDS: Final = 60.0
"""Between two calculations: nobody acts on a bill sooner."""

REST_FACTOR: Final = 200
"""And so many times as long as the last one took: half a percent of a processor, however many
devices there are."""

READ_AT_ONCE: Final = 500
"""Rows read at a time: a millisecond of the event loop."""

_QUERIES = load_queries("cost.sql")


class Budgets:
    """One of the stations of a gateway.

    Args:
        settings: The budgets.
        tariff: What traffic costs: one for data.
        pool: Of the database.
        unix_time: The clock, in seconds.
    """

    def __init__(
        self,
        settings: CostSettings,
        tariff: Tariff,
        pool: asyncpg.Pool,
        unix_time: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._tariff = tariff
        self._prices = _data_prices(tariff)
        self._pool = pool
        self._unix_time = unix_time

    async def run(self) -> None:
        """Calculate now and then until cancelled."""
        delays = back_off()
        while True:
            begin = time.monotonic()
            try:
                await self.check()
            except TRANSIENT_ERRORS as error:
                delay_seconds = next(delays)
                observe_budgets.budgets_paused(error, delay_seconds)
            except Exception as error:  # noqa: BLE001 - a bug here must not cost a single report
                delay_seconds = REST_SECONDS
                observe_budgets.budgets_failed(error, delay_seconds)
            else:
                delays = back_off()
                delay_seconds = max(REST_SECONDS, REST_FACTOR * (time.monotonic() - begin))
            await asyncio.sleep(delay_seconds)

    async def check(self) -> Outlook:
        """Calculate once, tell what there is to tell, and warn of what was not warned of."""
        now = int(self._unix_time())
        rows = await self._read(now)
        outlook, excess = await asyncio.to_thread(self._calculate, rows, now)
        over = sum(one.device is not None for one in excess)
        observe_budgets.budgets(outlook.together, self._settings.total_budget, over)
        if excess:
            warned = await self._warn(outlook, excess)
            if warned:
                observe_budgets.budgets_warned(warned)
        return outlook

    async def _read(self, now: int) -> list[asyncpg.Record]:
        month = month_of(now)
        by_day = self._prices.rounding == "day"
        arguments = (_QUERIES["traffic_of_month"], month.first, month.last, by_day)
        async with connection_of(self._pool) as connection, transaction(connection, readonly=True):
            return [row async for row in connection.cursor(*arguments, prefetch=READ_AT_ONCE)]

    def _calculate(self, rows: Sequence[Any], now: int) -> tuple[Outlook, list[Excess]]:
        """Runs on a thread: with thousands of devices it takes a while."""
        usages = [
            Usage(
                day=row["day"],
                device=row["device_id"],
                transport=None,
                street=None,
                traffic=Traffic(**{name: row[name] for name in Traffic.__struct_fields__}),
            )
            for row in rows
        ]
        outlook = look_ahead(usages, self._prices, now)
        settings = self._settings
        return outlook, find_excess(outlook, settings.device_budget, settings.total_budget)

    async def _warn(self, outlook: Outlook, excess: Sequence[Excess]) -> int:
        """Leave warnings to the relay; returns how many are new."""
        rows = await self._pool.fetch(
            _QUERIES["warn"],
            outlook.month,
            self._tariff.currency,
            self._tariff.id,
            [one.device for one in excess],
            [one.budget for one in excess],
            [one.sums.spent for one in excess],
            [one.sums.projected for one in excess],
        )
        return len(rows)


def budgets_of(settings: CostSettings, pool: asyncpg.Pool) -> Budgets:
    """With the tariff of the settings, which were checked."""
    return Budgets(settings, find_tariff(settings.tariff, settings.tariffs), pool)


def _data_prices(tariff: Tariff) -> DataPrices:
    if tariff.data is None:
        raise ValueError(f"{tariff.id} is no tariff for data")
    return tariff.data
