"""The bill on the page: calculated aside, seldom, and only while somebody looks."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import msgspec

from gateway import observe_page
from gateway.settings import Settings

REST_SECONDS: Final = 15.0
"""Between two bills: money does not change faster than people read."""

REST_FACTOR: Final = 20.0
"""And so many times longer than one took: at most 5 % of a processor, however much is metered."""


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
    """The bill of the page's days, with all tariffs. Blocks, for a thread: it brings its own event
    loop and connection, so that reading and counting hold up nothing else.
    """
    raise NotImplementedError
