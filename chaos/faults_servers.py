"""Faults of processes: a gateway or the broker is killed, a gateway's clock jumps."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chaos.schedule import Injection
from chaos.world import World


@asynccontextmanager
async def gateway_killed(world: World, injection: Injection) -> AsyncIterator[None]:
    """SIGKILL; it is started again at the end."""
    gateway = world.gateways[injection.target]
    await gateway.program.kill()
    yield
    await gateway.start()


@asynccontextmanager
async def broker_killed(world: World, _injection: Injection) -> AsyncIterator[None]:
    """SIGKILL; what it had acked is on its disk when it is started again."""
    await asyncio.to_thread(world.broker.kill)
    yield
    await asyncio.to_thread(world.broker.start)


@asynccontextmanager
async def clock_jumped(world: World, injection: Injection) -> AsyncIterator[None]:
    """The clock jumps, and at the end it jumps back. Handsets take their time from a welcome: those
    that greeted meanwhile have to greet again, or would have the wrong time as long as their
    session lasts.
    """
    gateway = world.gateways[injection.target]
    gateway.set_clock(injection.amount)
    yield
    gateway.set_clock(0)
    for link in world.handset_links:
        link.reset()
