"""A broker that does what a test says: holds its acks, refuses, allows few publications at once."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

CONNECT, PUBLISH, PING, DISCONNECT = 1, 3, 12, 14
MQTT_5: Final = 5
NOT_AUTHORIZED: Final = 0x87


class ScriptedBroker:
    """Takes publications of QoS 1. Started by `scripted_broker`."""

    host = "127.0.0.1"

    def __init__(self, receive_maximum: int | None) -> None:
        self.port = 0
        self.connections = 0
        self.published: list[str] = []
        """Topics, in order."""
        self.holds_acks = False
        self.reason = 0
        """Of its acks; above 127 it refuses, with MQTT 5."""
        self.hangs_up = False
        """Whether it ends each connection right after it has taken it."""
        self._receive_maximum = receive_maximum
        self._unacked: list[Callable[[], None]] = []
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def unacked(self) -> int:
        """Publications that wait for an ack."""
        return len(self._unacked)

    def ack(self, count: int) -> None:
        """Ack the oldest."""
        for _ in range(count):
            self._unacked.pop(0)()

    def reset(self) -> None:
        """Cut all connections."""
        for writer in self._writers:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self._writers.add(writer)
        is_5 = False
        try:
            while True:
                kind, body = await _packet(reader)
                if kind == CONNECT:
                    is_5 = body[6] == MQTT_5
                    self._take(writer, is_5=is_5)
                elif kind == PUBLISH:
                    self._publication(writer, body, is_5=is_5)
                elif kind == PING:
                    writer.write(b"\xd0\x00")
                elif kind == DISCONNECT:
                    return
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            self._writers.discard(writer)
            writer.close()

    def _take(self, writer: asyncio.StreamWriter, *, is_5: bool) -> None:
        self.connections += 1
        limit = self._receive_maximum
        properties = b"" if limit is None else b"\x21" + limit.to_bytes(2, "big")
        rest = b"\0\0" + (bytes([len(properties)]) + properties if is_5 else b"")
        writer.write(b"\x20" + bytes([len(rest)]) + rest)
        if self.hangs_up:
            writer.close()

    def _publication(self, writer: asyncio.StreamWriter, body: bytes, *, is_5: bool) -> None:
        end = 2 + int.from_bytes(body[:2], "big")
        self.published.append(body[2:end].decode())
        message_id = body[end : end + 2]
        reason = bytes([self.reason]) if is_5 and self.reason else b""
        answer = b"\x40" + bytes([2 + len(reason)]) + message_id + reason

        def ack() -> None:
            if not writer.is_closing():
                writer.write(answer)

        if self.holds_acks:
            self._unacked.append(ack)
        else:
            ack()


async def _packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Kind and body of the next."""
    (first,) = await reader.readexactly(1)
    length = shift = 0
    while True:
        (digit,) = await reader.readexactly(1)
        length |= (digit & 127) << shift
        shift += 7
        if not digit & 128:
            return first >> 4, await reader.readexactly(length)


@asynccontextmanager
async def scripted_broker(receive_maximum: int | None = None) -> AsyncIterator[ScriptedBroker]:
    """A broker on a free port of the loopback."""
    broker = ScriptedBroker(receive_maximum)
    server = await asyncio.start_server(broker.serve, broker.host, 0, family=socket.AF_INET)
    broker.port = server.sockets[0].getsockname()[1]
    try:
        yield broker
    finally:
        server.close()
        broker.reset()
        await server.wait_closed()
