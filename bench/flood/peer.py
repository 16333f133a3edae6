"""One TCP connection to a gateway, honest or not: frames in and out, and the greeting."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from gateway.protocol.framing import encode_frame
from gateway.protocol.limits import NONCE_BYTES, PROTOCOL_VERSION
from gateway.protocol.messages import (
    Challenge,
    Hello,
    Message,
    Refusal,
    Welcome,
    decode,
    encode,
)
from gateway.protocol.proof import Greeting, device_proof, verify_gateway_proof


class Who(msgspec.Struct, frozen=True):
    """A registered device."""

    device_id: int
    installation: int
    secret: bytes


class RefusedError(Exception):
    """The gateway did not welcome us; `retry_after_seconds` is when it would."""

    def __init__(self, code: int, retry_after_seconds: int) -> None:
        super().__init__(f"refused with code {code}")
        self.retry_after_seconds = retry_after_seconds


class LeftError(Exception):
    """The gateway says something else than what must come next: mostly goodbye."""


class Peer:
    """Reads and writes frames of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def write(self, message: Message) -> None:
        """Queue a message."""
        self.writer.write(encode_frame(encode(message)))

    async def read(self) -> Message:
        """The next message. Raises `EOFError` or `OSError` when the connection is gone."""
        length = (await self.reader.readexactly(1))[0]
        if length & 0x80:
            length = length & 0x7F | (await self.reader.readexactly(1))[0] << 7
        return decode(await self.reader.readexactly(length))

    async def hello(self, who: Who, proof: bytes | None = None) -> Greeting:
        """Answer the challenge; with `proof` instead of the right one if it is given.

        Raises:
            RefusedError: there is no room.
            LeftError: the gateway says goodbye instead.
        """
        challenge = await self.read()
        if isinstance(challenge, Refusal):
            raise RefusedError(challenge.code, challenge.retry_after_seconds)
        if not isinstance(challenge, Challenge):
            raise LeftError(f"{challenge} instead of a challenge")
        nonce = os.urandom(NONCE_BYTES)
        greeting = Greeting(challenge.nonce, nonce, who.device_id, who.installation)
        self.write(
            Hello(
                version=PROTOCOL_VERSION,
                device=who.device_id,
                installation=who.installation,
                settled_through=0,
                nonce=nonce,
                proof=proof or device_proof(who.secret, greeting),
            )
        )
        return greeting

    async def greet(self, who: Who) -> None:
        """Be welcomed.

        Raises:
            RefusedError: the gateway says no, or not now.
            LeftError: it says goodbye, or is not ours.
        """
        greeting = await self.hello(who)
        answer = await self.read()
        if isinstance(answer, Refusal):
            raise RefusedError(answer.code, answer.retry_after_seconds)
        if not isinstance(answer, Welcome):
            raise LeftError(f"{answer} instead of a welcome")
        if not verify_gateway_proof(who.secret, greeting, answer.proof):
            raise LeftError("the gateway does not know this device")


@asynccontextmanager
async def connected(port: int, source: str = "127.0.0.1") -> AsyncIterator[Peer]:
    """A connection from an address of this machine, cut at the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    try:
        yield Peer(reader, writer)
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
