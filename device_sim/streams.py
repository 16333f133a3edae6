"""Byte streams as a handset has them: counted, and slowed down to a mobile link."""

import math
from dataclasses import dataclass
from random import Random
from typing import Final, Protocol

import trio

from device_sim.links import LinkProfile
from device_sim.pace import Pace

READ_BYTES: Final = 65_536
"""Most bytes of one read."""

CHUNKS_UNDER_WAY: Final = 256
"""Reads that may travel down a slow link at once; then the sender has to wait."""


@dataclass(slots=True)
class Traffic:
    """Bytes through the sockets: what the operator bills, without the headers of TCP and IP."""

    up: int = 0
    down: int = 0


class Link(Protocol):
    """What a session needs of its connection."""

    async def send_all(self, data: bytes) -> None:
        """Send; raises `trio.BrokenResourceError` or `trio.ClosedResourceError` when it is lost."""

    async def receive_some(self) -> bytes:
        """What arrived, nothing at the end; raises like `send_all`."""

    async def run(self) -> None:
        """Carry what travels, for as long as the session lasts."""


class CountedLink:
    """A stream that counts its bytes."""

    def __init__(self, stream: trio.abc.Stream, traffic: Traffic) -> None:
        self.stream = stream
        self._traffic = traffic

    async def send_all(self, data: bytes) -> None:
        """Send and count."""
        self._traffic.up += len(data)
        await self.stream.send_all(data)

    async def receive_some(self) -> bytes:
        """Receive and count."""
        data = await self.stream.receive_some(READ_BYTES)
        self._traffic.down += len(data)
        return bytes(data)

    async def run(self) -> None:
        """Nothing to carry."""


class SlowLink(CountedLink):
    """A counted stream with the delays of a mobile link.

    The whole round trip is put on the way down, where a handset cannot tell the difference; the
    bandwidth is kept both ways.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        traffic: Traffic,
        profile: LinkProfile,
        pace: Pace,
        random: Random,
    ) -> None:
        super().__init__(stream, traffic)
        self._profile = profile
        self._pace = pace
        self._random = random
        self._arriving, self._travelling = trio.open_memory_channel[tuple[float, bytes]](
            CHUNKS_UNDER_WAY
        )

    async def send_all(self, data: bytes) -> None:
        """Send at the speed of the uplink."""
        await trio.sleep(self._pace.seconds(len(data) / self._profile.up_bytes_per_second))
        await super().send_all(data)

    async def receive_some(self) -> bytes:
        """What has come down by now."""
        try:
            due, data = await self._travelling.receive()
        except trio.EndOfChannel:
            return b""
        await trio.sleep_until(due)
        return data

    async def run(self) -> None:
        """Take what the gateway sends and say when it will have come down."""
        due = -math.inf
        async with self._arriving:
            while True:
                try:
                    data = await super().receive_some()
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    return
                if not data:
                    return
                delay = self._profile.round_trip_seconds(self._random)
                due = max(due, trio.current_time() + self._pace.seconds(delay))
                due += self._pace.seconds(len(data) / self._profile.down_bytes_per_second)
                await self._arriving.send((due, data))
