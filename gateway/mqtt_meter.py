"""What a device's connection to the broker carries: a model, because the broker holds the socket.

The gateway sees publications and their times; the packets around them follow from MQTT, and the
segments around these from how TCP gathers small writes. `docs/cost-model.md` has the numbers.
Assumed are IPv4 with time stamps, no loss, and a device and a broker with Nagle's rule and delayed
acks, as they are unless somebody changes it. Pure: time is an argument, in monotonic seconds.
"""

from typing import Final

from gateway.protocol import topics
from gateway.protocol.limits import REPLY_TIMEOUT_SECONDS
from gateway.tcp_meter import Bytes

HEADER: Final = 52
"""IPv4 and TCP with time stamps."""

OPENING: Final = 60
"""The same with the options of a SYN."""

SEGMENT_BYTES: Final = 1_448
"""Payload of a full segment."""

ACK_DELAY_SECONDS: Final = 0.040
"""How long a receiver waits for something to send an ack along with (Linux; others up to 0.2)."""

ROUND_TRIP_SECONDS: Final = 0.030
"""How long an ack takes that is not delayed, on a fast mobile link. A slower one gathers more."""

TOGETHER_SECONDS: Final = 0.010
"""What arrives at most so long after the one before was sent with it, in the same segments."""

REPEATED_HELLO_SECONDS: Final = 1.5 * REPLY_TIMEOUT_SECONDS
"""A hello so soon after another is a repetition: no welcome came. Later it is a new connection,
whose predecessor's goodbye another gateway has got."""

MOST_SILENT_SECONDS: Final = 43_200.0
"""Nobody pings for longer than half a day: the goodbye went to another gateway, or was lost."""

CONNECT_FIXED: Final = 10
SESSION_EXPIRY_PROPERTY: Final = 5
GOODBYE_BYTES: Final = 4
PASSWORD_BYTES: Final = 32
CLIENT_ID_PREFIX: Final = len("fg-")
CONNACK_BYTES: Final = (4, 11)
SUBACK_BYTES: Final = (5, 6)
"""In version 3.1.1; in 5 with the properties that Mosquitto sends."""

PACKET_ID_BYTES: Final = 2
PUBACK_BYTES: Final = 4
PING_BYTES: Final = 2
"""PINGREQ and PINGRESP alike."""

DISCONNECT_BYTES: Final = 2
CONTENT_TYPE_PROPERTY: Final = 1 + 2 + len(topics.CONTENT_TYPE)


