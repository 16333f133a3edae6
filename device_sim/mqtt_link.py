"""A handset's session over an MQTT broker, version 5 or 3.1.1: a sans-I/O codec driven by trio.

What the broker has not acknowledged when a connection ends is not sent again as MQTT has it: the
outbox sends it again after the next welcome, whatever became of it.
"""

import math
from typing import Final

import mqtt5
import trio

from device_sim import mqtt_codec
from device_sim.courier import Courier, NotAdmittedError, UntrustedGatewayError
from device_sim.mqtt_codec import MqttProtocolError, MqttVersion, PacketReader, Will
from device_sim.session import Ending, Session
from device_sim.streams import Link
from gateway.protocol.errors import GoodbyeReason
from gateway.protocol.limits import HEARTBEAT_SECONDS, REPLY_TIMEOUT_SECONDS
from gateway.protocol.messages import BadFrame, Goodbye, Message, decode_or_bad, encode
from gateway.protocol.proof import mqtt_password
from gateway.protocol.topics import CONTENT_TYPE, down_topic, up_topic

KEEP_ALIVE_SECONDS: Final = HEARTBEAT_SECONDS
"""Told to the broker, which closes after one and a half times that."""

PING_SECONDS: Final = KEEP_ALIVE_SECONDS - 10
"""Silence after which we ping, so that the ping of a slow link is in time."""

SESSION_EXPIRY_SECONDS: Final = 7 * 86_400
"""How long a broker of version 5 keeps our subscription: a week's leave."""

UNACKNOWLEDGED: Final = 64
"""Publications that the broker has not acknowledged; fewer if it says so (Mosquitto: 20)."""

_GOODBYE: Final = Goodbye(GoodbyeReason.NORMAL)
"""Says that the handset is offline; its will says the same when the link breaks."""

_LAST_PACKET_ID: Final = 65_535
_FAILURE: Final = 0x80
"""Codes from here on are failures, in each packet."""
_UNWANTED: Final = (
    mqtt5.ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD,
    mqtt5.ConnAckReasonCode.NOT_AUTHORIZED,
    mqtt5.ConnAckReasonCode.BANNED,
)


class Dialect:
    """Which version the broker speaks, shared by all handsets of a fleet."""

    def __init__(self, version: MqttVersion | None = None) -> None:
        self.version = version or MqttVersion.V5
        self._may_fall_back = version is None

    def refused(self) -> bool:
        """Note that the broker refused the version; whether another is left to try."""
        may_retry = self._may_fall_back or self.version is MqttVersion.V311
        if self._may_fall_back:
            self.version = MqttVersion.V311
            self._may_fall_back = False
        return may_retry


