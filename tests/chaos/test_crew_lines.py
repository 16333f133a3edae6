"""A connection of a misbehaving handset to a gateway that is played by the test."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from chaos.crew_lines import Identity, LineEndedError, TcpLine, open_tcp
from gateway.protocol.framing import FrameBuffer, encode_frame
from gateway.protocol.messages import (
    Ack,
    Challenge,
    Goodbye,
    Hello,
    Message,
    Ping,
    Pong,
    Welcome,
    decode,
    encode,
)
from gateway.protocol.proof import Greeting, derive_keys, gateway_proof, verify_device_proof

pytestmark = pytest.mark.asyncio

IDENTITY = Identity(7, bytes(32), 9, claimed=3)
NONCE = bytes(12)
WITHIN_SECONDS = 20.0


class Played:
    """The gateway's side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self._frames = FrameBuffer()

    def say(self, *messages: Message) -> None:
        """Send."""
        self.writer.write(b"".join(encode_frame(encode(message)) for message in messages))

    async def hear(self) -> Message:
        """The next message."""
        while (body := self._frames.next_body()) is None:
            data = await self._reader.read(1_000)
            assert data, "closed by the handset"
            self._frames.feed(data)
        return decode(body)

    async def welcome(self, secret: bytes) -> None:
        """Greet as one that knows this secret."""
        self.say(Challenge(1, NONCE))
        hello = await self.hear()
        assert isinstance(hello, Hello)
        assert hello.settled_through == IDENTITY.claimed
        greeting = Greeting(NONCE, hello.nonce, hello.device, hello.installation)
        assert verify_device_proof(derive_keys(IDENTITY.secret), greeting, hello.proof)
        self.say(Welcome(1, gateway_proof(derive_keys(secret), greeting), 0, 5, 270, 9, 1))


@asynccontextmanager
async def line_to(
    heard: Callable[[Message], None],
) -> AsyncIterator[tuple[TcpLine, Played]]:
    """A handset that is connected, and the other side of it."""
    came: asyncio.Queue[Played] = asyncio.Queue()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await came.put(Played(reader, writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server, asyncio.timeout(WITHIN_SECONDS):
        line = await open_tcp(server.sockets[0].getsockname(), None, heard)
        played = await came.get()
        try:
            yield line, played
        finally:
            line.cut()
            played.writer.close()


async def test_a_welcome_that_proves_itself() -> None:
    """It is heard, and so is what follows; a ping is answered."""
    heard: list[Message] = []
    async with line_to(heard.append) as (line, gateway), asyncio.TaskGroup() as tasks:
        tasks.create_task(gateway.welcome(IDENTITY.secret))
        await line.greet(IDENTITY)
        gateway.say(Ack(6), Ping())
        assert await line.receive(WITHIN_SECONDS) == [Ack(6), Ping()]
        assert await gateway.hear() == Pong()
    assert isinstance(heard[0], Welcome)
    assert heard[1:] == [Ack(6), Ping()]


async def test_a_welcome_that_proves_nothing() -> None:
    """Neither it nor anything else is believed."""
    heard: list[Message] = []
    async with line_to(heard.append) as (line, gateway), asyncio.TaskGroup() as tasks:
        tasks.create_task(gateway.welcome(b"another secret of 16 bytes"))
        with pytest.raises(LineEndedError):
            await line.greet(IDENTITY)
        gateway.say(Ack(6))
        assert await line.receive(WITHIN_SECONDS) == []
    assert heard == []


async def test_silence_and_the_end() -> None:
    """Nothing comes, and then a goodbye; or the stream ends."""
    async with line_to(lambda _message: None) as (line, gateway), asyncio.TaskGroup() as tasks:
        tasks.create_task(gateway.welcome(IDENTITY.secret))
        await line.greet(IDENTITY)
        assert await line.receive(0.01) == []
        gateway.say(Goodbye(1))
        with pytest.raises(LineEndedError):
            await line.receive(WITHIN_SECONDS)
    async with line_to(lambda _message: None) as (line, gateway):
        gateway.writer.close()
        with pytest.raises(LineEndedError):
            await line.receive(WITHIN_SECONDS)


async def test_a_cut_resets() -> None:
    """The gateway learns it as a reset, not as an end."""
    async with line_to(lambda _message: None) as (line, gateway):
        line.cut()
        with pytest.raises(ConnectionResetError):
            await gateway.hear()
