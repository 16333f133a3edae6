"""The page's station in a gateway: figures for whoever looks, and next to nothing for nobody."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import asyncpg
import msgspec

from gateway import observe_readings
from gateway.attendance import Attendance
from gateway.kept import Kept
from gateway.observe_readings import Readings
from gateway.page_bill import PageBill, make_bill
from gateway.page_figures import Figures, FiguresReader
from gateway.page_scope import Scope, scope_of
from gateway.pulse import EVERY_SECONDS, Pulse
from gateway.settings import Settings
from gateway.store_errors import TRANSIENT_ERRORS

QUICK_SECONDS: Final = 1.0
"""How long figures that change with every report are shared by all viewers."""

SLOW_SECONDS: Final = 5.0
"""The same of those that may be some seconds old: streets, tasks, devices."""

REST_FACTOR: Final = 20.0
"""And so many times longer than reading them took: at most a twentieth of one connection."""

ANSWER_WITHIN_SECONDS: Final = 3.0
"""A database that has not answered by then is away for the page, which says so."""

AWAY: Final = TRANSIENT_ERRORS


class PageStation:
    """Puts the figures together.

    Args:
        gateway: Name of this gateway.
        in_force: The tariff that the money spent is calculated with.
        reader: The database.
        scope: The days to show now.
        bill: The bill.
        pulse: How fast this gateway has been lately.
        read: What this process has counted.
        attendance: Who is here.
        now: The time.
        monotonic: The same by a clock that is never set.
    """

    def __init__(
        self,
        *,
        gateway: str,
        in_force: str,
        reader: FiguresReader,
        scope: Callable[[], Scope],
        bill: PageBill,
        pulse: Pulse,
        read: Callable[[], Readings],
        attendance: Attendance,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._reader = reader
        self._scope = scope
        self._bill = bill
        self._pulse = pulse
        self._read = read
        self._attendance = attendance
        self._now = now
        self._last = Figures(
            gateway=gateway,
            at=now(),
            database=False,
            database_at=None,
            in_force=in_force,
            pulse_seconds=EVERY_SECONDS,
        )
        self._quick = self._kept(self._read_quick, QUICK_SECONDS, monotonic)
        self._slow = self._kept(self._read_slow, SLOW_SECONDS, monotonic)

    async def run(self) -> None:
        """Take the pulse and make bills until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pulse.run(), name="page pulse")
            tasks.create_task(self._bill.run(), name="page bill")

    async def figures(self, pulse_after: int) -> Figures:
        """What the page shows now. Never raises because the database is away: its figures are then
        the last ones, and say so.

        Args:
            pulse_after: Unix milliseconds: older samples of the pulse are left out.
        """
        try:
            read = {**await self._slow.get(), **await self._quick.get()}
        except AWAY:
            self._last = msgspec.structs.replace(self._last, database=False)
        else:
            self._last = msgspec.structs.replace(self._last, database=True, **read)
        last, made = self._last, self._bill.latest()
        stored, in_flight = last.ledger, self._read().in_flight
        return msgspec.structs.replace(
            last,
            at=self._now(),
            ledger=msgspec.structs.replace(
                stored, received=stored.received + in_flight, in_flight=in_flight
            ),
            devices_online=last.devices_online + len(self._attendance),
            bill=made.bill if made else None,
            bill_at=made.at if made else None,
            pulse=self._pulse.since(pulse_after),
        )

    def _kept(
        self,
        make: Callable[[], Any],
        keep_seconds: float,
        monotonic: Callable[[], float],
    ) -> Kept[dict[str, Any]]:
        return Kept(
            make,
            expected=AWAY,
            keep_seconds=keep_seconds,
            rest_factor=REST_FACTOR,
            monotonic=monotonic,
        )

    async def _read_quick(self) -> dict[str, Any]:
        async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
            read = await self._reader.quick(self._scope())
        return {**read, "database_at": self._now()}

    async def _read_slow(self) -> dict[str, Any]:
        scope = self._scope()
        async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
            read = await self._reader.slow(scope)
        return {
            **read, "period": scope.period, "played": scope.played, "expected": scope.expected,
        }  # fmt: skip


def build_page(settings: Settings, pool: asyncpg.Pool, attendance: Attendance) -> PageStation:
    """The station of a running gateway."""
    loop = asyncio.get_running_loop()
    return PageStation(
        gateway=settings.name,
        in_force=settings.cost.tariff,
        reader=FiguresReader(pool, settings.name),
        scope=lambda: scope_of(settings.cost.played_period(), _now()),
        bill=PageBill(partial(make_bill, settings), _now, loop.time),
        pulse=Pulse(observe_readings.read, time.time, loop.time),
        read=observe_readings.read,
        attendance=attendance,
        now=_now,
        monotonic=loop.time,
    )


def _now() -> datetime:
    return datetime.now(UTC)
