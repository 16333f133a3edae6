"""Faults of PostgreSQL."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

import asyncpg

from chaos.processes import with_children
from chaos.proxy import Address
from chaos.schedule import Injection
from chaos.world import MAX_CONNECTIONS, STANDBY_HOST, NotInjectedError, World


@asynccontextmanager
async def postgres_killed(world: World, _injection: Injection) -> AsyncIterator[None]:
    """SIGKILL of the postmaster; it recovers when it is started again."""
    await asyncio.to_thread(world.postgres.kill)
    yield
    await asyncio.to_thread(world.postgres.start)


@asynccontextmanager
async def postgres_hung(world: World, _injection: Injection) -> AsyncIterator[None]:
    """SIGSTOP of the postmaster and all its children: connections stay, and no answer comes."""
    stopped = with_children(world.postgres.pid)
    _signal(stopped, signal.SIGSTOP)
    try:
        yield
    finally:
        _signal(reversed(stopped), signal.SIGCONT)


@asynccontextmanager
async def out_of_connections(world: World, _injection: Injection) -> AsyncIterator[None]:
    """The gateways lose their connections, and somebody else has taken all places."""
    standing = _stand_away(world)
    taken: list[asyncpg.Connection] = []
    try:
        with suppress(asyncpg.TooManyConnectionsError):
            while len(taken) < MAX_CONNECTIONS:
                taken.append(await asyncpg.connect(world.dsn))
        _come_back(world, standing)
        yield
    finally:
        _come_back(world, standing)
        for connection in taken:
            connection.terminate()


@asynccontextmanager
async def disk_full(world: World, _injection: Injection) -> AsyncIterator[None]:
    """Not a byte is left for tables or log. PostgreSQL may end because of it; then it is started
    again when there is room.
    """
    if world.disk.why_not:
        raise NotInjectedError(world.disk.why_not)
    await asyncio.to_thread(world.disk.fill)
    try:
        yield
    finally:
        await asyncio.to_thread(world.disk.empty)
    if not world.postgres.running:
        await asyncio.to_thread(world.postgres.start)


@asynccontextmanager
async def failed_over(world: World, _injection: Injection) -> AsyncIterator[None]:
    """The database's address refuses; later another server answers there, with all that was
    committed.
    """
    standing = _stand_away(world)
    await asyncio.to_thread(world.postgres.kill)
    yield
    await asyncio.to_thread(world.postgres.start)
    _come_back(world, [_other(address) for address in standing])


def _stand_away(world: World) -> list[Address]:
    """Let nobody reach PostgreSQL; where it was reached."""
    standing = [link.target for link in world.database_links if link.target is not None]
    for link in world.database_links:
        link.target = None
        link.reset()
    return standing


def _come_back(world: World, addresses: list[Address]) -> None:
    for link, address in zip(world.database_links, addresses, strict=True):
        link.target = address


def _other(address: Address) -> Address:
    host, port = address
    return "127.0.0.1" if host == STANDBY_HOST else STANDBY_HOST, port


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
