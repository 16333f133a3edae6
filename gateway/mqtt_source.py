"""Handsets over MQTT: the connection to the broker.

A message is acked to the broker (PUBACK) only when its content is committed, so what a crash leaves
undone the broker delivers again. The ack for the device is a frame of our own on its topic: a
broker's PUBACK means no more than that the broker has it. Replies go with QoS 0: one that is lost
makes the device send again and be acked again, and saves it a PUBACK for each.
"""

import asyncio
import contextlib
import math
from collections.abc import Callable
from functools import partial
from typing import Final

import aiomqtt

from gateway import observe
from gateway.admission import Admission
from gateway.batcher import Batcher
from gateway.mqtt_client import (
    V5,
    ManualAcks,
    content_type_properties,
    open_client,
    until_lost,
    versions,
)
from gateway.mqtt_sessions import MqttSessions, Received
from gateway.mqtt_share import share_name, to_leave, to_subscribe
from gateway.mqtt_traffic import MqttTraffic
from gateway.protocol import limits, topics
from gateway.protocol.connection import Event
from gateway.protocol.errors import RefusalCode
from gateway.protocol.messages import BadFrame, decode_or_bad
from gateway.retry import back_off
from gateway.session import Station
from gateway.settings import MqttSettings
from gateway.task_request import Action
from gateway.traffic_meter import TrafficMeter

LAST_REPLIES_SECONDS: Final = 5.0
"""At shutdown: how long the last acks may take to reach the broker."""

RETURN_SECONDS: Final = 1.0
"""After leaving for want of room: time to commit some of what we have, before it comes again."""

MAX_KEPT_BYTES: Final = 65_536
"""Kept of a payload that is no frame: some brokers take 256 MB, and thousands may wait here."""

UP_QOS: Final = 1
"""Of what devices publish: the broker keeps it until our PUBACK. With 0 it would ask for none."""

DOWN_QOS: Final = 0
"""Of replies; see above."""

ACTIONS: Final = {topics.TASK_REQUEST: Action.REQUEST, topics.TASK_CANCEL: Action.CANCEL}
"""What workflow services ask for, by topic."""

RequestTaker = Callable[[Action, bytes, Callable[[], None], Callable[[], None]], None]


def give_up_request(
    _action: Action, _body: bytes, _on_settled: Callable[[], None], on_given_up: Callable[[], None]
) -> None:
    """Where there is no desk for tasks."""
    on_given_up()


