"""aiomqtt with a PUBACK that waits for the commit.

aiomqtt acks a message as soon as it is received and has no setting for it; paho, which it wraps,
has public calls for acks by hand. The two uses of aiomqtt's private attribute stand here and
nowhere else, and `tests/gateway/test_mqtt_client.py` notices when they change.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import aiomqtt
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.protocol.topics import CONTENT_TYPE
from gateway.settings import MqttSettings

MAX_OUTGOING_CALLS: Final = 1_000
"""aiomqtt logs a warning for each pending call above ten; ours are bounded by our own queue."""


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

    def __len__(self) -> int:
        """Messages received and not acked."""
        return len(self._deliveries)

    def received(self, message: aiomqtt.Message) -> Delivery:
        """Remember a message; call `settled` with the result when it is committed."""
        delivery = Delivery(message.mid, message.qos)
        self._deliveries.append(delivery)
        return delivery

    def settled(self, delivery: Delivery) -> None:
        """Ack it as soon as all received before it are settled too."""
        delivery.is_settled = True
        deliveries = self._deliveries
        while deliveries and deliveries[0].is_settled:
            first = deliveries.popleft()
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


def content_type_properties() -> Properties:
    """The properties of a message to a device, for MQTT 5."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # of paho
    properties.ContentType = CONTENT_TYPE
    return properties


def _session_properties(settings: MqttSettings) -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # of paho
    properties.SessionExpiryInterval = settings.session_expiry_seconds
    properties.ReceiveMaximum = settings.receive_maximum
    return properties
