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
    callers: list[DevicePlan] = []
    """Devices that meanwhile send emergencies, one frame at a time."""


class Subscriber(msgspec.Struct, frozen=True):
    """Where a generator also reads what the gateway publishes of emergencies."""

    port: int
    user: str
    password: str


class LoadResult(msgspec.Struct, frozen=True):
    """What the generator saw."""

    reports: int
    """All of them, acked; emergencies of callers come on top."""
    seconds: float
    """From the first write to the last ack; greetings came before."""
    cpu_seconds: float
    """Of the generator in this time."""
    bytes_up: int
    bytes_down: int
    calls: list[int] = []
    """Emergencies of each caller, all acked."""
    ordinary_ms: list[float] = []
    """From the socket to the ack, ascending, thinned; only with callers."""
    emergency_ms: list[float] = []
    """The same of each emergency."""
    receipt_ms: list[float] = []
    """From an emergency's way to the socket to its receipt by the subscriber, if there is one."""

    @property
    def stored(self) -> int:
        """All reports that must be stored in the end."""
        return self.reports + sum(self.calls)
