"""The other end of a memory stream: a gateway, or a gateway behind a broker, that does as told."""

from dataclasses import dataclass, field

import mqtt5
import trio
from trio.testing import MemoryReceiveStream, MemorySendStream, memory_stream_pair

from device_sim.courier import Courier
from device_sim.session import Ending, Session
from device_sim.streams import CountedLink
from gateway.protocol.acks import AckTracker
from gateway.protocol.connection import Connection
from gateway.protocol.limits import PROTOCOL_VERSION
from gateway.protocol.messages import (
    Ack,
    Challenge,
    Hello,
    Message,
    WireBacklog,
    WireReport,
    decode,
    encode,
)
from gateway.protocol.state import Role
from gateway.protocol.task_messages import TaskAnswer, TaskMessage, TaskNoted, TaskReceipt
from gateway.protocol.topics import down_topic, parse_up_topic
from tests.helpers.couriers import welcome_to

Pair = trio.StapledStream[MemorySendStream, MemoryReceiveStream]


def sequences(message: object) -> list[int]:
    """The numbers of the reports in a message."""
    if isinstance(message, WireReport):
        return [message.sequence]
    if isinstance(message, WireBacklog):
        return list(range(message.first_sequence, message.first_sequence + len(message.times)))
    return []


@dataclass
class ScriptedGateway:
    """Welcomes every handset and remembers what came. Acks at once, unless it is told not to;
    receipts for answers likewise.
    """

    stream: trio.abc.Stream
    acks: bool = True
    welcomes: bool = True
    received: list[Message] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    """Of all reports, in the order in which they came."""
    trackers: dict[tuple[int, int], AckTracker] = field(default_factory=dict)
    """By device and installation; connections to one gateway share them."""
    nonce: bytes = bytes(12)
    receipts: bool = True
    tasks: list[TaskMessage] = field(default_factory=list)
    """Sent behind each welcome."""

    async def run(self) -> None:
        """Serve one connection over TCP until it ends."""
        self.connection = Connection(Role.GATEWAY, trio.current_time())
        await self.send(Challenge(PROTOCOL_VERSION, self.nonce))
        while data := await self.stream.receive_some(65_536):
            self.connection.receive_data(bytes(data), trio.current_time())
            while event := self.connection.next_event():
                assert not hasattr(event, "detail"), event
                await self._take(event)

    async def send(self, message: Message) -> None:
        """Say something."""
        self.connection.send(message, trio.current_time())
        await self.stream.send_all(self.connection.data_to_send())

    async def _take(self, message: object) -> None:
        self.received.append(message)  # type: ignore[arg-type]  # bad frames were ruled out
        self.numbers += sequences(message)
        if isinstance(message, Hello):
            self.tracker = self.trackers.setdefault(
                (message.device, message.installation), AckTracker()
            )
            if self.welcomes:
                through = self.tracker.through
                await self.send(welcome_to(message, self.nonce, through=through))
                for task in self.tasks:
                    await self.send(task)
        elif isinstance(message, TaskAnswer):
            if self.receipts:
                await self.send(TaskReceipt(message.task))
        elif self.acks:
            self.tracker.settle(sequences(message))
            for ack in self.tracker.take_acks():
                await self.send(ack)


@dataclass
class ScriptedBroker:
    """A broker of MQTT 5 with a gateway behind it, for one client."""

    stream: trio.abc.Stream
    acks: bool = True
    welcomes: bool = True
    receive_max: int = 65_535
    connack: bytes | None = None
    """What to answer to CONNECT instead."""
    packets: list[mqtt5.Packet] = field(default_factory=list)
    hellos: list[Hello] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    pubacks: bool = True
    receipts: bool = True
    tasks: list[TaskMessage] = field(default_factory=list)
    """Sent behind each welcome."""
    said_of_tasks: list[TaskNoted | TaskAnswer] = field(default_factory=list)

    async def run(self) -> None:
        """Serve one connection until it ends."""
        data = bytearray()
        while received := await self.stream.receive_some(65_536):
            data += received
            while data:
                try:
                    packet, size = mqtt5.read(memoryview(bytes(data)))
                except IndexError:
                    break
                del data[:size]
                self.packets.append(packet)
                await self._take(packet)

    async def publish(self, topic: str, message: Message, packet_id: int | None = None) -> None:
        """Send a message of the gateway to the client."""
        qos = mqtt5.QoS.AT_LEAST_ONCE if packet_id else mqtt5.QoS.AT_MOST_ONCE
        packet = mqtt5.PublishPacket(topic, encode(message), qos=qos, packet_id=packet_id)
        await self.stream.send_all(packet.write())

    async def _take(self, packet: mqtt5.Packet) -> None:
        match packet:
            case mqtt5.ConnectPacket():
                connack = mqtt5.ConnAckPacket(receive_max=self.receive_max).write()
                await self.stream.send_all(self.connack or connack)
            case mqtt5.SubscribePacket():
                granted = mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE
                await self.stream.send_all(mqtt5.SubAckPacket(packet.packet_id, [granted]).write())
            case mqtt5.PublishPacket():
                if self.pubacks:
                    assert packet.packet_id is not None
                    await self.stream.send_all(mqtt5.PubAckPacket(packet.packet_id).write())
                await self._answer(packet)
            case mqtt5.PingReqPacket():
                await self.stream.send_all(mqtt5.PingRespPacket().write())

    async def _answer(self, packet: mqtt5.PublishPacket) -> None:
        parsed = parse_up_topic(packet.topic)
        assert parsed is not None
        message = decode(packet.payload)
        self.numbers += sequences(message)
        if isinstance(message, Hello):
            self.hellos.append(message)
            if self.welcomes:
                for reply in (welcome_to(message), *self.tasks):
                    await self.publish(down_topic(*parsed), reply)
        elif isinstance(message, TaskNoted | TaskAnswer):
            self.said_of_tasks.append(message)
            if self.receipts and isinstance(message, TaskAnswer):
                await self.publish(down_topic(*parsed), TaskReceipt(message.task))
        elif sequences(message) and self.acks:
            await self.publish(down_topic(*parsed), Ack(max(self.numbers)), packet_id=9)


def link_pair(courier: Courier) -> tuple[CountedLink, Pair]:
    """A link for a session, and the other end of it."""
    ours, theirs = memory_stream_pair()
    return CountedLink(ours, courier.tally.traffic), theirs


async def run_against(session: Session, other: ScriptedGateway | ScriptedBroker) -> Ending:
    """Run a session against a script until it ends."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(other.run)
        ending = await session.run(lambda: None)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    return ending
