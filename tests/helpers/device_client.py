"""A handset on a TCP connection, for tests: the pure `Connection` in the role of the device."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from gateway.protocol import limits
from gateway.protocol.acks import covered
from gateway.protocol.connection import Connection, Event
from gateway.protocol.messages import Ack, Challenge, Goodbye, Hello, Message, Refusal, Welcome
from gateway.protocol.proof import Greeting, device_proof, verify_gateway_proof
from gateway.protocol.state import Role

ANSWER_WITHIN_SECONDS: Final = 30.0
"""A broken test ends with an error instead of hanging; a good one never waits so long."""

READ_BYTES: Final = 65_536

Expected = TypeVar("Expected", bound=Message)


def secret_of(device: int) -> bytes:
    """The secret of a device in tests."""
    return b"a secret of tests " + device.to_bytes(8, "big")


class DeviceClient:
    """One connection of one device and installation. Opened by `connect` or `greeted`."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        device: int = 1,
        installation: int = 1,
    ) -> None:
        self.device = device
        self.installation = installation
        self.secret = secret_of(device)
        self.writer = writer
        self.connection = Connection(Role.DEVICE, 0.0)
        self._reader = reader

    async def hello(self, settled_through: int = 0) -> Hello:
        """Wait for the challenge; the hello that answers it."""
        challenge = await self.expect(Challenge)
        nonce = os.urandom(limits.NONCE_BYTES)
        self._greeting = Greeting(challenge.nonce, nonce, self.device, self.installation)
        return Hello(
            version=limits.PROTOCOL_VERSION,
            device=self.device,
            installation=self.installation,
            settled_through=settled_through,
            nonce=nonce,
            proof=device_proof(self.secret, self._greeting),
        )

    async def greet(self, settled_through: int = 0) -> Welcome:
        """Greet and be admitted by a gateway that proves itself."""
        await self.send(await self.hello(settled_through))
        return await self.welcome()

    async def welcome(self) -> Welcome:
        """The welcome, checked."""
        welcome = await self.expect(Welcome)
        assert verify_gateway_proof(self.secret, self._greeting, welcome.proof)
        return welcome

    async def send(self, *messages: Message) -> None:
        """Send messages in one piece."""
        for message in messages:
            self.connection.send(message, 0.0)
        await self.send_bytes(self.connection.data_to_send())

    async def send_bytes(self, data: bytes) -> None:
        """Send anything; returns when the kernel has most of it."""
        self.writer.write(data)
        await self.writer.drain()

    async def receive(self) -> Event | None:
        """The gateway's next message, or None when it has closed the connection."""
        async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
            while (event := self.connection.next_event()) is None:
                data = await self._read()
                if not data:
                    return None
                self.connection.receive_data(data, 0.0)
            return event

    async def expect(self, kind: type[Expected]) -> Expected:
        """The gateway's next message, which must be of this kind."""
        event = await self.receive()
        assert isinstance(event, kind), event
        return event

    async def expect_acks_of(self, *sequences: int) -> None:
        """Read acks until they cover all the numbers; nothing but acks may come."""
        left = set(sequences)
        while left:
            for run in covered(await self.expect(Ack)):
                left.difference_update(run)

    async def expect_end(self) -> tuple[list[Refusal], Goodbye | None]:
        """Refusals and the goodbye with which the gateway ends the session; then it must close.

        Over a challenge that nobody has read it passes.
        """
        refusals: list[Refusal] = []
        while (event := await self.receive()) is not None:
            if isinstance(event, Goodbye):
                async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
                    assert not await self._read()
                return refusals, event
            assert isinstance(event, Refusal | Challenge), event
            refusals += [event] if isinstance(event, Refusal) else []
        return refusals, None

    def close(self) -> None:
        """Cut the connection."""
        self.writer.transport.abort()

    async def _read(self) -> bytes:
        """What has come; nothing when the connection has ended, in whatever way."""
        try:
            return await self._reader.read(READ_BYTES)
        except ConnectionError:
            return b""


@asynccontextmanager
async def connect(
    address: tuple[str, int],
    device: int = 1,
    installation: int = 1,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[DeviceClient]:
    """A connection that has not greeted yet; cut at the end of the block."""
    streams = await asyncio.open_connection(*address, ssl=tls)
    client = DeviceClient(*streams, device, installation)
    try:
        yield client
    finally:
        client.close()


@asynccontextmanager
async def greeted(
    address: tuple[str, int],
    device: int = 1,
    installation: int = 1,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[DeviceClient]:
    """A connection of an admitted device; cut at the end of the block."""
    async with connect(address, device, installation, tls) as client:
        await client.greet()
        yield client
