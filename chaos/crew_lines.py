"""One connection of a misbehaving handset. It sends whatever bytes it is told to, and believes
nothing before the welcome's proof is verified.
"""

import asyncio
import os
import socket
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.protocol.errors import RemoteProtocolError
from gateway.protocol.framing import FrameBuffer, encode_frame
from gateway.protocol.limits import NONCE_BYTES, PROTOCOL_VERSION
from gateway.protocol.messages import (
    BadFrame,
    Challenge,
    Goodbye,
    Hello,
    Message,
    Ping,
    Pong,
    Welcome,
    decode_or_bad,
    encode,
)
from gateway.protocol.proof import Greeting, device_proof, verify_gateway_proof

ANSWER_WITHIN_SECONDS: Final = 5.0
"""A gateway that has not welcomed us by then is away or busy: try again."""

RECEIVE_BUFFER_BYTES: Final = 4_096
"""Of the kernel, for a handset that does not read: the smaller, the sooner its gateway feels it."""

READ_BYTES: Final = 16_384
CONNECT_WITHIN_SECONDS: Final = 3.0


class LineEndedError(ConnectionError):
    """The connection is over, by the other side or because it did not answer."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who greets."""

    device: int
    secret: bytes
    installation: int
    claimed: int = 0
    """What the hello states as settled."""


Heard = Callable[[Message], None]
"""Called with the welcome, and with each message behind it."""


class Line(Protocol):
    """What both transports can do."""

    async def send(self, body: bytes) -> None:
        """Send one frame."""
        ...

    async def receive(self, within_seconds: float) -> list[Message]:
        """What comes next; empty if nothing comes in time. Raises `LineEndedError`."""
        ...

    def cut(self) -> None:
        """End it at once, without a word."""
        ...


class TcpLine:
    """A TCP connection, with TLS or without."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._heard = heard
        self._frames = FrameBuffer()
        self._is_proven = False

    async def send(self, body: bytes) -> None:
        """Send one frame; waits while the other side does not read."""
        await self.send_bytes(encode_frame(body))

    async def send_bytes(self, data: bytes) -> None:
        """Send any bytes."""
        self._writer.write(data)
        await self._writer.drain()

    async def receive(self, within_seconds: float) -> list[Message]:
        """Messages that come next, once the welcome is proven."""
        try:
            async with asyncio.timeout(within_seconds):
                data = await self._reader.read(READ_BYTES)
        except TimeoutError:
            return []
        if not data:
            raise LineEndedError("closed by the gateway")
        self._frames.feed(data)
        return self._take()

    def cut(self) -> None:
        """Reset the connection."""
        raw = self._writer.get_extra_info("socket")
        if raw is not None and raw.fileno() >= 0:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def greet(self, identity: Identity) -> None:
        """Answer the challenge and wait for a welcome that proves itself."""
        challenge = await self._next()
        if not isinstance(challenge, Challenge):
            raise LineEndedError("no challenge")
        greeting = Greeting(
            challenge.nonce, os.urandom(NONCE_BYTES), identity.device, identity.installation
        )
        await self.send(_hello(identity, greeting, device_proof(identity.secret, greeting)))
        welcome = await self._next()
        if not isinstance(welcome, Welcome):
            raise LineEndedError(f"{type(welcome).__name__} for a welcome")
        if not verify_gateway_proof(identity.secret, greeting, welcome.proof):
            raise LineEndedError("a gateway that does not know us")
        self._is_proven = True
        self._heard(welcome)

    async def _next(self) -> Message:
        """One message of the greeting."""
        async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
            while (body := self._body()) is None:
                data = await self._reader.read(READ_BYTES)
                if not data:
                    raise LineEndedError("closed by the gateway")
                self._frames.feed(data)
        message = decode_or_bad(body)
        if isinstance(message, BadFrame):
            raise LineEndedError("no message")
        return message

    def _take(self) -> list[Message]:
        messages: list[Message] = []
        while (body := self._body()) is not None:
            message = decode_or_bad(body)
            if isinstance(message, BadFrame):
                raise LineEndedError("no message")
            if isinstance(message, Ping):
                self._writer.write(encode_frame(encode(Pong())))
            if self._is_proven:
                self._heard(message)
                messages.append(message)
            if isinstance(message, Goodbye):
                raise LineEndedError(f"goodbye {message.reason}")
        return messages

    def _body(self) -> bytes | None:
        try:
            return self._frames.next_body()
        except RemoteProtocolError as error:
            raise LineEndedError(str(error)) from None


async def open_tcp(address: tuple[str, int], tls: ssl.SSLContext | None, heard: Heard) -> TcpLine:
    """Connect, and greet nobody yet. Raises `OSError` or `TimeoutError`."""
    async with asyncio.timeout(CONNECT_WITHIN_SECONDS):
        raw = await _connected(address)
        # From here on the socket is the event loop's, which also closes it when this fails.
        reader, writer = await asyncio.open_connection(
            sock=raw,
            limit=RECEIVE_BUFFER_BYTES,
            ssl=tls,
            server_hostname=None if tls is None else address[0],
        )
    return TcpLine(reader, writer, heard)


async def _connected(address: tuple[str, int]) -> socket.socket:
    raw = socket.socket()
    try:
        raw.setblocking(False)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        await asyncio.get_running_loop().sock_connect(raw, address)
    except BaseException:
        raw.close()
        raise
    return raw


def _hello(identity: Identity, greeting: Greeting, proof: bytes) -> bytes:
    return encode(
        Hello(
            version=PROTOCOL_VERSION,
            device=identity.device,
            installation=identity.installation,
            settled_through=identity.claimed,
            nonce=greeting.device_nonce,
            proof=proof,
        )
    )


def hello_over_mqtt(identity: Identity) -> tuple[Greeting, bytes]:
    """A greeting with a new nonce, and its body; the broker has established who it is."""
    greeting = Greeting(b"", os.urandom(NONCE_BYTES), identity.device, identity.installation)
    return greeting, _hello(identity, greeting, b"")
