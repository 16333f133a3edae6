"""Faults of links."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from chaos.proxy import Ailment
from chaos.schedule import Injection
from chaos.world import World


def link_ailing(
    ailment: Ailment,
) -> Callable[[World, Injection], AbstractAsyncContextManager[None]]:
    """The fault that gives a link this ailment, and cures it at the end."""

    @asynccontextmanager
    async def ailing(world: World, injection: Injection) -> AsyncIterator[None]:
        link = world.links[injection.target]
        link.fall_ill(ailment, injection.amount)
        yield
        link.recover()

    return ailing
