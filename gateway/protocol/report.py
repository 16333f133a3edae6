"""What an inspector reports, in full values: nothing relative, nothing packed.

`messages` holds the same on the wire; `wire_report` goes from one to the other.
"""

from enum import IntEnum, unique

import msgspec


@unique
class Kind(IntEnum):
    """Which of the two code tables the class stands in (CJ/T 214-2007)."""

    COMPONENT = 0
    """部件: a thing that stands there, as a manhole cover."""
    EVENT = 1
    """事件: a thing that happens there, as an illegal stall."""


@unique
class Urgency(IntEnum):
    """How soon it must be dealt with (rule of work of the Jinan team)."""

    ORDINARY = 0
    """一般: the same day."""
    DIFFICULT = 1
    """疑难: after investigation and co-ordination."""
    EMERGENCY = 2
    """突发: at once; never waits behind a backlog."""


@unique
class Patrol(IntEnum):
    """On which kind of round it was found."""

    ROUTINE = 0
    """日常巡查."""
    SPECIAL = 1
    """专项巡查."""
    HOTLINE = 2
    """热线核实: on the way of a citizen's call."""


class Report(msgspec.Struct, frozen=True, gc=False):
    """One finding of an inspector. The device and installation are its context, not its content."""

    sequence: int
    """1 to 2**31-1: one counter per installation for everything that must be stored."""
    edition: int
    observed_at: int
    """Unix time in seconds, by the handset's clock."""
    kind: int
    class_code: int
    """The number of the class: 101 for class 0101."""
    urgency: int
    simple: bool
    """简单案件: handled on the spot."""
    patrol: int
    grid: int
    """Whole unit-grid identity, 14 or 15 digits."""
    lat_e5: int
    lon_e5: int
    accuracy_m: int
    description: str
    """0 to 500 characters without control characters."""
    pictures: int
    component: int | None
    """Whole component identity, 16 or 17 digits, where there is one."""


class TrackPoint(msgspec.Struct, frozen=True, gc=False):
    """Where a device was at one moment."""

    observed_at: int
    lat_e5: int
    lon_e5: int
    accuracy_m: int


class Track(msgspec.Struct, frozen=True):
    """A run of positions, stored and acked like a report, from the same counter."""

    sequence: int
    edition: int
    points: tuple[TrackPoint, ...]