class MqttSource:
    """Takes frames from the broker and publishes replies; reconnects by itself."""

    def __init__(
        self,
        settings: MqttSettings,
        name: str,
        station: Station,
        admission: Admission,
        batcher: Batcher,
        take_request: RequestTaker = give_up_request,
        traffic: TrafficMeter | None = None,
    ) -> None:
        """Args:
        settings: Of the broker.
        name: Of this gateway.
        station: What sessions work with.
        admission: Admits devices.
        batcher: Is looked at before more is taken.
        take_request: Takes what workflow services ask for; see `TaskDesk.take_request`.
        traffic: Meters what the links of devices carry, if anybody does.
        """
        self.is_connected = False
        self._settings = settings
        self._client_id = settings.client_id or f"gateway-{name}"
        self._batcher = batcher
        self._traffic = MqttTraffic(traffic, station.monotonic) if traffic else None
        self._sessions = MqttSessions(
            station,
            admission,
            batcher,
            recheck_device_seconds=settings.recheck_device_seconds,
            traffic=self._traffic,
        )
        self._take_request = take_request
        self._acks: ManualAcks | None = None
        self._has_worked = False
        self._stopped = False
        self._leave = self._sessions.no_room
        """Set when the connection must be given up, so that the broker delivers again later."""

    async def run(self) -> None:
        """Serve until closed or cancelled. A broker that is away is tried again and again."""
        delays = back_off()
        for version in versions(self._settings.version, lambda: self._has_worked):
            if self._stopped:
                return
            self._has_worked = False
            try:
                await self._serve(version)
            except* (aiomqtt.MqttError, OSError) as group:
                if self._acks is not None:
                    delays = back_off()
                delay_seconds = next(delays)
                observe.broker_lost(group.exceptions[0], version.name, delay_seconds)
                await asyncio.sleep(delay_seconds)
            finally:
                self.is_connected, self._acks = False, None
                self._sessions.forget_waiting()

    def stop_receiving(self) -> None:
        """Take nothing more; what is under way is still acked, to the devices and the broker."""
        self._stopped = True
        self._sessions.forget_waiting()
        if self._acks is not None:
            self._acks.is_ending = True

    async def close(self) -> None:
        """Leave the broker when the last replies are out."""
        self._stopped = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_REPLIES_SECONDS if self.is_connected else 0):
                await self._sessions.replies.join()
        self._leave.set()

    def statistics(self) -> tuple[int, int]:
        """Messages received and not acked to the broker; replies that wait."""
        return len(self._acks) if self._acks else 0, self._sessions.replies.qsize()

    # One connection to the broker.

    async def _serve(self, version: aiomqtt.ProtocolVersion) -> None:
        """Connect, subscribe and stay until the connection or the room for messages is lost."""
        self._leave.clear()
        client, acks = open_client(
            self._settings, self._client_id, version, lambda message: self._receive(message, acks)
        )
        async with client:
            self._acks = acks
            await self._subscribe(client, version)
            self.is_connected = self._has_worked = True
            if self._traffic:
                self._traffic.is_5 = version is V5
            observe.broker_connected(version.name)
            async with asyncio.TaskGroup() as tasks:
                lost = tasks.create_task(until_lost(client), name="broker connection")
                publishing = tasks.create_task(self._publish(client, version), name="replies")
                try:
                    await self._leave.wait()
                finally:
                    acks.is_ending = True
                lost.cancel()
                publishing.cancel()
        if not self._stopped:
            observe.broker_left(len(acks))
            await asyncio.sleep(RETURN_SECONDS)
            await self._until_space()

    async def _subscribe(self, client: aiomqtt.Client, version: aiomqtt.ProtocolVersion) -> None:
        share = share_name(self._settings) if version is V5 else ""
        await client.subscribe([(topic_filter, UP_QOS) for topic_filter in to_subscribe(share)])
        if left := to_leave(share):
            await client.unsubscribe(left)

    async def _publish(self, client: aiomqtt.Client, version: aiomqtt.ProtocolVersion) -> None:
        properties = content_type_properties() if version is V5 else None
        replies = self._sessions.replies
        while True:
            topic, body = await replies.get()
            try:
                await client.publish(
                    topic, body, qos=DOWN_QOS, properties=properties, timeout=math.inf
                )
            finally:
                replies.task_done()

    async def _until_space(self) -> None:
        space = asyncio.Event()
        while self._batcher.is_full:
            space.clear()
            self._batcher.when_space(space.set)
            await space.wait()

    def _receive(self, message: aiomqtt.Message, acks: ManualAcks) -> None:
        """Called by the client for each message."""
        if self._stopped or acks.is_under_way(message):
            return
        delivery = acks.received(message)
        topic, body = message.topic.value, message.payload
        key = topics.parse_up_topic(topic)
        if topic in ACTIONS and isinstance(body, bytes):
            settled = partial(acks.settled, delivery)
            self._take_request(ACTIONS[topic], body, settled, partial(acks.given_up, delivery))
        elif key is None or not isinstance(body, bytes):
            observe.bad_topic(topic)
            acks.settled(delivery)
        else:
            event = decode_payload(body)
            body = event.body if isinstance(event, BadFrame) else body
            self._sessions.receive(Received(key, event, body, acks, delivery))
        if len(acks) > self._settings.max_pending_messages:
            self._leave.set()


def decode_payload(body: bytes) -> Event:
    """The message in a payload. One that is larger than a frame may be is bad, and cut to
    `MAX_KEPT_BYTES`.
    """
    if len(body) <= limits.MAX_FRAME_BYTES:
        return decode_or_bad(body)
    detail = f"{len(body)} bytes, at most {limits.MAX_FRAME_BYTES}"
    return BadFrame(body[:MAX_KEPT_BYTES], RefusalCode.BAD_FRAME, detail)
