"""Keeps one handset connected: back-off, admission in turn, and what outlives a session."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Final

import trio

from device_sim.courier import Courier
from device_sim.links import LinkProfile
from device_sim.pace import Pace
from device_sim.session import Ending, Session

FIRST_BACKOFF_SECONDS: Final = 1.0
"""The protocol's rule 4: full jitter up to this at first, doubling, up to the last below."""

LAST_BACKOFF_SECONDS: Final = 60.0

LAST_BACKOFF_AT_FULL_SPEED_SECONDS: Final = 4.0
"""A gateway that restarts is found again soon when the quarter takes a minute."""

GREETINGS_AT_ONCE: Final = 64
"""Handsets that connect and greet at the same time; the others wait for their turn."""

CONNECT_SECONDS: Final = 30.0
"""How long to wait for a TCP connection."""

_OURS: Final = frozenset({Ending.CUT, Ending.HALF_OPEN})


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection and the session that will run on it."""

    stream: trio.abc.Stream
    session: Session


class _Turn:
    """One place among those that greet; may be given back twice."""

    def __init__(self, places: trio.CapacityLimiter) -> None:
        self._places = places
        self._has_place = False

    async def take(self) -> None:
        await self._places.acquire_on_behalf_of(self)
        self._has_place = True

    def give_back(self) -> None:
        if self._has_place:
            self._has_place = False
            self._places.release_on_behalf_of(self)


class Keeper:
    """Opens one session after the other until everything of the handset is settled.

    Args:
        courier: of the handset.
        connect: opens a connection; raises `OSError` when there is none.
        places: how many handsets may greet at once; shared by the fleet.
        pace: for how long an outage lasts.
        profile: for how long a modem needs to be back.
        random: for jitter.
    """

    def __init__(
        self,
        courier: Courier,
        connect: Callable[[], Awaitable[Opened]],
        places: trio.CapacityLimiter,
        pace: Pace,
        profile: LinkProfile,
        random: Random,
    ) -> None:
        self._courier = courier
        self._connect = connect
        self._places = places
        self._pace = pace
        self._profile = profile
        self._random = random
        self._backoff_seconds = FIRST_BACKOFF_SECONDS
        self._forgotten: trio.abc.Stream | None = None

    async def run(self) -> None:
        """Keep the handset connected until it has nothing left to do.

        Raises:
            NotAdmittedError: the handset is not wanted.
            UntrustedGatewayError: the gateway does not know this device.
        """
        try:
            while not self._courier.is_finished:
                await self._one_session()
        finally:
            await self._close_forgotten()

    async def _one_session(self) -> None:
        courier, turn = self._courier, _Turn(self._places)
        await turn.take()
        try:
            with trio.fail_after(CONNECT_SECONDS):
                opened = await self._connect()
        except (OSError, trio.TooSlowError):
            turn.give_back()
            await self._back_off(0)
            return
        except BaseException:
            turn.give_back()  # cancelled: the place must not be lost
            raise
        ending = Ending.LOST
        try:
            ending = await opened.session.run(lambda: self._welcomed(turn))
        finally:
            turn.give_back()
            courier.link_lost()
            await self._close(opened.stream, ending)
        await self._pause(ending, opened.session.retry_after_seconds)

    def _welcomed(self, turn: _Turn) -> None:
        self._backoff_seconds = FIRST_BACKOFF_SECONDS
        turn.give_back()

    async def _close(self, stream: trio.abc.Stream, ending: Ending) -> None:
        if ending is Ending.HALF_OPEN:
            await self._close_forgotten()
            self._forgotten = stream
        else:
            await trio.aclose_forcefully(stream)

    async def _close_forgotten(self) -> None:
        if self._forgotten is not None:
            await trio.aclose_forcefully(self._forgotten)
            self._forgotten = None

    async def _pause(self, ending: Ending, retry_after_seconds: int) -> None:
        """What lies between two sessions."""
        courier = self._courier
        if ending is Ending.LOST:
            courier.tally.lost_links += 1
            await self._back_off(retry_after_seconds)
        elif ending in _OURS:
            simulated = self._random.uniform(*self._profile.reconnect_seconds)
            simulated += courier.outage_seconds
            courier.outage_seconds = 0.0
            await trio.sleep(self._pace.seconds(simulated))

    async def _back_off(self, retry_after_seconds: int) -> None:
        """Wait as the protocol's rule 4 says."""
        seconds = self._random.uniform(0, self._backoff_seconds)
        at_most = LAST_BACKOFF_SECONDS if self._pace.waits else LAST_BACKOFF_AT_FULL_SPEED_SECONDS
        self._backoff_seconds = min(2 * self._backoff_seconds, at_most)
        await trio.sleep(max(seconds, retry_after_seconds))
