"""What the programs of a flood run are told, and what they answer."""

import msgspec

from bench.flood.peer import Who


class HonestHandset(msgspec.Struct, frozen=True):
    """A handset that behaves, and what it will send."""

    who: Who
    frames: list[bytes]
    """Single reports, numbered from 1, ready for the socket."""


class FloodPlan(msgspec.Struct, frozen=True):
    """Everybody."""

    handsets: list[HonestHandset]
    newcomers: list[Who]
    """Honest handsets that connect anew again and again."""
    hostile: list[Who]
    """Registered handsets in the wrong hands."""
    largest_frame: bytes
    """A backlog that fills a frame, numbered from `FIRST_NUMBER`."""
    urgent_frame: bytes
    """An emergency, numbered from `FIRST_NUMBER`."""


class Honest(msgspec.Struct, frozen=True):
    """What the honest saw in one phase, in milliseconds."""

    ack_ms: list[float]
    """From a report's first way to the socket to its ack, reconnections included."""
    welcome_ms: list[float]
    """From connecting to the welcome, all tries included."""
    unanswered: int
    """Reports without an ack when the phase ended that are older than the longest wait counted."""
    reconnections: int
    """Sessions of honest handsets that ended unasked."""


class Attack(msgspec.Struct, frozen=True):
    """What an attacker did and got."""

    connections: int = 0
    open_at_most: int = 0
    frames: int = 0
    megabytes: float = 0.0
    refused: int = 0
    cut: int = 0
