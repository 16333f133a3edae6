"""A subscriber for tests: a persistent session that gathers events and holds each to its schema."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import aiomqtt

from gateway.protocol import topics
from tests.helpers.brokers import Broker
from tests.helpers.event_schemas import validate

SEEN_WITHIN_SECONDS: Final = 100.0
"""A broken test ends with an error instead of hanging; a good one never waits so long."""

RETRY_SECONDS: Final = 0.1

Event = dict[str, Any]


class Collector:
    """Gathers what is published below the events' topic. Goes on after the broker was away."""

    def __init__(self) -> None:
        self.all: list[tuple[str, Event]] = []
        """Topic and event of everything that came, in order, repetitions included."""
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

    def reports(self) -> set[tuple[int, int, int]]:
        """Keys of the reports that were published."""
        return {
            (data["device"], data["installation"], data["sequence"])
            for data in (e["data"] for e in self.firsts("field-gateway.report.stored.v1"))
        }

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until what came meets a condition."""
        async with asyncio.timeout(SEEN_WITHIN_SECONDS):
            while not condition():
                self._came.clear()
                await self._came.wait()

    async def run(self, broker: Broker, client_id: str, **login: str) -> None:
        """Receive until cancelled."""
        while True:
            with suppress(aiomqtt.MqttError):
                await self._receive(broker, client_id, **login)
            await asyncio.sleep(RETRY_SECONDS)

    async def _receive(self, broker: Broker, client_id: str, **login: str) -> None:
        async with aiomqtt.Client(
            broker.host,
            broker.gateway_port,
            identifier=client_id,
            protocol=aiomqtt.ProtocolVersion.V311,
            clean_session=False,
            username=login.get("username"),
            password=login.get("password"),
        ) as client:
            await client.subscribe(f"{topics.EVENTS}/#", qos=1)
            self.subscribed.set()
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                topic = message.topic.value
                self.all.append((topic, validate(topic, message.payload)))
                self._came.set()


@asynccontextmanager
async def collector(broker: Broker, client_id: str, **login: str) -> AsyncIterator[Collector]:
    """A subscriber that is subscribed, and leaves at the end of the block."""
    collected = Collector()
    async with asyncio.TaskGroup() as tasks:
        receiving = tasks.create_task(collected.run(broker, client_id, **login))
        async with asyncio.timeout(SEEN_WITHIN_SECONDS):
            await collected.subscribed.wait()
        try:
            yield collected
        finally:
            receiving.cancel()


def assert_in_order(events: list[Event]) -> None:
    """The events of each subject came in the order of their sequences, none of them twice."""
    by_subject: dict[str, list[str]] = {}
    for event in events:
        by_subject.setdefault(event["subject"], []).append(event["sequence"])
    for sequences in by_subject.values():
        assert sequences == sorted(set(sequences))
