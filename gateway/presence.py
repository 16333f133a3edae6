"""Tells subscribers which devices are online, through whichever gateway.

Who came and went here is gathered and noted in the database many at a time; only who holds the
newest session of a device may say that it went, because it may have come back through another
gateway. The events are retained, one topic for each device. They tell the present state and are no
record: what comes and goes between two notes is not told.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

import msgspec

from gateway import observe_events
from gateway.event_rows import EventMaker, Published
from gateway.publications import Publications, Row
from gateway.publisher import BrokerGoneError, Publisher
from gateway.reference import Reference
from gateway.retry import back_off
from gateway.session import Session
from gateway.store_errors import StoreUnavailableError

GATHER_SECONDS: Final = 0.2
"""How long comers and goers are gathered before they are noted together."""

SESSION_BITS: Final = 62
"""A number of chance for each session: none meets another in the life of a database."""


Answer = TypeVar("Answer")


class Entry(msgspec.Struct, frozen=True):
    """A device that is here."""

    device_id: int
    session: int
    installation: int
    transport: str


class Presence:
    """Listens to `Attendance`; notes and publishes.

    Args:
        gateway: Name of this gateway.
        publications: The database.
        publisher: The connection to the broker.
        reference: As for the relay.
    """

    def __init__(
        self,
        gateway: str,
        publications: Publications,
        publisher: Publisher,
        reference: Reference,
    ) -> None:
        self._gateway = gateway
        self._publications = publications
        self._publisher = publisher
        self._reference = reference
        self._here: dict[int, Entry] = {}
        self._came: dict[int, Entry] = {}
        self._gone: dict[int, Entry] = {}
        self._told: dict[int, Published] = {}
        """The event of each device that is here."""
        self._to_tell: dict[int, Published] = {}
        self._due = asyncio.Event()
        self._is_closing = False
        self._ended = asyncio.Event()
        publisher.when_connected(self._tell_all_again)

    def arrived(self, session: Session) -> None:
        """A device was welcomed. One that greets again, as over MQTT, has been here all along."""
        device_id, transport = session.device_id, session.transport.value
        known = self._here.get(device_id)
        if known and (known.installation, known.transport) == (session.installation, transport):
            return
        if known and self._came.get(device_id) is not known:
            self._gone[device_id] = known  # it is noted, and the newer one may leave before it is
        number = secrets.randbits(SESSION_BITS)
        entry = Entry(device_id, number, session.installation, transport)
        self._here[device_id] = self._came[device_id] = entry
        self._due.set()

    def left(self, session: Session) -> None:
        """A device is gone from here."""
        entry = self._here.pop(session.device_id, None)
        if entry is None:
            return
        if self._came.pop(entry.device_id, None) is None:
            self._gone[entry.device_id] = entry
            self._due.set()

    def statistics(self) -> int:
        """Devices whose coming or going is not told yet."""
        return len(self._came) + len(self._gone) + len(self._to_tell)

    async def run(self) -> None:
        """Note and publish until closed or cancelled."""
        source = await _while_away(self._publications.source)
        maker = EventMaker(source, self._reference)
        gone = await _while_away(lambda: self._publications.clear(self._gateway))
        self._tell(maker, gone, online=False)
        while not self._is_closing or self._due.is_set():
            await self._due.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._due.clear()
            try:
                await self._note(maker)
                await self._publish()
            except Exception as error:  # noqa: BLE001 - a bug here must not cost a single report
                observe_events.presence_failed(error)
        self._ended.set()

    async def close(self, timeout_seconds: float) -> None:
        """All that are here leave with this gateway; `run` tells it and returns. Waits for that at
        most so long.
        """
        for entry in self._here.values():
            if self._came.pop(entry.device_id, None) is None:
                self._gone[entry.device_id] = entry
        self._here.clear()
        self._is_closing = True
        self._due.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._ended.wait()

    async def _note(self, maker: EventMaker) -> None:
        """Note who left, then who came: one may have done both."""
        # Taken out at once: who comes or goes while the database works belongs to the next round.
        gone, self._gone = list(self._gone.values()), {}
        came, self._came = list(self._came.values()), {}
        if gone:
            sessions = [(entry.device_id, entry.session) for entry in gone]
            rows = await _while_away(lambda: self._publications.left(sessions))
            for entry in gone:
                # Whoever came back through another gateway must not be told of by this one again.
                self._told.pop(entry.device_id, None)
                self._to_tell.pop(entry.device_id, None)
            self._tell(maker, rows, online=False)
        if came:
            entries = [(e.device_id, e.session, e.installation, e.transport) for e in came]
            rows = await _while_away(lambda: self._publications.came(entries, self._gateway))
            self._tell(maker, rows, online=True)

    def _tell(self, maker: EventMaker, rows: Sequence[Row], *, online: bool) -> None:
        for row in rows:
            device_id = row["device_id"]
            published = maker.device(row, self._gateway, online=online)
            self._to_tell[device_id] = published
            if online:
                self._told[device_id] = published
            else:
                self._told.pop(device_id, None)

    def _tell_all_again(self) -> None:
        """The broker is new or was restarted: it may have forgotten what it retained."""
        self._to_tell = {**self._told, **self._to_tell}
        self._due.set()

    async def _publish(self) -> None:
        """Publish what is to be told; what the broker does not ack is told when it is back."""
        events = dict(self._to_tell)
        if not events:
            return
        try:
            flight = self._publisher.flight()
            for published in events.values():
                await flight.publish(published, retain=True)
            await flight.landed()
        except BrokerGoneError:
            return
        for device_id, published in events.items():
            if self._to_tell.get(device_id) is published:
                del self._to_tell[device_id]


async def _while_away(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask the database until it answers."""
    for delay_seconds in back_off():
        try:
            return await ask()
        except StoreUnavailableError as error:
            observe_events.presence_waits(error, delay_seconds)
            await asyncio.sleep(delay_seconds)
    raise AssertionError("back_off never ends")