class MqttSession(Session):
    """Connect, subscribe, greet, then publish reports; acks come on the device's own topic."""

    def __init__(self, link: Link, courier: Courier, secret: bytes, dialect: Dialect) -> None:
        super().__init__(link, courier)
        self._secret = secret
        self._dialect = dialect
        self._version = dialect.version
        self._reader = PacketReader(self._version)
        handset = courier.handset
        self._device = handset.device
        self._up = up_topic(handset.device, handset.installation)
        self._down = down_topic(handset.device, handset.installation)
        self._packet_id = 0
        self._unacknowledged: set[int] = set()
        self._most_unacknowledged = UNACKNOWLEDGED
        self._sent_at = trio.current_time()
        self._reply_due: float | None = None
        """When the broker must have answered our CONNECT, SUBSCRIBE or PINGREQ."""
        self._welcome_due: float | None = None
        """When to greet again."""

    def _open(self, now: float) -> bytes:
        self._reply_due = now + REPLY_TIMEOUT_SECONDS
        return mqtt_codec.connect(
            self._version,
            client_id=f"fg-{self._device}",
            username=str(self._device),
            password=mqtt_password(self._secret),
            clean_start=self.courier.is_first_of_installation,
            keep_alive_seconds=KEEP_ALIVE_SECONDS,
            session_expiry_seconds=SESSION_EXPIRY_SECONDS,
            will=Will(self._up, encode(_GOODBYE), CONTENT_TYPE),
        )

    def _receive(self, data: bytes, now: float) -> None:
        self._reader.feed(data)
        try:
            while self.ending is None and (packet := self._reader.next_packet()):
                self._take(packet, now)
        except MqttProtocolError:
            self.end(Ending.LOST)

    def _take(self, packet: mqtt5.Packet, now: float) -> None:
        match packet:
            case mqtt5.PublishPacket():
                self._published(packet, now)
            case mqtt5.PubAckPacket():
                self._acknowledged(packet)
            case mqtt5.ConnAckPacket():
                self._connected(packet, now)
            case mqtt5.SubAckPacket():
                self._subscribed(packet, now)
            case mqtt5.PingRespPacket():
                self._reply_due = None
            case _:
                self.end(Ending.LOST)

    def _connected(self, packet: mqtt5.ConnAckPacket, now: float) -> None:
        code = packet.reason_code
        if code == mqtt5.ConnAckReasonCode.UNSUPPORTED_PROTOCOL_VERSION:
            if not self._dialect.refused():
                raise NotAdmittedError("the broker does not speak this version of MQTT")
            self.end(Ending.LOST)
        elif code in _UNWANTED:
            raise NotAdmittedError(f"the broker refuses the connection: code {int(code)}")
        elif int(code) >= _FAILURE:
            self.end(Ending.LOST)
        else:
            self._most_unacknowledged = min(UNACKNOWLEDGED, packet.receive_max)
            self._reply_due = now + REPLY_TIMEOUT_SECONDS
            self._out += mqtt_codec.subscribe(self._version, self._next_packet_id(), self._down)

    def _subscribed(self, packet: mqtt5.SubAckPacket, now: float) -> None:
        if any(int(code) >= _FAILURE for code in packet.reason_codes):
            raise NotAdmittedError("the broker refuses the subscription to the device's own topic")
        self._reply_due = None
        self._greet(now)

    def _greet(self, now: float) -> None:
        self._welcome_due = now + REPLY_TIMEOUT_SECONDS
        self._out += self._pack(self.courier.hello(None), now)

    def _published(self, packet: mqtt5.PublishPacket, now: float) -> None:
        if packet.packet_id is not None:
            self._out += mqtt_codec.puback(packet.packet_id)
        if packet.topic != self._down:
            return
        message = decode_or_bad(packet.payload)
        if isinstance(message, Goodbye):
            self._goodbye(message, now)
        elif not isinstance(message, BadFrame):
            self._answered(message, now)

    def _answered(self, message: Message, now: float) -> None:
        """Take an answer. A welcome to an earlier greeting may still be under way; it counts for
        nothing, and neither does one of a gateway that does not know us.
        """
        try:
            self.courier.receive(message, now)
        except UntrustedGatewayError:
            self.courier.tally.unproven_welcomes += 1

    def _goodbye(self, goodbye: Goodbye, now: float) -> None:
        """The gateway leaves, the broker stays: greet again when it may be back."""
        self.courier.link_lost()
        self._welcome_due = now + max(1, goodbye.retry_after_seconds)

    def _acknowledged(self, packet: mqtt5.PubAckPacket) -> None:
        self._unacknowledged.discard(packet.packet_id)
        if packet.reason_code == mqtt5.PubAckReasonCode.NOT_AUTHORIZED:
            raise NotAdmittedError("the broker refuses publications to the device's own topic")

    def _pack(self, message: Message, now: float) -> bytes:
        self._sent_at = now
        packet_id = self._next_packet_id()
        self._unacknowledged.add(packet_id)
        return mqtt_codec.publish(self._version, packet_id, self._up, encode(message), CONTENT_TYPE)

    def _has_room(self) -> bool:
        return len(self._unacknowledged) < self._most_unacknowledged

    def _keep_time(self, now: float) -> None:
        if self._reply_due is not None and now >= self._reply_due:
            self.end(Ending.LOST)
        elif self._reply_due is None and now >= self._sent_at + PING_SECONDS:
            self._out += mqtt_codec.pingreq()
            self._sent_at = now
            self._reply_due = now + REPLY_TIMEOUT_SECONDS
        if self.courier.is_welcome:
            self._welcome_due = None
            self.courier.handset.overdue(now)
        elif self._welcome_due is not None and now >= self._welcome_due:
            self._greet(now)

    def _next_deadline(self) -> float:
        ping_due = self._sent_at + PING_SECONDS if self._reply_due is None else math.inf
        due = (self._reply_due, self._welcome_due, self.courier.handset.overdue_at, ping_due)
        return min(moment for moment in due if moment is not None)

    def _farewell(self, now: float) -> bytes:
        if not self._has_room():
            return b""  # the broker takes no publication more: the will says it
        return self._pack(_GOODBYE, now) + mqtt_codec.disconnect()

    def _next_packet_id(self) -> int:
        """The next identifier that is free; at most `UNACKNOWLEDGED` and a few are taken."""
        while True:
            self._packet_id = self._packet_id % _LAST_PACKET_ID + 1
            if self._packet_id not in self._unacknowledged:
                return self._packet_id
