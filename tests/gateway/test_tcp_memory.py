"""What is left of a TCP session that is over."""

import gc
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.protocol.messages import Challenge, Ping, Pong
from tests.helpers.certificates import Certificate, make_certificate
from tests.helpers.device_client import connect, greeted
from tests.helpers.tcp_gateway import TcpGateway, tcp_gateway, until

pytestmark = pytest.mark.asyncio


@contextmanager
def no_collection() -> Iterator[None]:
    """Only what nothing refers to leaves memory."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    """Of the gateway that speaks TLS."""
    return make_certificate(tmp_path)


@pytest_asyncio.fixture(params=["plain", "tls"])
async def gateway(
    request: pytest.FixtureRequest, certificate: Certificate
) -> AsyncIterator[TcpGateway]:
    """A gateway with TLS or without."""
    settings = certificate.settings if request.param == "tls" else {}
    async with tcp_gateway(**settings) as running:
        yield running


async def test_a_session_that_is_over_leaves_memory_at_once(
    gateway: TcpGateway, certificate: Certificate
) -> None:
    """A stranger's and a device's: neither waits for a collection, which after thousands of them
    would hold everybody up. The last greeting is remembered until the next.
    """
    tls = certificate.trusting() if gateway.server.settings.certificate else None
    with no_collection():
        async with connect(gateway.address, tls=tls) as stranger:
            await stranger.expect(Challenge)
            (session,) = gateway.server._open
            left = [weakref.ref(session)]
            del session
        async with greeted(gateway.address, 7, tls=tls) as client:
            left.append(weakref.ref(gateway.session_of(7)))
            await client.send(Ping())
            await client.expect(Pong)
        async with greeted(gateway.address, 8, tls=tls):
            pass
        await gateway.until_sessions(0)
        await until(lambda: [ref() for ref in left] == [None, None])
