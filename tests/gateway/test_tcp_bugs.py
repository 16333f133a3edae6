"""A bug of ours in what handles a session costs that session and no other."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from gateway import session as session_module
from gateway.handlers import HANDLERS
from gateway.handlers.context import Context
from gateway.protocol.framing import encode_frame
from gateway.protocol.messages import (
    Ping,
    encode,
)
from gateway.settings import BatchSettings
from tests.helpers.device_client import connect, greeted
from tests.helpers.memory_store import MemoryStore
from tests.helpers.metrics import TCP, grown
from tests.helpers.tcp_gateway import TcpGateway, reads, tcp_gateway, until
from tests.helpers.wire import backlog, wire

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def store() -> MemoryStore:
    """What the gateway stores into."""
    return MemoryStore()


@pytest.fixture
def faulty_ping(monkeypatch: pytest.MonkeyPatch) -> None:
    """The handler of pings raises."""

    def raise_(_message: Any, _context: Context) -> Any:
        raise ZeroDivisionError("a bug of this test")

    monkeypatch.setattr(session_module, "HANDLERS", {**HANDLERS, Ping: raise_})


@pytest_asyncio.fixture
async def other_works(store: MemoryStore) -> AsyncIterator[TcpGateway]:
    """A gateway at which a bug costs one session of two, and is told of once."""
    failures = grown("gateway_session_failures_total", TCP)
    limits = BatchSettings(max_items=1, max_pending_items=1, linger_seconds=0)
    with capture_logs() as logs:
        async with (
            tcp_gateway(store, batch=limits, window_reports=1) as gateway,
            greeted(gateway.address, 2) as other,
        ):
            yield gateway
            await gateway.until_sessions(1)
            await other.send(wire(1))
            await other.expect_acks_of(1)
    assert failures() == 1
    lines = [line for line in logs if line["event"] == "session_failed"]
    assert [type(line["exc_info"]) for line in lines] == [ZeroDivisionError]


async def test_a_bug_in_a_handler(other_works: TcpGateway, faulty_ping: None) -> None:
    """It is met when bytes come."""
    async with greeted(other_works.address) as client:
        await client.send(Ping())
        assert await client.receive() is None


async def test_a_bug_in_a_handler_behind_the_hello(
    other_works: TcpGateway, faulty_ping: None
) -> None:
    """It is met in the turn of the admission, which must go on admitting others."""
    async with connect(other_works.address) as client:
        client.connection.send(await client.hello(), 0.0)
        ping = encode_frame(encode(Ping()))
        await client.send_bytes(client.connection.data_to_send() + ping)
        assert await client.receive() is None


async def test_a_bug_in_a_handler_behind_the_window(
    other_works: TcpGateway, faulty_ping: None, store: MemoryStore
) -> None:
    """It is met when a commit lets the session read on."""
    store.go_on.clear()
    async with greeted(other_works.address) as client:
        await client.send(wire(1), Ping())
        await until(lambda: not reads(other_works.session_of(1)))
        store.go_on.set()
        while await client.receive() is not None:
            pass


async def test_a_bug_in_a_handler_behind_a_full_batcher(
    other_works: TcpGateway, faulty_ping: None, store: MemoryStore
) -> None:
    """It is met when the batcher has space again, on the way of the others who wait for it."""
    store.go_on.clear()
    async with greeted(other_works.address) as client, greeted(other_works.address, 3) as third:
        await third.send(backlog(2, 1))
        await until(lambda: other_works.batcher.is_full)
        await client.send(Ping())
        await until(lambda: not reads(other_works.session_of(1)))
        store.go_on.set()
        assert await client.receive() is None
        await third.expect_acks_of(1, 2)
