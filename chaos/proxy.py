"""A TCP proxy before one server: a link that can be cut, left half open, slowed down, corrupted."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum, unique
from random import Random
from typing import Final

CHUNK_BYTES: Final = 65_536
"""Read at once on a link that is well."""

SLOW_STEPS_PER_SECOND: Final = 10
"""A slow link passes its bytes on in so many portions a second."""

CORRUPT_SHARE: Final = 0.3
"""Of the portions that pass a corrupting link: the first ones of a session get through, so that
the damage falls into the middle of it."""

Address = tuple[str, int]


@unique
class Ailment(Enum):
    """What is wrong with a link."""

    NONE = "none"
    CUT = "cut"
    """Connections are reset, and new ones too."""
    HALF_OPEN = "half-open"
    """Nothing passes, and nobody is told: connections stay, and new ones are taken."""
    SLOW = "slow"
    CORRUPTING = "corrupting"


class Link:
    """One link. Opened by `open_link`.

    Args:
        name: for people.
        target: where the server is; may be changed while the link is down.
        seed: of the places at which bytes are changed.
    """

    def __init__(self, name: str, target: Address, seed: int) -> None:
        self.name = name
        self.port = 0
        self.target: Address | None = target
        """None while nobody is there: connections are reset."""
        self.corrupted_bytes = 0
        self._random = Random(f"link/{name}/{seed}")
        self._ailment = Ailment.NONE
        self._bytes_per_second = 0
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._sessions = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def address(self) -> str:
        """Where to connect, as HOST:PORT."""
        return f"127.0.0.1:{self.port}"

    def fall_ill(self, ailment: Ailment, bytes_per_second: int = 0) -> None:
        """From now on this is wrong. `bytes_per_second`, in each direction, if it is slow."""
        self._ailment = ailment
        self._bytes_per_second = bytes_per_second
        if ailment is Ailment.CUT:
            self.reset()
        if ailment is Ailment.HALF_OPEN:
            self._flowing.clear()

    def recover(self) -> None:
        """Nothing is wrong any more. What a half-open link held is lost, and its connections are
        reset, as by a peer that has forgotten them.
        """
        if self._ailment is Ailment.HALF_OPEN:
            self.reset()
        self._ailment = Ailment.NONE
        self._flowing.set()

    def reset(self) -> None:
        """Reset all connections now."""
        for writer in self._writers:
            writer.transport.abort()

    async def close(self) -> None:
        """End all connections, and wait until they have."""
        self.target = None
        self.recover()
        self.reset()
        await self._idle.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection from the client's side."""
        self._sessions += 1
        self._idle.clear()
        try:
            await self._serve(reader, writer)
        finally:
            writer.transport.abort()
            self._sessions -= 1
            if not self._sessions:
                self._idle.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream = await self._reach()
        if upstream_reader is None or upstream is None:
            return
        both = {writer, upstream}
        self._writers |= both
        try:
            async with asyncio.TaskGroup() as pipes:
                pipes.create_task(self._pipe(reader, upstream))
                pipes.create_task(self._pipe(upstream_reader, writer))
        finally:
            self._writers -= both
            upstream.transport.abort()

    async def _reach(
        self,
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | tuple[None, None]:
        await self._flowing.wait()
        if self._ailment is Ailment.CUT or self.target is None:
            return None, None
        try:
            return await asyncio.open_connection(*self.target)
        except OSError:
            return None, None

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(self._portion_bytes()):
                await self._flowing.wait()
                writer.write(await self._ailing(data))
                await writer.drain()
        except OSError:
            return
        finally:
            writer.close()

    def _portion_bytes(self) -> int:
        if self._ailment is Ailment.SLOW:
            return max(1, self._bytes_per_second // SLOW_STEPS_PER_SECOND)
        return CHUNK_BYTES

    async def _ailing(self, data: bytes) -> bytes:
        if self._ailment is Ailment.SLOW:
            await asyncio.sleep(len(data) / self._bytes_per_second)
        if self._ailment is Ailment.CORRUPTING and self._random.random() < CORRUPT_SHARE:
            self.corrupted_bytes += 1
            changed = bytearray(data)
            changed[self._random.randrange(len(data))] ^= 1 << self._random.randrange(8)
            return bytes(changed)
        return data


@asynccontextmanager
async def open_link(name: str, target: Address, seed: int) -> AsyncIterator[Link]:
    """A link on a free port of the loopback."""
    link = Link(name, target, seed)
    server = await asyncio.start_server(link.serve, "127.0.0.1", 0, family=socket.AF_INET)
    link.port = server.sockets[0].getsockname()[1]
    try:
        yield link
    finally:
        server.close()
        await link.close()
        await server.wait_closed()
