"""aiomqtt with a PUBACK that waits for the commit, and with publications that wait for nobody.

aiomqtt acks a message as soon as it is received, and gives each publication a future and a
time-out; it has no setting for either. paho, which it wraps, has public calls for acks by hand and
for publishing. All uses of aiomqtt's private attribute stand here and nowhere else, and
`tests/gateway/test_mqtt_client.py` notices when they change.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import aiomqtt
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY, MQTT_ERR_SUCCESS
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.protocol.topics import CONTENT_TYPE
from gateway.settings import MqttSettings

MAX_OUTGOING_CALLS: Final = 1_000
"""aiomqtt logs a warning for each pending call above ten; ours are bounded by our own queue."""

ANSWER_WITHIN_SECONDS: Final = 10.0
"""To connect, to subscribe, to leave: a broker that takes longer is away."""

MAX_UNACKED: Final = 512
"""Events that are published and not acked: at 50 ms to the broker and back 10,000 a second, more
than one process makes. Some 400 KB."""

V5, V311 = aiomqtt.ProtocolVersion.V5, aiomqtt.ProtocolVersion.V311


@dataclass(slots=True)
class Delivery:
    """A message from the broker that is not acked yet."""

    message_id: int
    qos: int
    is_settled: bool = False


class ManualAcks:
    """PUBACKs when the content is committed, in order of receipt as MQTT demands [MQTT-4.6.0-2].

    One lives as long as one connection: after a reconnect the broker sends again what was not
    acked, under new packet identifiers.
    """

    def __init__(self, ack: Callable[[int, int], object]) -> None:
        self.is_ending = False
        """Whether the connection is about to end."""
        self._ack = ack
        self._deliveries: deque[Delivery] = deque()
        self._in_use: set[int] = set()
        """Packet identifiers that are not acked."""

    def __len__(self) -> int:
        """Messages received and not acked."""
        return len(self._deliveries)

    def is_under_way(self, message: aiomqtt.Message) -> bool:
        """Whether it is a repetition, within the connection, of one that is not acked yet. Brokers
        that go by the time since the delivery send such; each taken for a message of its own would
        be work that delays the acks of the others, and so calls for more repetitions.
        """
        return message.qos > 0 and message.mid in self._in_use

    def received(self, message: aiomqtt.Message) -> Delivery:
        """Remember a message; call `settled` with the result when it is committed."""
        delivery = Delivery(message.mid, message.qos)
        self._deliveries.append(delivery)
        self._in_use.add(message.mid)
        return delivery

    def settled(self, delivery: Delivery) -> None:
        """Ack it as soon as all received before it are settled too."""
        delivery.is_settled = True
        deliveries = self._deliveries
        while deliveries and deliveries[0].is_settled:
            first = deliveries.popleft()
            self._in_use.discard(first.message_id)
            self._ack(first.message_id, first.qos)

    def given_up(self, delivery: Delivery) -> None:
        """Nothing comes of a message. When the connection ends, the broker delivers it again; until
        then it must not hold up all that was received after it, and only its device sends it again.
        """
        if not self.is_ending:
            self.settled(delivery)


def open_client(
    settings: MqttSettings,
    client_id: str,
    version: aiomqtt.ProtocolVersion,
    receive: Callable[[aiomqtt.Message], None],
) -> tuple[aiomqtt.Client, ManualAcks]:
    """A client, not yet connected, whose messages go straight to `receive`.

    aiomqtt hands each message to its queue's `put_nowait`; taking it there saves a task for each
    message, and doubles what one process can receive.
    """

    class _Inbox(asyncio.Queue[aiomqtt.Message]):
        def put_nowait(self, item: aiomqtt.Message) -> None:
            receive(item)

    is_5 = version is aiomqtt.ProtocolVersion.V5
    client = aiomqtt.Client(
        settings.host,
        settings.port,
        username=settings.username,
        password=settings.password,
        identifier=client_id,
        queue_type=_Inbox,
        protocol=version,
        timeout=ANSWER_WITHIN_SECONDS,
        keepalive=settings.keepalive_seconds,
        # The default of MQTT 5 here wipes the broker's session at the first connect of a process.
        clean_start=False if is_5 else MQTT_CLEAN_START_FIRST_ONLY,
        clean_session=None if is_5 else False,
        properties=_session_properties(settings) if is_5 else None,
        max_concurrent_outgoing_calls=MAX_OUTGOING_CALLS,
    )
    client.pending_calls_threshold = MAX_OUTGOING_CALLS
    paho = client._client  # noqa: SLF001 - see the module's text
    paho.manual_ack_set(on=True)
    return client, ManualAcks(paho.ack)


class DirectPublisher:
    """Publishes with QoS 1 on an open connection; calls back when the broker has acked.

    `most_unacked` says how many publications may be under way: what the broker allows, or
    `MAX_UNACKED`. Who sends more is disconnected by brokers that mean it.
    """

    def __init__(self, paho: Any, properties: Properties | None) -> None:
        self.most_unacked = MAX_UNACKED
        self.refused: Callable[[str], None] = lambda _reason: None
        """Called when the broker acks a publication with a failure, as MQTT 5 can."""
        self._paho = paho
        self._properties = properties
        self._waiting: dict[int, Callable[[], None]] = {}
        self._connected = paho.on_connect
        paho.on_connect = self._on_connect
        paho.on_publish = self._on_publish

    def publish(
        self, topic: str, body: bytes, acked: Callable[[], None], *, retain: bool = False
    ) -> None:
        """Write it to the socket. Raises `aiomqtt.MqttError` when there is no connection."""
        info = self._paho.publish(topic, body, 1, retain, self._properties)
        if info.rc != MQTT_ERR_SUCCESS:
            raise aiomqtt.MqttError(f"cannot publish: {info.rc!r}")
        self._waiting[info.mid] = acked

    def _on_connect(
        self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any = None
    ) -> None:
        self.most_unacked = min(MAX_UNACKED, getattr(properties, "ReceiveMaximum", MAX_UNACKED))
        self._connected(client, userdata, flags, reason, properties)

    def _on_publish(
        self, _client: Any, _userdata: Any, message_id: int, reason: Any, _properties: Any
    ) -> None:
        if reason.is_failure:
            self.refused(str(reason))
            return
        acked = self._waiting.pop(message_id, None)
        if acked is not None:
            acked()


def open_publisher(
    settings: MqttSettings,
    client_id: str,
    version: aiomqtt.ProtocolVersion,
    will: aiomqtt.Will,
    content_type: str,
) -> tuple[aiomqtt.Client, DirectPublisher]:
    """A client, not yet connected, that only publishes. It keeps no session at the broker: what was
    not acked when a connection ends is published again from the database.
    """
    is_5 = version is aiomqtt.ProtocolVersion.V5
    properties = content_type_properties(content_type) if is_5 else None
    client = aiomqtt.Client(
        settings.host,
        settings.port,
        username=settings.username,
        password=settings.password,
        identifier=client_id,
        protocol=version,
        keepalive=settings.keepalive_seconds,
        clean_start=True if is_5 else MQTT_CLEAN_START_FIRST_ONLY,
        clean_session=None if is_5 else True,
        will=will,
        max_inflight_messages=MAX_UNACKED,
    )
    return client, DirectPublisher(client._client, properties)  # noqa: SLF001 - see the module's text


async def until_lost(client: aiomqtt.Client) -> None:
    """Wait for the connection to be lost; raises `aiomqtt.MqttError` then."""
    async for _ in client.messages:
        pass


def versions(setting: str, has_worked: Callable[[], bool]) -> Iterator[aiomqtt.ProtocolVersion]:
    """Which version to try next, without end. `auto` begins with 5 after each connection that was
    lost: a broker may have been away, and not too old, when 5 was tried. `has_worked` says whether
    the last try came to a connection.
    """
    fixed = {"5": V5, "3.1.1": V311}.get(setting)
    version = fixed or V5
    while True:
        yield version
        version = fixed or (V311 if version is V5 and not has_worked() else V5)


def content_type_properties(content_type: str = CONTENT_TYPE) -> Properties:
    """The properties of a publication, for MQTT 5."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # of paho
    properties.ContentType = content_type
    return properties


def _session_properties(settings: MqttSettings) -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # of paho
    properties.SessionExpiryInterval = settings.session_expiry_seconds
    properties.ReceiveMaximum = settings.receive_maximum
    return properties
