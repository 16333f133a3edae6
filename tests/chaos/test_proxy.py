"""The links of the fault run."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from chaos.proxy import Ailment, Link, open_link

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(30)]

SEED = 1

CLIENTS: list[asyncio.StreamWriter] = []
"""Of the test that runs."""


class Echo:
    """A server that sends back what it gets, and remembers it."""

    def __init__(self) -> None:
        self.got = bytearray()
        self.gone = asyncio.Event()
        self.gone.set()
        self._here = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until the other side is gone."""
        self._here += 1
        self.gone.clear()
        try:
            while data := await reader.read(65_536):
                self.got += data
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.transport.abort()
            self._here -= 1
            if not self._here:
                self.gone.set()


@asynccontextmanager
async def linked() -> AsyncIterator[tuple[Link, Echo]]:
    """An echo behind a link."""
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with open_link("test", ("127.0.0.1", port), SEED) as link:
        yield link, echo
    server.close()
    for writer in CLIENTS:
        writer.transport.abort()
    CLIENTS.clear()
    await echo.gone.wait()


async def connect(link: Link) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A client of the link, ended with the block of `linked`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    CLIENTS.append(writer)
    return reader, writer


async def exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes
) -> bytes:
    """Send, and read as many bytes back."""
    writer.write(data)
    return await reader.readexactly(len(data))


async def is_reset(reader: asyncio.StreamReader) -> bool:
    """Whether the connection ends without another byte."""
    try:
        return await reader.read(1) == b""
    except ConnectionResetError:
        return True


async def test_a_link_that_is_well() -> None:
    """Bytes pass both ways, an end too."""
    async with linked() as (link, _):
        reader, writer = await connect(link)
        assert await exchange(reader, writer, b"report") == b"report"
        writer.close()
        await writer.wait_closed()


async def test_cut() -> None:
    """Connections end, new ones too; after it they are taken again."""
    async with linked() as (link, _):
        reader, writer = await connect(link)
        await exchange(reader, writer, b"one")
        link.fall_ill(Ailment.CUT)
        assert await is_reset(reader)
        reader, _ = await connect(link)
        assert await is_reset(reader)
        link.recover()
        assert await exchange(*await connect(link), b"two") == b"two"


async def test_half_open() -> None:
    """Nothing passes and nobody is told; what was sent meanwhile is lost with the connection."""
    async with linked() as (link, echo):
        reader, writer = await connect(link)
        await exchange(reader, writer, b"one")
        link.fall_ill(Ailment.HALF_OPEN)
        writer.write(b"lost")
        await writer.drain()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await reader.read(1)
        link.recover()
        assert await is_reset(reader)
        assert await exchange(*await connect(link), b"two") == b"two"
        assert bytes(echo.got) == b"onetwo"


async def test_slow() -> None:
    """It takes as long as its bytes need, there and back."""
    async with linked() as (link, _):
        link.fall_ill(Ailment.SLOW, bytes_per_second=1_000)
        began = asyncio.get_running_loop().time()
        assert await exchange(*await connect(link), bytes(300)) == bytes(300)
        assert asyncio.get_running_loop().time() - began >= 0.3


async def test_corrupting() -> None:
    """A bit is changed now and then, and no byte is lost or added; it is counted."""
    async with linked() as (link, echo):
        link.fall_ill(Ailment.CORRUPTING)
        reader, writer = await connect(link)
        for _ in range(100):
            await exchange(reader, writer, bytes(10))
        assert len(echo.got) == 1_000
        assert link.corrupted_bytes > 0
        assert 0 < sum(byte.bit_count() for byte in echo.got) <= link.corrupted_bytes
        link.recover()
        before = link.corrupted_bytes
        await exchange(reader, writer, b"well again")
        assert link.corrupted_bytes == before


async def test_nobody_is_there() -> None:
    """A link without a target, or whose server is gone, ends connections."""
    async with linked() as (link, _):
        there, link.target = link.target, None
        reader, _ = await connect(link)
        assert await is_reset(reader)
        link.target = there
        assert await exchange(*await connect(link), b"back") == b"back"
