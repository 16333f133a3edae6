"""Handsets over MQTT: who a device is stands in the topic, which the broker's rules make true.

A message is acked to the broker (PUBACK) only when its content is committed, so what a crash leaves
undone the broker delivers again. The ack for the device is a frame of our own on its topic: a
broker's PUBACK means no more than that the broker has it. Replies go with QoS 0: one that is lost
makes the device send again and be acked again, and saves it a PUBACK for each.
"""

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Final

import aiomqtt

from gateway import observe
from gateway.admission import Admission, Admitted, Applicant
from gateway.batcher import Batcher
from gateway.mqtt_client import Delivery, ManualAcks, content_type_properties, open_client
from gateway.parcel import Transport
from gateway.protocol import limits, topics
from gateway.protocol.connection import Event
from gateway.protocol.errors import RefusalCode, Resend
from gateway.protocol.messages import (
    BadFrame,
    Hello,
    Message,
    Refusal,
    Welcome,
    decode_or_bad,
    encode,
)
from gateway.protocol.proof import Greeting
from gateway.retry import back_off
from gateway.session import Session, Station, item_count
from gateway.settings import MqttSettings

MAX_SESSIONS: Final = 50_000
"""Devices remembered; the one longest silent is forgotten first and looked up again when it
speaks. Some 50 MB."""

MAX_REPLIES: Final = 20_000
"""Replies that wait for the broker's socket. One that finds no room is dropped: its device sends
again."""

Key = tuple[int, int]
"""Device and installation."""

V5, V311 = aiomqtt.ProtocolVersion.V5, aiomqtt.ProtocolVersion.V311


@dataclass(slots=True)
class Received:
    """A message from a device that waits for its turn."""

    key: Key
    event: Event
    body: bytes
    acks: ManualAcks
    delivery: Delivery

    def settled(self) -> None:
        """Everything in it is committed: ack it to the broker."""
        self.acks.settled(self.delivery)


