"""A subscriber that gathers all events of a run, in a session that the broker keeps for it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import aiomqtt

from gateway.embedded_broker import BrokerUser, EmbeddedBroker
from gateway.protocol import topics

CLIENT_ID: Final = "chaos-collector"

RETRY_SECONDS: Final = 0.2
"""Until it asks a broker again that was not there."""

SUBSCRIBED_WITHIN_SECONDS: Final = 30.0

Event = dict[str, Any]


class Collector:
    """What came, in order, repetitions included: topic and event."""

    def __init__(self) -> None:
        self.all: list[tuple[str, Event]] = []
        self.subscribed = asyncio.Event()
        self._came = asyncio.Event()

    def firsts(self, event_type: str) -> list[Event]:
        """Each event of a type once, in the order in which they came first on topics of the stream
        (not on the one of emergencies).
        """
        seen: dict[str, Event] = {}
        for topic, event in self.all:
            if event["type"] == event_type and not topic.startswith(f"{topics.EVENTS}/emergency/"):
                seen.setdefault(event["id"], event)
        return list(seen.values())

    async def until(self, condition: Callable[[], bool], within_seconds: float) -> bool:
        """Wait until what came meets a condition; whether it did in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_seconds):
                while not condition():
                    self._came.clear()
                    await self._came.wait()
        return condition()

    async def until_quiet(self, quiet_seconds: float) -> None:
        """Wait until nothing has come for so long."""
        seen = -1
        while seen < len(self.all):
            seen = len(self.all)
            await self.until(lambda: len(self.all) > seen, quiet_seconds)  # noqa: B023 -- used at once

    async def run(self, broker: EmbeddedBroker, user: BrokerUser) -> None:
        """Receive until cancelled."""
        while True:
            with suppress(aiomqtt.MqttError):
                await self._receive(broker, user)
            await asyncio.sleep(RETRY_SECONDS)

    async def _receive(self, broker: EmbeddedBroker, user: BrokerUser) -> None:
        async with aiomqtt.Client(
            broker.host,
            broker.port,
            identifier=CLIENT_ID,
            protocol=aiomqtt.ProtocolVersion.V311,
            clean_session=False,
            username=user.name,
            password=user.password,
        ) as client:
            await client.subscribe(f"{topics.EVENTS}/#", qos=1)
            self.subscribed.set()
            async for message in client.messages:
                self.all.append((message.topic.value, json.loads(bytes(message.payload))))
                self._came.set()


@asynccontextmanager
async def collector(broker: EmbeddedBroker, user: BrokerUser) -> AsyncIterator[Collector]:
    """A subscriber that is subscribed, and leaves at the end of the block."""
    collected = Collector()
    async with asyncio.TaskGroup() as tasks:
        receiving = tasks.create_task(collected.run(broker, user))
        async with asyncio.timeout(SUBSCRIBED_WITHIN_SECONDS):
            await collected.subscribed.wait()
        try:
            yield collected
        finally:
            receiving.cancel()
