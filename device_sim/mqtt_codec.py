"""MQTT packets as bytes, in version 5 or 3.1.1. Pure.

The codec package `mqtt5` speaks version 5 only. A packet of 3.1.1 is one of 5 without properties
and with other codes in CONNACK and SUBACK, so what goes out is stripped and what comes in is
completed; `mqtt5` does everything else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, unique
from typing import Final

import mqtt5

CONNECT: Final = 1
CONNACK: Final = 2
PUBLISH: Final = 3
SUBACK: Final = 9

MAX_PACKET_BYTES: Final = 65_536
"""Larger than any packet that a handset gets: a frame of 16 KiB and its topic."""

_CONNECT_LEVEL_AT: Final = 6
"""Place of the protocol level behind the fixed header: two bytes of length and "MQTT"."""
_CONNECT_FIXED: Final = 10
"""Level, flags and keep-alive included."""
_REFUSED_311: Final = {
    1: int(mqtt5.ConnAckReasonCode.UNSUPPORTED_PROTOCOL_VERSION),
    2: int(mqtt5.ConnAckReasonCode.CLIENT_ID_NOT_VALID),
    3: int(mqtt5.ConnAckReasonCode.SERVER_UNAVAILABLE),
    4: int(mqtt5.ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD),
    5: int(mqtt5.ConnAckReasonCode.NOT_AUTHORIZED),
}
"""CONNACK return codes of MQTT 3.1.1, section 3.2.2.3."""
_CONNACK_311_BYTES: Final = 2
_PANIC: Final = "PanicException"
"""What `mqtt5` raises for a text that is no UTF-8: no `Exception`, and there is no name of it to
import."""
_LENGTH_BYTES: Final = 4
"""Most bytes of a remaining length."""


@unique
class MqttVersion(IntEnum):
    """The protocol level in CONNECT."""

    V311 = 4
    V5 = 5


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes, with QoS 1, when the connection ends without a DISCONNECT."""

    topic: str
    payload: bytes
    content_type: str | None = None
    """Goes along only in version 5."""


class MqttProtocolError(Exception):
    """The broker sent something that is no packet, or one that is too large."""


def connect(
    version: MqttVersion,
    client_id: str,
    username: str,
    password: str,
    *,
    clean_start: bool,
    keep_alive_seconds: int,
    session_expiry_seconds: int,
    will: Will | None = None,
) -> bytes:
    """CONNECT. In 3.1.1 a session without clean start lasts as long as the broker likes."""
    is_5 = version is MqttVersion.V5
    packet = mqtt5.ConnectPacket(
        client_id,
        username=username,
        password=password.encode(),
        clean_start=clean_start,
        will=None if will is None else _will(will, with_content_type=is_5),
        keep_alive=keep_alive_seconds,
        session_expiry_interval=session_expiry_seconds,
    ).write()
    if is_5:
        return packet
    body = bytearray(_body(packet))
    body[_CONNECT_LEVEL_AT] = version
    if will is not None:
        _strip_properties(body, _CONNECT_FIXED + 1 + body[_CONNECT_FIXED] + 2 + len(client_id))
    _strip_properties(body, _CONNECT_FIXED)
    return _with_length(packet[0], body)


def _will(will: Will, *, with_content_type: bool) -> mqtt5.Will:
    return mqtt5.Will(
        will.topic,
        payload=will.payload,
        qos=mqtt5.QoS.AT_LEAST_ONCE,
        content_type=will.content_type if with_content_type else None,
    )


def subscribe(
    version: MqttVersion, packet_id: int, *topics: str, qos: mqtt5.QoS = mqtt5.QoS.AT_MOST_ONCE
) -> bytes:
    """SUBSCRIBE to topics with one QoS: 0 for a handset, whose replies come with no more."""
    wanted = [mqtt5.TopicFilter(topic, max_qos=qos, retain_as_published=False) for topic in topics]
    packet = mqtt5.SubscribePacket(packet_id, wanted).write()
    return packet if version is MqttVersion.V5 else _without_properties(packet, 2)


