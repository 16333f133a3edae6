"""The bill on the page: calculated aside, seldom, and only while somebody looks."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
import msgspec

from gateway import observe_page
from gateway.cost.period import Period
from gateway.cost.statement import make_statement
from gateway.cost.usage import Usage
from gateway.metered import fetch_usage
from gateway.page_scope import Scope, scope_of
from gateway.price_lists import load_tariffs
from gateway.queries import load_queries
from gateway.settings import Settings
from gateway.statement_view import statement_json

REST_SECONDS: Final = 15.0
"""Between two bills: money does not change faster than people read."""

REST_FACTOR: Final = 20.0
"""And so many times longer than one took: at most 5 % of a processor, however much is metered."""

DATABASE_TIMEOUT_SECONDS: Final = 10.0
"""For all that is read: a thread cannot be cancelled, and a gateway that ends waits for it."""

_QUERIES = load_queries("page.sql")


class MadeBill(msgspec.Struct, frozen=True):
    """A bill and when it was made."""

    bill: dict[str, Any]
    at: datetime


class PageBill:
    """Makes bills while they are asked for.

    Args:
        make: Makes one, in a thread of its own, because it may take seconds. An error of it is told
            and the last bill stays.
        now: The time.
        monotonic: The same by a clock that is never set.
    """

    def __init__(
        self,
        make: Callable[[], dict[str, Any]],
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._make = make
        self._now = now
        self._monotonic = monotonic
        self._asked = asyncio.Event()
        self._made: MadeBill | None = None

    def latest(self) -> MadeBill | None:
        """The last bill, and have the next one made when it is time; None before the first."""
        self._asked.set()
        return self._made

    async def run(self) -> None:
        """Make bills until cancelled."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            began = self._monotonic()
            try:
                self._made = MadeBill(await asyncio.to_thread(self._make), self._now())
            except Exception as error:  # noqa: BLE001 - the page must not end the gateway
                observe_page.bill_failed(error)
            took = self._monotonic() - began
            await asyncio.sleep(max(REST_SECONDS, REST_FACTOR * took))


def make_bill(settings: Settings) -> dict[str, Any]:
    """The bill of the days that the page tells of, under all tariffs. Blocks, for a thread: it
    brings its own event loop and connection, so that reading and counting hold up nothing else.

    Raises what asyncpg raises, and `TariffError`.
    """
    scope = scope_of(settings.cost.played_period(), datetime.now(UTC))
    tariffs = load_tariffs(settings.cost.tariffs)
    metered, usages = asyncio.run(_fetch(settings.database.dsn, scope))
    played_as = scope.period if scope.played else None
    statement = make_statement(usages, metered, list(tariffs.values()), played_as=played_as)
    return statement_json(statement)


async def _fetch(dsn: str, scope: Scope) -> tuple[Period, list[Usage]]:
    """The days that were metered, and what was."""
    async with asyncio.timeout(DATABASE_TIMEOUT_SECONDS):
        connection = await asyncpg.connect(dsn)
        try:
            metered = scope.period
            if scope.played:
                row = await connection.fetchrow(_QUERIES["days"])
                metered = Period(row["first"] or scope.today, row["last"] or scope.today)
            return metered, await fetch_usage(connection, metered.first, metered.last)
        finally:
            connection.terminate()  # a polite goodbye to a dead server hangs
