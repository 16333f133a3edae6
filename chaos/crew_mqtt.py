"""A misbehaving handset's connection to the broker, MQTT 3.1.1."""

import asyncio
from collections.abc import Sequence
from typing import Final

import mqtt5

from chaos.crew_lines import (
    CONNECT_WITHIN_SECONDS,
    READ_BYTES,
    Heard,
    Identity,
    LineEndedError,
    hello_over_mqtt,
)
from device_sim import mqtt_codec
from device_sim.mqtt_codec import MqttProtocolError, MqttVersion, PacketReader, Will
from gateway.protocol.errors import GoodbyeReason
from gateway.protocol.messages import (
    BadFrame,
    Goodbye,
    Message,
    Welcome,
    decode_or_bad,
    encode,
)
from gateway.protocol.proof import mqtt_password, verify_gateway_proof
from gateway.protocol.topics import down_topic, up_topic

WELCOME_WITHIN_SECONDS: Final = 5.0
"""The gateway may be away while the broker is there: try again."""

UNACKNOWLEDGED: Final = 16
"""Publications that the broker has not acknowledged; Mosquitto takes 20."""

KEEP_ALIVE_SECONDS: Final = 60
SESSION_EXPIRY_SECONDS: Final = 3_600
_VERSION: Final = MqttVersion.V311
_LAST_PACKET_ID: Final = 65_535
_FAILURE: Final = 0x80


class MqttLine:
    """Opened by `open_mqtt`, which has greeted."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        identity: Identity,
        heard: Heard,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._identity = identity
        self._heard = heard
        self._packets = PacketReader(_VERSION)
        self._up = up_topic(identity.device, identity.installation)
        self._down = down_topic(identity.device, identity.installation)
        self._packet_id = 0
        self._unacknowledged: set[int] = set()
        self._is_proven = False
        self._waiting: list[Message] = []
        """Came while something else was waited for."""

    async def send(self, body: bytes) -> None:
        """Publish one frame, once the broker has acknowledged enough of those before."""
        async with asyncio.timeout(WELCOME_WITHIN_SECONDS):
            while len(self._unacknowledged) >= UNACKNOWLEDGED:
                self._waiting += self._messages(await self._read())
        self._packet_id = self._packet_id % _LAST_PACKET_ID + 1
        self._unacknowledged.add(self._packet_id)
        await self._write(mqtt_codec.publish(_VERSION, self._packet_id, self._up, body))

    async def receive(self, within_seconds: float) -> list[Message]:
        """Messages that come next, once the welcome is proven."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            return waiting
        try:
            async with asyncio.timeout(within_seconds):
                return self._messages(await self._read())
        except TimeoutError:
            return []

    def cut(self) -> None:
        """End the connection without a word; the broker publishes the will."""
        self._writer.transport.abort()

    async def greet(self) -> None:
        """Connect, subscribe, and wait for the welcome to a hello of our own."""
        identity = self._identity
        await self._write(
            mqtt_codec.connect(
                _VERSION,
                client_id=f"fg-{identity.device}",
                username=str(identity.device),
                password=mqtt_password(identity.secret),
                clean_start=True,
                keep_alive_seconds=KEEP_ALIVE_SECONDS,
                session_expiry_seconds=SESSION_EXPIRY_SECONDS,
                will=Will(self._up, encode(Goodbye(GoodbyeReason.NORMAL))),
            )
        )
        async with asyncio.timeout(WELCOME_WITHIN_SECONDS):
            await self._until(mqtt5.ConnAckPacket)
            await self._write(mqtt_codec.subscribe(_VERSION, 1, self._down))
            await self._until(mqtt5.SubAckPacket)
            greeting, hello = hello_over_mqtt(identity)
            self._packet_id = 1
            await self.send(hello)
            while True:
                for packet in await self._read():
                    message = self._decoded(packet)
                    if isinstance(message, Welcome) and verify_gateway_proof(
                        identity.secret, greeting, message.proof
                    ):
                        self._is_proven = True
                        self._heard(message)
                        return

    async def _until(self, kind: type[mqtt5.ConnAckPacket | mqtt5.SubAckPacket]) -> None:
        while True:
            for packet in await self._read():
                if isinstance(packet, mqtt5.ConnAckPacket) and int(packet.reason_code) >= _FAILURE:
                    raise LineEndedError("refused by the broker")
                if isinstance(packet, kind):
                    return

    async def _write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def _read(self) -> list[mqtt5.Packet]:
        data = await self._reader.read(READ_BYTES)
        if not data:
            raise LineEndedError("closed by the broker")
        self._packets.feed(data)
        packets: list[mqtt5.Packet] = []
        try:
            while packet := self._packets.next_packet():
                packets.append(packet)
        except MqttProtocolError as error:
            raise LineEndedError(str(error)) from None
        for packet in packets:
            if isinstance(packet, mqtt5.PubAckPacket):
                self._unacknowledged.discard(packet.packet_id)
        return packets

    def _messages(self, packets: Sequence[mqtt5.Packet]) -> list[Message]:
        found = [message for packet in packets if (message := self._decoded(packet)) is not None]
        if not self._is_proven:
            return []
        for message in found:
            self._heard(message)
        return found

    def _decoded(self, packet: mqtt5.Packet) -> Message | None:
        if not isinstance(packet, mqtt5.PublishPacket) or packet.topic != self._down:
            return None
        message = decode_or_bad(packet.payload or b"")
        return None if isinstance(message, BadFrame) else message


async def open_mqtt(address: tuple[str, int], identity: Identity, heard: Heard) -> MqttLine:
    """Connect to the broker and greet. Raises `OSError` or `TimeoutError`."""
    async with asyncio.timeout(CONNECT_WITHIN_SECONDS):
        reader, writer = await asyncio.open_connection(*address)
    line = MqttLine(reader, writer, identity, heard)
    try:
        await line.greet()
    except BaseException:
        line.cut()
        raise
    return line
