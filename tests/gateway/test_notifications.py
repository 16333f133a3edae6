"""Listening to PostgreSQL: woken by what is notified, and again after the link was lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from gateway.notifications import listen
from tests.helpers.fault_proxy import fault_proxy
from tests.helpers.served_gateway import Look
from tests.helpers.tcp_gateway import until

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def listening(dsn: str) -> AsyncIterator[list[int]]:
    """Listen on the channel `task`; one element for each time that it woke."""
    woken: list[int] = []
    async with asyncio.TaskGroup() as tasks:
        listener = tasks.create_task(listen(dsn, "task", lambda: woken.append(1)))
        try:
            yield woken
        finally:
            listener.cancel()


async def test_it_wakes_at_the_beginning_and_for_each(database_dsn: str) -> None:
    """Not for another channel's."""
    async with listening(database_dsn) as woken:
        await until(lambda: len(woken) == 1)
        await Look(database_dsn).rows("SELECT pg_notify('other', ''), pg_notify('task', '')")
        await until(lambda: len(woken) == 2)


async def test_it_comes_back(database_dsn: str) -> None:
    """A link that was lost and a server that is away are told, and then it wakes once more."""
    async with fault_proxy(database_dsn) as proxy, listening(proxy.dsn(database_dsn)) as woken:
        await until(lambda: len(woken) == 1)
        with capture_logs() as logs:
            proxy.cut()
            await until(lambda: any(line["event"] == "listener_lost" for line in logs))
        proxy.flow()
        await until(lambda: len(woken) == 2)
        await Look(database_dsn).rows("SELECT pg_notify('task', '')")
        await until(lambda: len(woken) == 3)
