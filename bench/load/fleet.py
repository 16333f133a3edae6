"""What is the same for every transport: windows, the count of acks, the clock."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import cast

from bench.load.plan import DevicePlan, LoadPlan, LoadResult
from bench.load.waits import Stopwatch


class LoadError(Exception):
    """A device was refused, cut off or never answered: the run is worth nothing."""


class Fleet:
    """Knows when all devices are ready, and when all is acked."""

    def __init__(self, plan: LoadPlan) -> None:
        loop = asyncio.get_running_loop()
        self.plan = plan
        self.finished: asyncio.Future[None] = loop.create_future()
        self._unfinished = len(plan.devices)
        self.bytes_down = 0
        self.waits: list[tuple[float, int]] = []
        """Of ordinary reports; only when there are emergencies to compare them with."""

    def device_finished(self) -> None:
        """All reports of one device are acked."""
        self._unfinished -= 1
        if not self._unfinished and not self.finished.done():
            self.finished.set_result(None)

    def fail(self, reason: str) -> None:
        """End the run with an error; the first counts."""
        if not self.finished.done():
            self.finished.set_exception(LoadError(reason))


class Device(asyncio.Protocol, ABC):
    """One device's connection. A subclass knows the transport's packets."""

    def __init__(self, fleet: Fleet, plan: DevicePlan) -> None:
        self.fleet = fleet
        self.plan = plan
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._frames = plan.frames
        self._ends = plan.ends
        self._total = plan.ends[-1]
        self._window = fleet.plan.window_reports
        self._next = 0
        self._through = 0
        self._rest = b""
        self._stopwatch = Stopwatch() if fleet.plan.callers else None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected: greet, if it is on us to begin."""
        self.transport = cast("asyncio.Transport", transport)
        self.greet()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end; an error unless all is acked."""
        if self._through < self._total:
            self.failed(f"connection lost: {exc}")

    def data_received(self, data: bytes) -> None:
        """Take whole packets, keep the rest."""
        self.fleet.bytes_down += len(data)
        if self._rest:
            data = self._rest + data
        self._rest = data[self.take(data) :]

    def send_more(self) -> None:
        """Write as many frames as the window has room for, in one call."""
        begin, ends = self._next, self._ends
        limit = self._through + self._window
        end, count = begin, len(ends)
        while end < count and ends[end] <= limit:
            end += 1
        if end > begin:
            self._next = end
            if self._stopwatch:
                self._stopwatch.sent(ends[end - 1], time.perf_counter())
            frames = self._frames
            one = end - begin == 1
            self.transport.write(frames[begin] if one else b"".join(frames[begin:end]))

    def acked(self, through: int) -> None:
        """Everything up to here is settled: go on, or be done."""
        if through <= self._through:
            return
        self._through = through
        if self._stopwatch:
            self.fleet.waits += self._stopwatch.acked(through, time.perf_counter())
        if through >= self._total:
            self.fleet.device_finished()
        else:
            self.send_more()

    def failed(self, what: str) -> None:
        """This device cannot go on, so the run is over."""
        self.fleet.fail(f"device {self.plan.device_id}: {what}")
        if not self.ready.done():
            self.ready.set_exception(LoadError(what))

    @abstractmethod
    def greet(self) -> None:
        """Say who we are, if it is on us to begin."""

    @abstractmethod
    def take(self, data: bytes) -> int:
        """Deal with the whole packets in `data`; returns where the rest begins."""


async def run_fleet(fleet: Fleet, devices: Sequence[Device], go: Callable[[], None]) -> LoadResult:
    """Let connected devices send everything. `go` blocks until the clock may start.

    Raises:
        LoadError: not all was acked.
    """
    go()
    fleet.bytes_down = 0
    cpu, began = time.process_time(), time.perf_counter()
    for device in devices:
        device.send_more()
    await fleet.finished
    return LoadResult(
        reports=sum(plan.ends[-1] for plan in fleet.plan.devices),
        seconds=time.perf_counter() - began,
        cpu_seconds=time.process_time() - cpu,
        bytes_up=sum(len(frame) for plan in fleet.plan.devices for frame in plan.frames),
        bytes_down=fleet.bytes_down,
    )
