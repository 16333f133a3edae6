"""The steps of the demo after its servers are up, each where it goes wrong.

The whole of it runs in tests/end_to_end/test_demo.py.
"""

import signal
from pathlib import Path

import asyncpg
import pytest

from gateway import demo
from gateway.demo import _counted_events, _subscriber, _until_published
from gateway.demo_process import program
from gateway.demo_servers import Options, Servers
from gateway.embedded_broker import BrokerUser
from gateway.server_process import ServerFailedError, free_port


def options_of(directory: Path) -> Options:
    """A small quarter."""
    return Options(directory, 200, 10, "tcp", "perfect", "max", 1)


def nowhere(directory: Path) -> Servers:
    """Addresses at which nobody listens."""
    broker = f"127.0.0.1:{free_port()}"
    user = BrokerUser("workflow", "secret", is_workflow=True)
    return Servers("postgresql://127.0.0.1:1/x", "http://127.0.0.1:1", broker, broker, user,
                   directory / "environment")  # fmt: skip


@pytest.mark.asyncio
async def test_a_subscriber_that_cannot_subscribe(tmp_path: Path) -> None:
    """The error tells what it said, at once."""
    with pytest.raises(ServerFailedError, match=r"(?s)subscriber ended.*refused"):
        async with _subscriber(options_of(tmp_path), nowhere(tmp_path)):
            pytest.fail("nobody listens")


@pytest.mark.asyncio
async def test_a_subscriber_that_counted_nothing(tmp_path: Path) -> None:
    """It ended without its figures: an error, not zeros."""
    log = tmp_path / "subscriber.log"
    async with program(["-c", "import time; time.sleep(600)"], log, {}) as process:
        with pytest.raises(ServerFailedError, match="counted nothing"):
            await _counted_events(options_of(tmp_path), process)
    assert process.returncode == -signal.SIGTERM


@pytest.mark.asyncio
async def test_all_is_published(database_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits while something waits for the relay, and gives up after a while."""
    monkeypatch.setattr(demo, "PUBLISHED_WITHIN_SECONDS", 0.5)
    await _until_published(database_dsn)
    connection = await asyncpg.connect(database_dsn)
    try:
        await connection.execute("INSERT INTO publication DEFAULT VALUES")
    finally:
        await connection.close()
    with pytest.raises(ServerFailedError, match="not published everything"):
        await _until_published(database_dsn)
