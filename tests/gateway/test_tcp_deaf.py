"""Peers that send and do not read what they are answered."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from gateway import tcp_session as tcp_session_module
from gateway.protocol.framing import encode_frame
from gateway.protocol.messages import (
    Ping,
    Pong,
    encode,
)
from gateway.tcp_server import READ_BYTES
from tests.helpers.device_client import DeviceClient, greeted
from tests.helpers.memory_store import MemoryStore
from tests.helpers.metrics import TCP, grown
from tests.helpers.tcp_gateway import TcpGateway, reads, tcp_gateway, until
from tests.helpers.wire import wire

pytestmark = pytest.mark.asyncio

FEW_BYTES = 4_096
"""Socket buffers small enough to be filled quickly."""

PINGS = 100_000
"""Their pongs take 200 KB: more than the small socket buffers and the transport's together."""


@pytest_asyncio.fixture
async def store() -> MemoryStore:
    """What the gateway stores into."""
    return MemoryStore()


@asynccontextmanager
async def deaf_client(gateway: TcpGateway, device: int = 1) -> AsyncIterator[DeviceClient]:
    """A device that sends pings and never reads, until the gateway cannot write any more."""
    assert gateway.server._server is not None
    listening = socket.socket(fileno=gateway.server._server.sockets[0].fileno())
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, FEW_BYTES)  # sessions inherit it
    listening.detach()
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, FEW_BYTES)
    narrow.setblocking(False)
    await asyncio.get_running_loop().sock_connect(narrow, gateway.address)
    reader, writer = await asyncio.open_connection(sock=narrow, limit=FEW_BYTES)
    client = DeviceClient(reader, writer, device)
    await client.greet()
    writer.transport.pause_reading()  # type: ignore[attr-defined] # the reader's transport too
    client.writer.write(encode_frame(encode(Ping())) * PINGS)
    await until(lambda: gateway.session_of(device)._writing_paused_at is not None)
    try:
        yield client
    finally:
        client.close()


async def test_from_a_peer_that_does_not_read_nothing_more_is_taken() -> None:
    """Its pongs wait up to the transport's mark, and its pings outside; others are served."""
    async with tcp_gateway() as gateway, deaf_client(gateway), greeted(gateway.address, 2) as other:
        deaf = gateway.session_of(1)
        assert not reads(deaf)
        assert deaf._transport.get_write_buffer_size() < 2 * READ_BYTES
        assert deaf._connection.buffered_bytes <= READ_BYTES
        unread = deaf._transport.get_write_buffer_size()
        await other.send(wire(1))
        await other.expect_acks_of(1)
        for _ in range(10):  # turns of the event loop, in which the deaf one could be answered
            await other.send(Ping())
            await other.expect(Pong)
        assert deaf._transport.get_write_buffer_size() == unread
        assert not reads(deaf)


async def test_a_peer_that_does_not_read_is_not_listening() -> None:
    """Tasks are not sent to it; to another they are."""
    async with tcp_gateway() as gateway, deaf_client(gateway), greeted(gateway.address, 2):
        deaf, other = (gateway.attendance.session_of(device) for device in (1, 2))
        assert deaf
        assert other
        assert not deaf.is_listening()
        assert other.is_listening()


async def test_a_peer_that_does_not_read_for_the_idle_time_is_cut() -> None:
    """It is counted and logged once; cutting does not wait for it."""
    async with tcp_gateway(idle_timeout_seconds=600) as gateway:
        closed = grown("gateway_sessions_closed_total", {**TCP, "reason": "unread"})
        async with deaf_client(gateway), greeted(gateway.address, 2) as other:
            with capture_logs() as logs:
                gateway.let_time_pass(500)
                assert gateway.sessions == 2
                await other.send(Ping())
                await other.expect(Pong)
                gateway.let_time_pass(101)
                await gateway.until_sessions(1)
            assert closed() == 1
            assert [line["reason"] for line in logs if line["event"] == "session_closed"] == [
                "unread"
            ]
            await other.send(Ping())
            await other.expect(Pong)


async def test_a_slow_reader_gets_everything(store: MemoryStore) -> None:
    """One that reads on within the idle time loses nothing, though its timer rang meanwhile."""
    async with tcp_gateway(store) as gateway, deaf_client(gateway) as client:
        gateway.let_time_pass(31)  # past the greeting's time-out, for which the timer was set first
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        for _ in range(PINGS):
            await client.expect(Pong)
        await client.send(wire(1))
        await client.expect_acks_of(1)


async def test_last_words_that_are_not_read_do_not_hold_up_a_shutdown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A peer that does not read its goodbye is cut after a few seconds."""
    monkeypatch.setattr(tcp_session_module, "CLOSE_WITHIN_SECONDS", 0.05)
    async with tcp_gateway() as gateway, deaf_client(gateway):
        gateway.server.stop_accepting()
        await gateway.server.close_sessions()
        assert gateway.sessions == 0


async def test_a_replaced_session_that_does_not_read_goes_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A handset that lost its link without a word left such a session behind."""
    monkeypatch.setattr(tcp_session_module, "CLOSE_WITHIN_SECONDS", 0.05)
    async with tcp_gateway() as gateway, deaf_client(gateway), greeted(gateway.address, 1) as newer:
        await gateway.until_sessions(1)
        await newer.send(wire(1))
        await newer.expect_acks_of(1)
