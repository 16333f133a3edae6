"""A gateway with handsets over either transport, and the tables of tasks beside it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, TypeVar

import aiohttp

from gateway.protocol.errors import GoodbyeReason
from gateway.protocol.messages import Goodbye, Message, Welcome
from gateway.store import open_pool
from gateway.tasks import Tasks
from tests.helpers.brokers import Broker
from tests.helpers.device_client import greeted
from tests.helpers.mqtt_device import mqtt_device
from tests.helpers.served_gateway import Look, Served
from tests.helpers.task_requests import let_all_be_past

Kind = TypeVar("Kind", bound=Message)


class Handset(Protocol):
    """What the tests ask of a device, over whichever transport."""

    async def tell(self, message: Message) -> None:
        """Send a message."""

    async def hear(self, kind: type[Kind]) -> Kind:
        """The gateway's next message, which must be of this kind."""


class TcpHandset:
    """Over TCP."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def tell(self, message: Message) -> None:
        """See `Handset`."""
        await self._client.send(message)

    async def hear(self, kind: type[Kind]) -> Kind:
        """See `Handset`."""
        found: Kind = await self._client.expect(kind)
        return found


class MqttHandset:
    """Over MQTT."""

    def __init__(self, device: Any) -> None:
        self._device = device

    async def tell(self, message: Message) -> None:
        """See `Handset`."""
        await self._device.publish(message)

    async def hear(self, kind: type[Kind]) -> Kind:
        """See `Handset`."""
        message = await self._device.receive()
        assert isinstance(message, kind), message
        return message


class World:
    """A gateway, its handsets and its database."""

    def __init__(self, dsn: str, gateway: Served, broker: Broker | None) -> None:
        self.look = Look(dsn)
        self._dsn = dsn
        self._gateway = gateway
        self._broker = broker

    def handset(
        self, device: int = 1, installation: int = 1
    ) -> AbstractAsyncContextManager[Handset]:
        """A device that has been welcomed."""
        return self._handset(device, installation)

    @asynccontextmanager
    async def _handset(self, device: int, installation: int) -> AsyncIterator[Handset]:
        if self._broker is None:
            async with greeted(self._gateway.tcp, device, installation) as client:
                yield TcpHandset(client)
            return
        async with mqtt_device(self._broker, device, installation) as found:
            handset = MqttHandset(found)
            await found.greet()
            await handset.hear(Welcome)
            yield handset
            await handset.tell(Goodbye(GoodbyeReason.NORMAL))

    async def ask(self, *asked: Any) -> list[Any]:
        """What a workflow service asks for, put straight into the database."""
        pool = await open_pool(self._dsn, size=1)
        try:
            return list(await Tasks(pool, retry_seconds=60).settle(asked))
        finally:
            await pool.close()

    async def states(self) -> list[str]:
        """State of each task."""
        return [row[0] for row in await self.look.rows("SELECT state FROM task ORDER BY number")]

    async def changes(self) -> list[str]:
        """The states that tasks have reached, in order."""
        return [row[0] for row in await self.look.rows("SELECT state FROM task_change ORDER BY id")]

    async def until_states(self, *states: str) -> None:
        """Wait until the tasks have these states."""
        async with asyncio.timeout(20):
            while await self.states() != list(states):
                pass

    async def let_all_be_past(self) -> None:
        """Let all tasks have expired a moment ago."""
        await let_all_be_past(self._dsn)


def mqtt_settings(broker: Broker) -> dict[str, Any]:
    """The section for a broker."""
    return {
        "enabled": True,
        "host": broker.host,
        "port": broker.gateway_port,
        "version": "3.1.1",
    }


async def until_ready(gateway: Served) -> None:
    """Wait until the gateway has subscribed: what is published before it was ever there is kept
    for nobody.
    """
    async with asyncio.timeout(20), aiohttp.ClientSession() as http:
        while True:
            async with http.get(f"{gateway.http}/readyz") as response:
                if response.status == 200:
                    return
