"""The framing of MQTT packets. Pure."""

from collections.abc import Iterator
from typing import Final

CONNECT: Final = 0x10
CONNACK: Final = 0x20
PUBLISH: Final = 0x30
PUBACK: Final = 0x40
SUBSCRIBE: Final = 0x82
SUBACK: Final = 0x90

PUBLISH_QOS_1: Final = 0x32
"""First byte of a PUBLISH with QoS 1, neither repeated nor retained."""

_SEVEN_BITS: Final = 0x7F
_CONTINUES: Final = 0x80
_MAX_LENGTH_BYTES: Final = 4


def packet(first: int, body: bytes) -> bytes:
    """A whole packet: type and flags, remaining length (MQTT 3.1.1, section 2.2.3), body."""
    out, length = bytearray((first,)), len(body)
    while length > _SEVEN_BITS:
        out.append(length & _SEVEN_BITS | _CONTINUES)
        length >>= 7
    out.append(length)
    return bytes(out) + body


def string(text: str) -> bytes:
    """MQTT 3.1.1, section 1.5.3."""
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


def whole_packets(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """First byte, body, and where the next begins, of each packet that has all arrived."""
    begin, size = 0, len(data)
    while begin < size:
        header = read_length(data, begin + 1)
        if header is None:
            return
        body, length = header
        end = body + length
        if end > size:
            return
        yield data[begin], data[body:end], end
        begin = end


def read_length(data: bytes, at: int) -> tuple[int, int] | None:
    """Where the body begins and its length, or None while that has not all arrived."""
    length = 0
    for place, byte in enumerate(data[at : at + _MAX_LENGTH_BYTES]):
        length |= (byte & _SEVEN_BITS) << 7 * place
        if not byte & _CONTINUES:
            return at + place + 1, length
    return None
