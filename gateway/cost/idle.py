"""What a link carries beside reports: opening, greeting, heartbeats, closing. Calculated from the
protocol's constants and from frames as they are really encoded.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from gateway.protocol import limits
from gateway.protocol.errors import GoodbyeReason
from gateway.protocol.framing import encode_frame
from gateway.protocol.messages import (
    Challenge,
    Goodbye,
    Hello,
    Message,
    Ping,
    Pong,
    Welcome,
    encode,
)

SHIFT_HOURS: Final = 8
"""An inspector's working day."""

HEADER_BYTES: Final = 52
"""IPv4 and TCP with time stamps, as Linux and most handsets send them."""

HEADER_BYTES_PLAIN: Final = 40
"""The same without time stamps."""

SYN_OPTION_BYTES: Final[Mapping[int, int]] = {HEADER_BYTES: 8, HEADER_BYTES_PLAIN: 4}
"""What a SYN has on top: largest segment and, with time stamps, selective acks and window scale."""

HEARTBEATS_PER_SHIFT: Final = SHIFT_HOURS * 3_600 // limits.HEARTBEAT_SECONDS
"""As if no report came in between: a report sent in time saves one."""

_A_NONCE: Final = bytes(limits.NONCE_BYTES)
_A_PROOF: Final = bytes(limits.PROOF_BYTES)
_CHALLENGE: Final = Challenge(limits.PROTOCOL_VERSION, _A_NONCE)
_HELLO: Final = Hello(
    version=limits.PROTOCOL_VERSION,
    device=352_099_001_761_481,
    installation=limits.MAX_INSTALLATION // 2,
    settled_through=1_000,
    nonce=_A_NONCE,
    proof=_A_PROOF,
)
_WELCOME: Final = Welcome(
    version=limits.PROTOCOL_VERSION,
    proof=_A_PROOF,
    server_time=1_206_000_000,
    settled_through=1_000,
    heartbeat_seconds=limits.HEARTBEAT_SECONDS,
    window_reports=limits.WINDOW_REPORTS,
    edition=1,
)
"""Numbers of usual sizes: an IMEI of 15 digits, a quarter's reports."""

_Segments = tuple[Message | None, ...]
_CONNECTION_UP: Final[_Segments] = (None, None, _HELLO, Goodbye(GoodbyeReason.NORMAL), None, None)
"""SYN, ACK, hello (which acknowledges the challenge), goodbye, FIN, ACK."""
_CONNECTION_DOWN: Final[_Segments] = (None, _CHALLENGE, _WELCOME, None, None)
"""SYN, challenge, welcome (which acknowledges the hello), ACK of the FIN, FIN."""
_HEARTBEAT_UP: Final[_Segments] = (Ping(), None)
"""Ping, and the acknowledgement of the pong, which nothing else carries."""
_HEARTBEAT_DOWN: Final[_Segments] = (Pong(),)
"""Pong, which acknowledges the ping."""


class LinkBytes(msgspec.Struct, frozen=True):
    """All headers of TCP and IP included, nothing lost and sent again."""

    up: int
    """From the device."""
    down: int
    """To the device."""

    @property
    def both(self) -> int:
        """Both directions together."""
        return self.up + self.down


def connection_bytes(header_bytes: int = HEADER_BYTES) -> LinkBytes:
    """A connection without any report: opening, greeting, goodbye, closing.

    Args:
        header_bytes: Of IP and TCP, `HEADER_BYTES` or `HEADER_BYTES_PLAIN`.
    """
    options = SYN_OPTION_BYTES[header_bytes]
    return LinkBytes(
        _bytes(_CONNECTION_UP, header_bytes) + options,
        _bytes(_CONNECTION_DOWN, header_bytes) + options,
    )


def heartbeats_bytes(header_bytes: int = HEADER_BYTES) -> LinkBytes:
    """The heartbeats of a shift."""
    return LinkBytes(
        HEARTBEATS_PER_SHIFT * _bytes(_HEARTBEAT_UP, header_bytes),
        HEARTBEATS_PER_SHIFT * _bytes(_HEARTBEAT_DOWN, header_bytes),
    )


def _bytes(segments: _Segments, header_bytes: int) -> int:
    frames = (len(encode_frame(encode(message))) for message in segments if message)
    return len(segments) * header_bytes + sum(frames)
