"""The framing of MQTT packets. Pure."""

from typing import Final

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


def read_length(data: bytes, at: int) -> tuple[int, int] | None:
    """Where the body begins and its length, or None while that has not all arrived."""
    length = 0
    for place, byte in enumerate(data[at : at + _MAX_LENGTH_BYTES]):
        length |= (byte & _SEVEN_BITS) << 7 * place
        if not byte & _CONTINUES:
            return at + place + 1, length
    return None