def publish(
    version: MqttVersion,
    packet_id: int,
    topic: str,
    payload: bytes,
    content_type: str | None = None,
) -> bytes:
    """PUBLISH with QoS 1. The content type goes along only in version 5."""
    packet = mqtt5.PublishPacket(
        topic,
        payload,
        qos=mqtt5.QoS.AT_LEAST_ONCE,
        packet_id=packet_id,
        content_type=content_type if version is MqttVersion.V5 else None,
    ).write()
    if version is MqttVersion.V5:
        return packet
    return _without_properties(packet, 2 + len(topic.encode()) + 2)


def puback(packet_id: int) -> bytes:
    """PUBACK; the same in both versions."""
    return mqtt5.PubAckPacket(packet_id).write()


def pingreq() -> bytes:
    """PINGREQ; the same in both versions."""
    return mqtt5.PingReqPacket().write()


def disconnect() -> bytes:
    """DISCONNECT, a normal one; the same in both versions."""
    return mqtt5.DisconnectPacket().write()


class PacketReader:
    """Collects bytes and gives back whole packets, those of 3.1.1 as if they were of 5."""

    def __init__(self, version: MqttVersion) -> None:
        self._version = version
        self._data = bytearray()

    def feed(self, data: bytes) -> None:
        """Add bytes as they came."""
        self._data += data

    def next_packet(self) -> mqtt5.Packet | None:
        """The next packet, or None when it has not all arrived.

        Raises:
            MqttProtocolError: it is no packet, or larger than `MAX_PACKET_BYTES`.
        """
        header = _read_length(self._data)
        if header is None:
            return None
        begin, length = header
        if length > MAX_PACKET_BYTES:
            raise MqttProtocolError(f"a packet of {length} bytes")
        end = begin + length
        if len(self._data) < end:
            return None
        raw = bytes(self._data[:end])
        del self._data[:end]
        if self._is_311(raw, length):
            raw = _completed(raw[0], raw[begin:])
        try:
            return mqtt5.read(memoryview(raw))[0]
        except BaseException as error:
            if isinstance(error, (ValueError, IndexError)) or type(error).__name__ == _PANIC:
                raise MqttProtocolError(str(error)) from None
            raise

    def _is_311(self, raw: bytes, length: int) -> bool:
        """A broker of 3.1.1 refuses a client of 5 in its own way: with a CONNACK of two bytes."""
        short_connack = raw[0] >> 4 == CONNACK and length == _CONNACK_311_BYTES
        return self._version is MqttVersion.V311 or short_connack


def _completed(first: int, body: bytes) -> bytes:
    """A packet of 3.1.1 as one of 5: empty properties, and the codes of 5."""
    kind = first >> 4
    if kind == CONNACK and len(body) == _CONNACK_311_BYTES:
        code = _REFUSED_311.get(body[1], body[1])
        return _with_length(first, bytes((body[0], code, 0)))
    if kind == PUBLISH and len(body) > 1:
        has_packet_id = bool(first & 0b110)
        at = 2 + int.from_bytes(body[:2], "big") + (2 if has_packet_id else 0)
        return _with_length(first, body[:at] + b"\0" + body[at:])
    if kind == SUBACK:
        return _with_length(first, body[:2] + b"\0" + body[2:])
    return _with_length(first, body)


def _without_properties(packet: bytes, at: int) -> bytes:
    body = bytearray(_body(packet))
    _strip_properties(body, at)
    return _with_length(packet[0], body)


def _strip_properties(body: bytearray, at: int) -> None:
    """Take out the properties that begin at a place; ours are shorter than 128 bytes."""
    del body[at : at + 1 + body[at]]


def _body(packet: bytes) -> bytes:
    header = _read_length(packet)
    return b"" if header is None else packet[header[0] :]


def _read_length(data: Sequence[int]) -> tuple[int, int] | None:
    """Where the body begins and its length, or None when that has not all arrived.

    Raises:
        MqttProtocolError: the length takes more than four bytes.
    """
    length = 0
    for place in range(1, 1 + _LENGTH_BYTES):
        if place >= len(data):
            return None
        length |= (data[place] & 0x7F) << 7 * (place - 1)
        if not data[place] & 0x80:
            return place + 1, length
    raise MqttProtocolError("a remaining length of more than four bytes")


def _with_length(first: int, body: bytes | bytearray) -> bytes:
    out, length = bytearray((first,)), len(body)
    while True:
        length, seven = divmod(length, 128)
        out.append(seven | (0x80 if length else 0))
        if not length:
            return bytes(out + body)
