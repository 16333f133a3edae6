"""Meters what the links of devices carry, and adds it to the table of traffic every few seconds."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from gateway import observe_meter
from gateway.parcel import Transport
from gateway.retry import back_off
from gateway.settings import MeterSettings
from gateway.store_errors import StoreUnavailableError
from gateway.traffic_account import TrafficAccount, kib_begun, moment_of
from gateway.traffic_table import Addition

READ_AT_ONCE: Final = 200
"""Links that are read before others may use the event loop: one millisecond or two."""


class Meter(Protocol):
    """Counts one connection. Its figures are sums since the connection began."""

    def read(self, now: float) -> tuple[int, int]:
        """Bytes from the device and to it. `now` is monotonic."""
        ...

    def close(self, now: float, *, by_peer: bool) -> tuple[int, int]:
        """The same at the end, what closing takes included. `by_peer`: the device has left."""
        ...


class Table(Protocol):
    """Where the sums go."""

    async def add(self, addition: Addition) -> None:
        """Add each once. Raises `StoreUnavailableError`: to be called again with the same."""
        ...


class Link:
    """One connection and what was counted of it. Made by `TrafficMeter.begin`."""

    def __init__(self, station: "TrafficMeter", transport: Transport, meter: Meter) -> None:
        self.transport = transport
        self.meter = meter
        self.device_id: int | None = None
        self.up = 0
        self.down = 0
        self._station = station

    def belongs_to(self, device_id: int) -> None:
        """All that it carries, and has carried, is this device's."""
        self.device_id = device_id
        self._station.attributed(self)

    def connected(self) -> None:
        """It is a new connection of its device."""
        self._station.connected(self)

    def end(self, *, by_peer: bool) -> None:
        """The connection is over. `by_peer`: its device has said goodbye."""
        self._station.ended(self, by_peer=by_peer)


class TrafficMeter:
    """Reads the links of devices, and writes what they carried."""

    def __init__(
        self,
        table: Table,
        settings: MeterSettings,
        *,
        unix_time: Callable[[], float],
        monotonic: Callable[[], float],
        account: TrafficAccount | None = None,
    ) -> None:
        self.mqtt_keepalive_seconds = settings.mqtt_keepalive_seconds
        self._table = table
        self._flush_seconds = settings.flush_seconds
        self._unix_time = unix_time
        self._monotonic = monotonic
        self._account = TrafficAccount() if account is None else account
        self._links: set[Link] = set()
        self._addition: Addition | None = None
        self._one_round = asyncio.Lock()

    def begin(self, transport: Transport, meter: Meter) -> Link:
        """Meter a connection."""
        return Link(self, transport, meter)

    def attributed(self, link: Link) -> None:
        """A link has got its device: see `Link.belongs_to`."""
        self._links.add(link)

    def connected(self, link: Link) -> None:
        """See `Link.connected`."""
        observe_meter.connection_metered(link.transport)
        self._add(link, 0, 0, connections=1)

    def ended(self, link: Link, *, by_peer: bool) -> None:
        """A link is over. See `Link.end`."""
        up, down = link.meter.close(self._monotonic(), by_peer=by_peer)
        if link.device_id is None:
            observe_meter.strangers_traffic(link.transport, up + down)
        else:
            self._links.discard(link)
            self._add(link, up, down)

    def statistics(self) -> int:
        """Sums that wait for the database."""
        return len(self._account) + (len(self._addition.rows) if self._addition else 0)

    async def run(self) -> None:
        """Read and write every `meter.flush_seconds`, until cancelled."""
        delay_seconds, delays = self._flush_seconds, back_off()
        while True:
            await asyncio.sleep(delay_seconds)
            try:
                await self.flush()
                delay_seconds, delays = self._flush_seconds, back_off()
            except StoreUnavailableError as error:
                delay_seconds = next(delays)
                observe_meter.traffic_waits(error, delay_seconds)

    async def flush(self) -> None:
        """Read all links and write what waits.

        Raises:
            StoreUnavailableError: The database is away. All is kept.
        """
        async with self._one_round:
            await self._read_all()
            if self._addition is not None:
                await self._write(self._addition)
            if len(self._account):
                self._addition = Addition(self._account.take())
                await self._write(self._addition)

    async def drain(self, within_seconds: float) -> None:
        """Write the last counts, if the database takes them in time."""
        try:
            async with asyncio.timeout(within_seconds):
                await self.flush()
        except (StoreUnavailableError, TimeoutError) as error:
            observe_meter.traffic_waits(error, 0)

    async def _write(self, addition: Addition) -> None:
        try:
            await self._table.add(addition)
        except StoreUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - no bug of the meter may end the gateway
            observe_meter.traffic_failed(error)
            observe_meter.traffic_lost(sum(row[3] + row[4] for row in addition.rows))
        self._addition = None

    async def _read_all(self) -> None:
        for count, link in enumerate(list(self._links), 1):
            if link in self._links:
                self._add(link, *link.meter.read(self._monotonic()))
            if count % READ_AT_ONCE == 0:
                await asyncio.sleep(0)

    def _add(self, link: Link, up: int, down: int, connections: int = 0) -> None:
        """Count what a link has carried more than when it was read last. An estimate in it may have
        become less: then nothing is taken back.
        """
        more_up, more_down = max(0, up - link.up), max(0, down - link.down)
        if link.device_id is None or not (more_up or more_down or connections):
            return
        before = kib_begun(link.up + link.down)
        link.up += more_up
        link.down += more_down
        observe_meter.traffic_metered(link.transport, more_up, more_down)
        is_counted = self._account.add(
            link.device_id,
            link.transport,
            moment_of(self._unix_time()),
            up=more_up,
            down=more_down,
            kib=kib_begun(link.up + link.down) - before,
            connections=connections,
        )
        if not is_counted:
            observe_meter.traffic_lost(more_up + more_down)
