"""A TCP proxy that breaks connections on purpose, before PostgreSQL or a broker."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

CHUNK_BYTES = 65_536


class FaultProxy:
    """Passes bytes on until it is told otherwise. Started by `fault_proxy`."""

    def __init__(self, host: str, port: int) -> None:
        self.port = 0
        self._target = (host, port)
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._request_came = asyncio.Event()
        self._refuses = False
        self._cut_at: bytes | None = None
        self._hides_answers = False
        self.was_cut = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()

    def dsn(self, dsn: str) -> str:
        """The same database by way of the proxy."""
        parts = urlsplit(dsn)
        credentials = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        return urlunsplit(parts._replace(netloc=f"{credentials}127.0.0.1:{self.port}"))

    def hang(self) -> None:
        """Pass nothing on, with all connections open: a dead link."""
        self._flowing.clear()

    def next_request(self) -> asyncio.Event:
        """Set when the client next sends something, passed on or not."""
        self._request_came = asyncio.Event()
        return self._request_came

    def flow(self) -> None:
        """Pass bytes on again, and take connections again."""
        self._refuses = False
        self._cut_at = None
        self._hides_answers = False
        self._flowing.set()

    def cut(self) -> None:
        """Reset all connections now and refuse new ones."""
        self._refuses = True
        self.reset()

    def reset(self) -> None:
        """Reset all connections now; new ones are taken."""
        for writer in self._writers:
            writer.transport.abort()

    def cut_after(self, sent: bytes) -> None:
        """Let the next request that holds `sent` through, but not its answer, then cut all once."""
        self._cut_at = sent

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection from the client's side."""
        if self._refuses:
            writer.transport.abort()
            return
        try:
            upstream_reader, upstream = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, upstream}
        self._writers |= both
        try:
            async with asyncio.TaskGroup() as pipes:
                pipes.create_task(self._pipe(reader, upstream, is_request=True))
                pipes.create_task(self._pipe(upstream_reader, writer, is_request=False))
        finally:
            self._writers -= both
            for side in both:
                side.transport.abort()

    async def _pipe(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_request: bool
    ) -> None:
        try:
            while data := await reader.read(CHUNK_BYTES):
                if is_request:
                    self._request_came.set()
                await self._flowing.wait()
                if is_request and self._cut_at is not None and self._cut_at in data:
                    self._cut_at = None
                    self._hides_answers = True
                elif not is_request and self._hides_answers:
                    # The server has answered, so the request took effect; the client never hears.
                    self._hides_answers = False
                    self.was_cut.set()
                    self.reset()
                    return
                writer.write(data)
                await writer.drain()
        except OSError:
            return
        finally:
            writer.close()


@asynccontextmanager
async def fault_proxy(dsn: str) -> AsyncIterator[FaultProxy]:
    """A proxy in front of the server of a DSN, on a free port of the loopback."""
    target = urlsplit(dsn)
    proxy = FaultProxy(target.hostname or "127.0.0.1", target.port or 5432)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, family=socket.AF_INET)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        proxy.flow()
        server.close()
        proxy.reset()
        await server.wait_closed()
