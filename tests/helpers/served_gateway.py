"""The whole gateway in the test's own event loop, on a real database."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec

from gateway.app import Addresses, serve
from gateway.devices import Devices, NewDevice
from gateway.protocol.proof import derive_keys
from gateway.settings import Settings
from gateway.store import open_pool
from tests.helpers.device_client import ANSWER_WITHIN_SECONDS, secret_of


class Served:
    """A running gateway: its addresses, and what ends it."""

    def __init__(self, stop: asyncio.Event, addresses: Addresses) -> None:
        self.stop = stop
        self.http = addresses.http
        assert addresses.tcp is not None
        self.tcp = addresses.tcp


def settings_of(dsn: str, name: str = "test", **sections: Any) -> Settings:
    """Settings on free ports; `tcp={"window_reports": 5}` changes a section."""
    values: dict[str, Any] = {
        "name": name,
        "drain_timeout_seconds": 5,
        "database": {"dsn": dsn},
        "tcp": {
            "host": "127.0.0.1",
            "port": 0,
            "plaintext": "certificate" not in sections.get("tcp", {}),
        },
        "http": {"port": 0},
        "batch": {"linger_seconds": 0},
    }
    for section, changes in sections.items():
        values[section] = {**values.get(section, {}), **changes}
    return msgspec.convert(values, Settings)


@asynccontextmanager
async def served_gateway(dsn: str, name: str = "test", **sections: Any) -> AsyncIterator[Served]:
    """Serve until the block ends, then drain."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    addresses: asyncio.Future[Addresses] = loop.create_future()
    settings = settings_of(dsn, name, **sections)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(settings, stop, addresses.set_result))
        async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
            served = Served(stop, await addresses)
        try:
            yield served
        finally:
            stop.set()


async def register(dsn: str, devices: Sequence[int] = (1, 2, 3)) -> None:
    """Register devices with the secrets of tests."""
    pool = await open_pool(dsn, size=1)
    await Devices(pool).add(
        [NewDevice(device, derive_keys(secret_of(device))) for device in devices]
    )
    await pool.close()


class Look:
    """A look into the database that goes past the gateway."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    async def reports(self) -> list[tuple[int, ...]]:
        """Device, installation and sequence of all that are stored."""
        return await self.rows(
            "SELECT device_id, installation, sequence FROM report ORDER BY 1,2,3"
        )

    async def ledger(self) -> list[tuple[int, ...]]:
        """Received, stored, duplicate, quarantined, refused, of all gateways together."""
        return await self.rows(
            "SELECT sum(received)::int, sum(stored)::int, sum(duplicate)::int,"
            " sum(quarantined)::int, sum(refused)::int FROM ledger"
        )

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query returns."""
        connection = await asyncpg.connect(self._dsn)
        try:
            return [tuple(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()