class MqttSource:
    """Takes frames from the broker and publishes replies; reconnects by itself."""

    def __init__(
        self,
        settings: MqttSettings,
        name: str,
        station: Station,
        admission: Admission,
        batcher: Batcher,
    ) -> None:
        self._settings = settings
        self._client_id = settings.client_id or f"gateway-{name}"
        self._station = station
        self._admission = admission
        self._batcher = batcher
        self._inbox: deque[Received] = deque()
        self._sessions: OrderedDict[Key, tuple[Session, float]] = OrderedDict()
        self._applying: dict[Key, list[Received]] = {}
        self._replies: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(MAX_REPLIES)
        self._acks: ManualAcks | None = None
        self._waits_for_space = False
        self._stopped = False
        self._no_room = asyncio.Event()
        self.is_connected = False

    async def run(self) -> None:
        """Serve until cancelled or stopped. A broker that is away is tried again and again."""
        delays = back_off()
        for version in self._versions():
            if self._stopped:
                return
            try:
                await self._serve(version)
            except* aiomqtt.MqttError as group:
                if self.is_connected:
                    delays = back_off()
                delay_seconds = next(delays)
                observe.broker_lost(group.exceptions[0], version.name, delay_seconds)
                await asyncio.sleep(delay_seconds)
            finally:
                self.is_connected = False
                self._inbox.clear()

    def stop_receiving(self) -> None:
        """Take nothing more; what is under way is still acked to the broker and the devices."""
        self._stopped = True
        self._inbox.clear()

    async def close(self) -> None:
        """Leave the broker, when the replies are out."""
        if self.is_connected:
            await self._replies.join()
        self._stopped = True
        self._no_room.set()

    def statistics(self) -> tuple[int, int]:
        """Messages received and not acked to the broker; replies that wait."""
        return len(self._acks) if self._acks else 0, self._replies.qsize()

    def _versions(self) -> Iterator[aiomqtt.ProtocolVersion]:
        """Which version to try next; one that worked stays."""
        match self._settings.version:
            case "5":
                return cycle((V5,))
            case "3.1.1":
                return cycle((V311,))
            case _:
                return self._alternate()

    def _alternate(self) -> Iterator[aiomqtt.ProtocolVersion]:
        version = V5
        while True:
            self._has_worked = False
            yield version
            if not self._has_worked:
                version = V311 if version is V5 else V5

    # One connection to the broker.

    async def _serve(self, version: aiomqtt.ProtocolVersion) -> None:
        """Connect, subscribe and stay until the connection or the room for messages is lost."""
        self._no_room.clear()
        client, acks = open_client(
            self._settings, self._client_id, version, lambda message: self._receive(message, acks)
        )
        async with client:
            self._acks = acks
            await self._subscribe(client, version)
            self.is_connected = self._has_worked = True
            observe.broker_connected(version.name)
            async with asyncio.TaskGroup() as tasks:
                lost = tasks.create_task(_until_lost(client))
                publishing = tasks.create_task(self._publish_replies(client, version))
                await self._no_room.wait()
                lost.cancel()
                publishing.cancel()
        if not self._stopped:
            observe.broker_left(len(acks))
            while self._batcher.is_full:
                await self._space_in_batcher()

    async def _subscribe(self, client: aiomqtt.Client, version: aiomqtt.ProtocolVersion) -> None:
        group = self._settings.shared_group
        divides = version is V5 and group
        topic_filter = topics.shared(group, topics.UP_FILTER) if divides else topics.UP_FILTER
        await client.subscribe(topic_filter, qos=1)

    async def _publish_replies(
        self, client: aiomqtt.Client, version: aiomqtt.ProtocolVersion
    ) -> None:
        properties = content_type_properties() if version is V5 else None
        while True:
            topic, body = await self._replies.get()
            try:
                await client.publish(topic, body, qos=0, properties=properties, timeout=math.inf)
            finally:
                self._replies.task_done()

    async def _space_in_batcher(self) -> None:
        space = asyncio.Event()
        self._batcher.when_space(space.set)
        await space.wait()

    # From a message to the batcher.

    def _receive(self, message: aiomqtt.Message, acks: ManualAcks) -> None:
        """Called by the client for each message."""
        if self._stopped:
            return
        delivery = acks.received(message)
        key = topics.parse_up_topic(message.topic.value)
        body = message.payload
        if key is None or not isinstance(body, bytes):
            observe.bad_topic(message.topic.value)
            acks.settled(delivery)
            return
        event = _too_large(body) or decode_or_bad(body)
        self._inbox.append(Received(key, event, body, acks, delivery))
        if len(acks) > self._settings.max_pending_messages:
            self._no_room.set()
        self._pump()

    def _pump(self) -> None:
        while self._inbox:
            if self._batcher.is_full:
                if not self._waits_for_space:
                    self._waits_for_space = True
                    self._batcher.when_space(self._space)
                return
            self._handle(self._inbox.popleft())

    def _space(self) -> None:
        self._waits_for_space = False
        self._pump()

    def _handle(self, received: Received) -> None:
        key, event = received.key, received.event
        if isinstance(event, BadFrame):
            observe.bad_frame(Transport.MQTT, event.code)
        session = self._session(key)
        if session is None or isinstance(event, Hello) or key in self._applying:
            self._apply(received)
        else:
            session.handle(event, received.body, received.settled)

    def _session(self, key: Key) -> Session | None:
        """The device's session, if it was admitted not too long ago."""
        entry = self._sessions.get(key)
        if entry is None:
            return None
        session, admitted_at = entry
        if self._station.monotonic() - admitted_at > self._settings.recheck_device_seconds:
            del self._sessions[key]
            return None
        self._sessions.move_to_end(key)
        return session

    # Who may speak.

    def _apply(self, received: Received) -> None:
        """Look the device up; what it sends meanwhile waits behind this message."""
        key, event = received.key, received.event
        waiting = self._applying.get(key)
        if waiting is not None:
            waiting.append(received)
            return
        nonce, settled_through = b"", 0
        if isinstance(event, Hello):
            nonce, settled_through = event.nonce, event.settled_through
        applicant = Applicant(
            Greeting(b"", nonce, *key),
            settled_through,
            None,
            lambda admitted: self._answer(key, admitted),
        )
        if self._admission.apply(applicant):
            self._applying[key] = [received]
        else:
            self._no_room.set()

    def _answer(self, key: Key, admitted: Admitted | None) -> None:
        waiting = self._applying.pop(key)
        if admitted is None:
            self._refuse(key, waiting)
            return
        session = self._open_session(key, admitted)
        first, *others = waiting
        if isinstance(first.event, Hello):
            self._reply(key, [self._welcome(admitted)])
            first.settled()
        else:
            session.handle(first.event, first.body, first.settled)
        for received in others:
            self._handle(received)

    def _open_session(self, key: Key, admitted: Admitted) -> Session:
        session = Session(
            self._station,
            *key,
            Transport.MQTT,
            settled_through=admitted.settled_through,
            send=lambda messages: self._reply(key, messages),
        )
        self._sessions[key] = session, self._station.monotonic()
        if len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
        observe.sessions_open(Transport.MQTT, len(self._sessions))
        return session

    def _refuse(self, key: Key, waiting: list[Received]) -> None:
        observe.not_admitted(Transport.MQTT, key[0], "broker")
        self._reply(key, [Refusal(RefusalCode.NOT_ADMITTED, Resend.LATER)])
        for received in waiting:
            self._station.refused(Transport.MQTT, item_count(received.event))
            received.settled()

    def _welcome(self, admitted: Admitted) -> Welcome:
        return Welcome(
            version=limits.PROTOCOL_VERSION,
            proof=admitted.gateway_proof,
            server_time=int(self._station.unix_time()),
            settled_through=admitted.settled_through,
            heartbeat_seconds=limits.HEARTBEAT_SECONDS,
            window_reports=limits.WINDOW_REPORTS,
            edition=self._station.tables.current,
            refused=admitted.refused,
        )

    def _reply(self, key: Key, messages: list[Message]) -> None:
        topic = topics.down_topic(*key)
        for message in messages:
            try:
                self._replies.put_nowait((topic, encode(message)))
            except asyncio.QueueFull:
                observe.reply_dropped(Transport.MQTT)


def _too_large(body: bytes) -> BadFrame | None:
    """A broker takes larger payloads than a frame may have."""
    if len(body) <= limits.MAX_FRAME_BYTES:
        return None
    detail = f"{len(body)} bytes, at most {limits.MAX_FRAME_BYTES}"
    return BadFrame(body[: limits.MAX_FRAME_BYTES], RefusalCode.BAD_FRAME, detail)


async def _until_lost(client: aiomqtt.Client) -> None:
    """Wait for the connection to be lost; raises `aiomqtt.MqttError` then."""
    async for _ in client.messages:
        pass
