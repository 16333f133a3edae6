"""One relay at a time, on a real database."""

import asyncio
from contextlib import AsyncExitStack

import asyncpg
import pytest

from gateway.leadership import CHANNEL, Lead, LeadershipLostError, leadership
from gateway.server_process import free_port
from tests.helpers.fault_proxy import fault_proxy
from tests.helpers.tcp_gateway import until

pytestmark = pytest.mark.asyncio

LEADERS = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"


def ignore() -> None:
    """Nobody listens."""


async def test_two_try_and_one_leads(database_dsn: str) -> None:
    """The other is told so at once, and may try again; when the first ends, it leads."""
    async with AsyncExitStack() as first:
        assert await first.enter_async_context(leadership(database_dsn, ignore))
        for _ in range(2):
            async with leadership(database_dsn, ignore) as second:
                assert second is None
    async with asyncio.timeout(10):
        while True:
            async with leadership(database_dsn, ignore) as second:
                if second is not None:
                    return


async def test_a_lead_that_is_lost(database_dsn: str) -> None:
    """When its connection is killed the leader learns it, and another leads from then on."""
    connection = await asyncpg.connect(database_dsn)
    async with leadership(database_dsn, ignore) as lead:
        assert lead is not None
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(_outcome(lead))
            (leader,) = await connection.fetch(LEADERS)
            await connection.execute("SELECT pg_terminate_backend($1)", leader["pid"])
            async with asyncio.timeout(10):
                assert isinstance(await waiting, LeadershipLostError)
        async with leadership(database_dsn, ignore) as other:
            assert other is not None
            assert not other.is_lost
    await connection.close()


async def _outcome(lead: Lead) -> BaseException:
    with pytest.raises(LeadershipLostError) as caught:
        await lead.until_lost()
    return caught.value


async def test_notifications_arrive(database_dsn: str) -> None:
    """Of every transaction that commits one, and of none that does not."""
    connection = await asyncpg.connect(database_dsn)
    heard: list[None] = []
    async with leadership(database_dsn, lambda: heard.append(None)) as lead:
        assert lead is not None
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(f"NOTIFY {CHANNEL}")
        await transaction.rollback()
        await connection.execute(f"NOTIFY {CHANNEL}")
        await until(lambda: bool(heard))
    assert len(heard) == 1
    await connection.close()


async def test_the_connection_ends_with_the_lead(database_dsn: str) -> None:
    """Also when the work fails."""
    with pytest.raises(ZeroDivisionError):
        async with leadership(database_dsn, ignore):
            raise ZeroDivisionError
    connection = await asyncpg.connect(database_dsn)
    async with asyncio.timeout(10):
        while await connection.fetch(LEADERS):  # noqa: ASYNC110 -- a fact of the server
            await asyncio.sleep(0.01)
    await connection.close()


async def test_a_database_that_is_away() -> None:
    """The relay tries again later."""
    with pytest.raises(OSError, match="Connect"):
        async with leadership(f"postgresql://u@127.0.0.1:{free_port()}/d", ignore):
            raise AssertionError("nobody can lead")


async def test_a_link_that_died_without_a_word(
    database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The leader asks from time to time, and gives up when no answer comes."""
    monkeypatch.setattr("gateway.leadership.LOOK_SECONDS", 0.01)
    monkeypatch.setattr("gateway.leadership.COMMAND_TIMEOUT_SECONDS", 0.2)
    async with (
        fault_proxy(database_dsn) as proxy,
        leadership(proxy.dsn(database_dsn), ignore) as lead,
    ):
        assert lead is not None
        proxy.hang()
        with pytest.raises(LeadershipLostError):
            await lead.until_lost()
