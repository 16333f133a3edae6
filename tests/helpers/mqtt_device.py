"""A handset over MQTT, for tests: publishes frames under its id and reads the gateway's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aiomqtt

from gateway.protocol import limits, topics
from gateway.protocol.messages import Hello, Message, decode, encode
from tests.helpers.brokers import Broker

REPLY_WITHIN_SECONDS: Final = 20.0
"""A broken test ends with an error instead of hanging; a good one never waits so long."""


class MqttDevice:
    """One device and installation, connected."""

    def __init__(self, client: aiomqtt.Client, device: int, installation: int) -> None:
        self.device = device
        self.installation = installation
        self._client = client
        self._messages = aiter(client.messages)

    async def publish(self, message: Message) -> None:
        """Publish a frame; returns when the broker has it."""
        await self.publish_body(encode(message))

    async def publish_body(self, body: bytes) -> None:
        """Publish any bytes."""
        topic = topics.up_topic(self.device, self.installation)
        await self._client.publish(topic, body, qos=1)

    async def greet(self, settled_through: int = 0) -> None:
        """Publish a hello."""
        hello = Hello(
            version=limits.PROTOCOL_VERSION,
            device=self.device,
            installation=self.installation,
            settled_through=settled_through,
            nonce=bytes(limits.NONCE_BYTES),
            proof=b"",
        )
        await self.publish(hello)

    async def receive(self) -> Message:
        """The gateway's next frame."""
        async with asyncio.timeout(REPLY_WITHIN_SECONDS):
            message = await anext(self._messages)
        assert isinstance(message.payload, bytes)
        return decode(message.payload)


@asynccontextmanager
async def mqtt_device(
    broker: Broker, device: int, installation: int = 1, *, password: str | None = None
) -> AsyncIterator[MqttDevice]:
    """Connect a device with a persistent session and subscribe to its replies."""
    async with aiomqtt.Client(
        broker.host,
        broker.port,
        identifier=f"device-{device}-{installation}",
        username=str(device) if password else None,
        password=password,
        clean_session=False,
        protocol=aiomqtt.ProtocolVersion.V311,
    ) as client:
        await client.subscribe(topics.down_topic(device, installation), qos=1)
        yield MqttDevice(client, device, installation)
