"""Metrics and health over HTTP."""

from collections.abc import AsyncIterator, Mapping

import aiohttp
import pytest
import pytest_asyncio

from gateway.http_server import start_http_server
from gateway.settings import HttpSettings

pytestmark = pytest.mark.asyncio


class Checks:
    """What `/readyz` asks, in the hands of the test."""

    def __init__(self) -> None:
        self.results = {"database": True, "room": True}

    async def __call__(self) -> Mapping[str, bool]:
        """The results of now."""
        return self.results


@pytest_asyncio.fixture
async def checks() -> Checks:
    """All is well at first."""
    return Checks()


@pytest_asyncio.fixture
async def address(checks: Checks) -> AsyncIterator[str]:
    """A running server."""
    runner, address = await start_http_server(HttpSettings(port=0), checks)
    yield address
    await runner.cleanup()


async def get(url: str) -> tuple[int, str]:
    """Status and text."""
    async with aiohttp.ClientSession() as http, http.get(url) as response:
        return response.status, await response.text()


async def test_ready_when_all_checks_hold(address: str) -> None:
    """With each by name."""
    assert await get(f"{address}/readyz") == (200, '{"database": true, "room": true}')


async def test_not_ready_when_one_does_not(address: str, checks: Checks) -> None:
    """A load balancer sees 503, a person sees which."""
    checks.results["database"] = False
    assert await get(f"{address}/readyz") == (503, '{"database": false, "room": true}')


async def test_alive_whatever_the_checks_say(address: str, checks: Checks) -> None:
    """A process must not be killed because its database is away."""
    checks.results["database"] = False
    assert await get(f"{address}/healthz") == (200, '{"alive": true}')


async def test_metrics(address: str) -> None:
    """In the format that Prometheus reads, with what each means."""
    status, text = await get(f"{address}/metrics")
    assert status == 200
    assert "# HELP gateway_received_total " in text
    assert 'gateway_received_total{transport="mqtt"}' in text


async def test_nothing_else(address: str) -> None:
    """Unknown paths are not found."""
    assert (await get(f"{address}/"))[0] == 404


async def test_a_port_that_is_taken(address: str, checks: Checks) -> None:
    """An error that names it, with nothing left open behind."""
    port = int(address.rpartition(":")[2])
    with pytest.raises(OSError, match=str(port)):
        await start_http_server(HttpSettings(port=port), checks)


async def test_an_ipv6_address_is_written_as_one(checks: Checks) -> None:
    """In brackets, so that the port can be told from it."""
    runner, address = await start_http_server(HttpSettings(host="::1", port=0), checks)
    try:
        assert address.startswith("http://[::1]:")
        assert (await get(f"{address}/healthz"))[0] == 200
    finally:
        await runner.cleanup()
