"""What a load generator is told, and what it answers."""

from typing import Literal

import msgspec


class DevicePlan(msgspec.Struct, frozen=True, array_like=True):
    """One device: who it is, and what it sends, ready for the socket."""

    device_id: int
    installation: int
    secret: bytes
    frames: list[bytes]
    ends: list[int]
    """For each frame the number of its last report; they count from 1."""


class LoadPlan(msgspec.Struct, frozen=True):
    """One run."""

    transport: Literal["tcp", "mqtt"]
    settled_by: Literal["gateway", "broker"]
    """Whose ack lets a device go on. The broker's, for a program that sends none of its own."""
    window_reports: int
    """Most reports of one device under way. 1: each waits for the ack of the one before."""
    devices: list[DevicePlan]


class LoadResult(msgspec.Struct, frozen=True):
    """What the generator saw."""

    reports: int
    """All of them, acked."""
    seconds: float
    """From the first write to the last ack; greetings came before."""
    cpu_seconds: float
    """Of the generator in this time."""
    bytes_up: int
    bytes_down: int
