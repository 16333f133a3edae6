"""Devices that send emergencies one at a time while others bring their backlogs."""

import asyncio
import time
from typing import Final

from bench.load.fleet import Fleet, LoadError
from bench.load.plan import DevicePlan
from bench.load.tcp import TcpDevice
from bench.load.waits import MILLISECONDS

PAUSE_SECONDS: Final = 0.02
"""Mean time from an ack to the next emergency."""

_GOLDEN: Final = 0.618_033_988_749_895
"""Multiples of it are spread evenly over 0 to 1, so that the emergencies of many devices meet every
state of the gateway and no two runs differ by chance."""


class TcpCaller(TcpDevice):
    """Sends one emergency, waits for its ack, pauses, and so on until the backlogs are in."""

    def __init__(self, fleet: Fleet, plan: DevicePlan) -> None:
        super().__init__(fleet, plan)
        self.waits_ms: list[float] = []
        """Of each emergency, in their order."""
        self.sent_at: list[float] = []
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def send_more(self) -> None:
        """Begin, and go on after each ack."""
        share = (self.plan.device_id + len(self.waits_ms)) * _GOLDEN % 1
        asyncio.get_running_loop().call_later(2 * share * PAUSE_SECONDS, self._call)

    def acked(self, through: int) -> None:
        """The one that is under way is settled."""
        if through == len(self.sent_at) > len(self.waits_ms):
            waited = time.perf_counter() - self.sent_at[-1]
            self.waits_ms.append(waited * MILLISECONDS)
            self.send_more()

    def connection_lost(self, exc: Exception | None) -> None:
        """An error unless it had finished."""
        if not self.finished.done():
            self.failed(f"connection lost: {exc}")
            self.finished.set_exception(LoadError("a caller was cut off"))

    def _call(self) -> None:
        number = len(self.sent_at)
        if self.finished.done():
            return
        is_over = self.fleet.finished.done() or number == len(self.plan.frames)
        if number and is_over:
            self.finished.set_result(None)
            return
        self.sent_at.append(time.perf_counter())
        self.transport.write(self.plan.frames[number])
