"""What counts traffic and money, as one station. Nothing of it holds up a report."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import asyncpg

from gateway import observe
from gateway.bills import bills_of
from gateway.budgets import budgets_of
from gateway.report_counter import counter_of
from gateway.settings import Settings
from gateway.traffic_account import MAX_ROWS
from gateway.traffic_meter import TrafficMeter
from gateway.traffic_table import TrafficTable

LAST_TRAFFIC_SECONDS: Final = 2.0
"""At shutdown: how long the last counts of traffic may take to be written, no more than they are
worth. Reports that are not counted yet are counted by another gateway, or by the next start."""


class Metering:
    """Built from the settings; runs beside the stations that take reports.

    Args:
        settings: Of the whole gateway.
        pool: Of the database.
        is_busy: Whether reports are being written.
    """

    def __init__(self, settings: Settings, pool: asyncpg.Pool, is_busy: Callable[[], bool]) -> None:
        self.traffic: Final = TrafficMeter(
            TrafficTable(pool),
            settings.meter,
            unix_time=time.time,
            monotonic=asyncio.get_running_loop().time,
        )
        """For those who hold the links of devices."""
        self._counter = counter_of(settings.meter, pool, is_busy)
        self._bills = bills_of(settings.cost, pool)
        self._budgets = budgets_of(settings.cost, pool)

    async def run(self) -> None:
        """Count until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.traffic.run(), name="traffic meter")
            tasks.create_task(self._counter.run(), name="report counter")
            tasks.create_task(self._bills.run(), name="bills")
            tasks.create_task(self._budgets.run(), name="budgets")

    async def close(self) -> None:
        """Write the last counts of traffic."""
        await self.traffic.drain(LAST_TRAFFIC_SECONDS)

    def watch_queues(self) -> None:
        """Let the metrics read how much waits."""
        observe.watch_queue("traffic_sums", self.traffic.statistics, MAX_ROWS)
