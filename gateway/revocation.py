"""Ends the sessions of devices that were revoked, restored or given a new secret, whichever process
they are connected to and whoever changed them.

Each session carries the standing that its device had when it was looked up. The database is asked
which of these are outdated: at once when it says that a device changed, and by itself from time to
time. Nothing is remembered between two looks. So a session that opened just after a look, on what
was known just before the change, is found by the next; and a device that came back with its new
secret has the new standing and stays.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterator
from itertools import islice
from typing import Final, Protocol

from gateway import observe_revocation
from gateway.attendance import Attendance
from gateway.devices import Standing
from gateway.retry import back_off
from gateway.store_errors import StoreUnavailableError

LOOK_SECONDS: Final = 5.0
"""How often to look beside being woken: a revoked device is out within seconds even when the
notification was missed. A thousand sessions cost the database two milliseconds each time."""

MAX_ASKED: Final = 5_000
"""Standings in one statement: some ten milliseconds of the database, 60 KB."""


class Standings(Protocol):
    """Where devices are registered."""

    async def outdated(self, standings: Collection[Standing]) -> Collection[Standing]:
        """See `Devices.outdated`."""
        ...


class Revocation:
    """Looks at those that are here, and ends what is outdated.

    Args:
        devices: Knows the standing of each device.
        attendance: Knows the sessions.
        monotonic: Seconds that never go back.
        look_seconds: How often to look without being woken.
    """

    def __init__(
        self,
        devices: Standings,
        attendance: Attendance,
        *,
        monotonic: Callable[[], float],
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._devices = devices
        self._attendance = attendance
        self._monotonic = monotonic
        self._look_seconds = look_seconds
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """A device has changed."""
        self._wake.set()

    async def run(self) -> None:
        """Look until cancelled. While the database is away sessions stay: nothing can be learned;
        after a bug of ours the next look finds them.
        """
        delays = back_off()
        while True:
            next_look = self._monotonic() + self._look_seconds
            # Before the look: who changes during it is looked for again.
            self._wake.clear()
            try:
                await self._look()
                delays = back_off()
            except Exception as error:  # noqa: BLE001 - a bug here must not end the taking of reports
                delay_seconds = next(delays)
                if isinstance(error, StoreUnavailableError):
                    observe_revocation.revocation_waits(error, delay_seconds)
                else:
                    observe_revocation.revocation_failed(error, delay_seconds)
                await asyncio.sleep(delay_seconds)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(next_look - self._monotonic(), 0)):
                    await self._wake.wait()

    async def _look(self) -> None:
        held = {(session.device_id, session.standing) for session in self._attendance.sessions()}
        for asked in _pages(held):
            outdated = await self._devices.outdated(asked)
            if outdated:
                self._end(outdated)

    def _end(self, outdated: Collection[Standing]) -> None:
        """End the sessions with these very standings: one that opened meanwhile has another."""
        for session in self._attendance.sessions():
            if (session.device_id, session.standing) in outdated:
                observe_revocation.session_shut_out(session.transport, session.device_id)
                session.shut_out()
                # Here no more from now on, even if its peer does not read our last words.
                self._attendance.left(session)


def _pages(standings: Collection[Standing]) -> Iterator[Collection[Standing]]:
    rest = iter(standings)
    while page := list(islice(rest, MAX_ASKED)):
        yield page