class MqttMeter:
    """One device's connection."""

    def __init__(
        self, device: int, installation: int, *, is_5: bool, keepalive_seconds: float, now: float
    ) -> None:
        """Args:
        device: Its number.
        installation: Its installation.
        is_5: Whether it speaks version 5, as the gateway itself does with this broker.
        keepalive_seconds: After so much silence it pings.
        now: The time.
        """
        self._is_5 = is_5
        self._user_bytes = len(str(device))
        self._up_topic = len(topics.up_topic(device, installation))
        self._down_topic = len(topics.down_topic(device, installation))
        self._keepalive_seconds = keepalive_seconds
        self._up = self._down = 0
        self._active_at = now
        self._pings = 0
        """Counted of the silence since then."""
        self._greeted_at: float | None = None
        """The last hello; None for a device that connected before this gateway began."""
        self._up_line = _Together()
        self._down_line = _Nagle()

    def is_of_another_connection(self, now: float) -> bool:
        """Whether a hello that comes now is not of the connection that this one counts."""
        return self._greeted_at is None or now - self._greeted_at > REPEATED_HELLO_SECONDS

    def greeted(self, payload: int, now: float) -> None:
        """The device has published a hello, the first or a repetition."""
        if self._greeted_at is None:
            self._connect()
        self._greeted_at = now
        self.published(payload, now)

    def _connect(self) -> None:
        """Handshake, CONNECT and CONNACK, SUBSCRIBE and SUBACK; each of the broker's three segments
        is acked by itself.
        """
        connect, subscribe = self._connect_bytes(), self._subscribe_bytes()
        self._up += OPENING + HEADER + connect + HEADER + subscribe + HEADER + 2 * HEADER
        self._down += OPENING + HEADER  # the ack of CONNECT, while the broker looks the device up
        self._down += CONNACK_BYTES[self._is_5] + HEADER + SUBACK_BYTES[self._is_5] + HEADER

    def published(self, payload: int, now: float) -> None:
        """The device has published a frame, QoS 1, and gets its PUBACK."""
        self._ping_until(now)
        self._active_at, self._pings = now, 0
        size = self._publish_bytes(self._up_topic, payload, PACKET_ID_BYTES)
        segments = self._up_line.segments(size, now)
        self._up += size + HEADER * segments
        if self._up_line.begins and self._down_line.hear(now):
            self._up -= HEADER
        self._send_down(PUBACK_BYTES, now)

    def replied(self, payload: int, now: float) -> None:
        """The gateway has published a frame for it, QoS 0."""
        self._ping_until(now)
        self._send_down(self._publish_bytes(self._down_topic, payload), now)

    def read(self, now: float) -> Bytes:
        """What was carried until now."""
        self._ping_until(now)
        return self._up, self._down

    def close(self, now: float, *, by_peer: bool) -> Bytes:
        """The same at the end: with a goodbye DISCONNECT, which goes with it, and two segments of
        the device and one of the broker. Without, nothing is known of an end.
        """
        up, down = self.read(now)
        if by_peer:
            up += DISCONNECT_BYTES + 2 * HEADER
            down += HEADER
        return up, down

    def _send_down(self, size: int, now: float) -> None:
        segments = self._down_line.segments(size, now)
        self._down += size + HEADER * segments
        self._up += HEADER * segments  # the device acks each

    def _ping_until(self, now: float) -> None:
        """Add the pings of a silence: request, response, ack."""
        silence_seconds = min(now - self._active_at, MOST_SILENT_SECONDS)
        pings = int(silence_seconds / self._keepalive_seconds) - self._pings
        if pings and self._greeted_at is not None:
            self._pings += pings
            self._up += pings * (PING_BYTES + 2 * HEADER)
            self._down += pings * (PING_BYTES + HEADER)

    def _publish_bytes(self, topic: int, payload: int, packet_id: int = 0) -> int:
        body = 2 + topic + packet_id + payload
        if self._is_5:
            body += 1 + CONTENT_TYPE_PROPERTY
        return 1 + _length_bytes(body) + body

    def _connect_bytes(self) -> int:
        body = CONNECT_FIXED + 2 + CLIENT_ID_PREFIX + self._user_bytes
        body += 2 + self._up_topic + 2 + GOODBYE_BYTES  # the will
        body += 2 + self._user_bytes + 2 + PASSWORD_BYTES
        if self._is_5:
            body += 1 + SESSION_EXPIRY_PROPERTY + 1 + CONTENT_TYPE_PROPERTY
        return 1 + _length_bytes(body) + body

    def _subscribe_bytes(self) -> int:
        body = 2 + self._is_5 + 2 + self._down_topic + 1
        return 1 + _length_bytes(body) + body


class _Together:
    """The device's segments: what it sends at once shares them."""

    def __init__(self) -> None:
        self._last_at = -1.0
        self._room = 0
        self.begins = True
        """Whether the last message was the first of those sent at once."""

    def segments(self, size: int, now: float) -> int:
        """How many segments more are begun for so many bytes."""
        self.begins = now - self._last_at > TOGETHER_SECONDS
        self._last_at = now
        room = 0 if self.begins else self._room
        segments = -(-max(0, size - room) // SEGMENT_BYTES)
        self._room = room + segments * SEGMENT_BYTES - size
        return segments


class _Nagle:
    """The broker's segments: while a small one is not acked, what comes gathers for the next. The
    device delays its ack once: after a delay it acks at once, until it sends again.
    """

    def __init__(self) -> None:
        self._acked_at = -1.0
        """When the last segment will have been acked."""
        self._gathered = 0
        """Bytes that wait for that."""
        self._is_delayed = True
        """Whether the next ack is."""

    def segments(self, size: int, now: float) -> int:
        """How many segments more are begun for so many bytes."""
        self._until(now)
        if now >= self._acked_at:
            self._sent(now)
            return -(-size // SEGMENT_BYTES)
        before = -(-self._gathered // SEGMENT_BYTES)
        self._gathered += size
        return -(-self._gathered // SEGMENT_BYTES) - before

    def hear(self, now: float) -> bool:
        """The device sends: whether that carries an ack, which then needs no segment of its own."""
        self._until(now)
        is_carried = now < self._acked_at
        self._is_delayed = True
        if is_carried:
            self._acked_at = now
            self._until(now)
        return is_carried

    def _until(self, now: float) -> None:
        """What gathered is sent when the ack comes, and is then itself what is not acked."""
        while self._gathered and now >= self._acked_at:
            self._sent(self._acked_at)

    def _sent(self, at: float) -> None:
        self._gathered = 0
        self._acked_at = at + (ACK_DELAY_SECONDS if self._is_delayed else ROUND_TRIP_SECONDS)
        self._is_delayed = False


def _length_bytes(body: int) -> int:
    """Of MQTT's remaining length."""
    size = 1
    while body >= 128:  # noqa: PLR2004 - seven bits a byte
        body >>= 7
        size += 1
    return size
