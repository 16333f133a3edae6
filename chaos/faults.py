"""All faults, and how a schedule of them is carried out."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final

from chaos.faults_database import (
    disk_full,
    failed_over,
    out_of_connections,
    postgres_hung,
    postgres_killed,
)
from chaos.faults_network import link_ailing
from chaos.faults_servers import broker_killed, clock_jumped, gateway_killed
from chaos.proxy import Ailment
from chaos.schedule import LANES, Fault, Injection
from chaos.world import NotInjectedError, World

FAULTS: Final[Mapping[Fault, Callable[[World, Injection], AbstractAsyncContextManager[None]]]] = {
    Fault.POSTGRES_KILLED: postgres_killed,
    Fault.POSTGRES_HUNG: postgres_hung,
    Fault.OUT_OF_CONNECTIONS: out_of_connections,
    Fault.DISK_FULL: disk_full,
    Fault.FAIL_OVER: failed_over,
    Fault.GATEWAY_KILLED: gateway_killed,
    Fault.BROKER_KILLED: broker_killed,
    Fault.LINK_CUT: link_ailing(Ailment.CUT),
    Fault.LINK_HALF_OPEN: link_ailing(Ailment.HALF_OPEN),
    Fault.LINK_SLOW: link_ailing(Ailment.SLOW),
    Fault.LINK_CORRUPTING: link_ailing(Ailment.CORRUPTING),
    Fault.CLOCK_JUMP: clock_jumped,
}
"""While the block runs it is broken; behind it, mended."""


@dataclass(slots=True)
class Injected:
    """What was done so far.

    Attributes:
        counts: how often each fault was on.
        active: what is broken now.
        not_injected: what could not be broken here, and why.
    """

    counts: Counter[Fault] = field(default_factory=Counter)
    active: list[Injection] = field(default_factory=list)
    not_injected: dict[Fault, str] = field(default_factory=dict)


async def carry_out(
    world: World, schedule: Sequence[Injection], done: Injected, say: Callable[[str], None]
) -> None:
    """Break and mend by the schedule. A lane in which mending takes longer is late from there."""
    began = asyncio.get_running_loop().time()
    async with asyncio.TaskGroup() as tasks:
        for lane in range(len(LANES)):
            own = [injection for injection in schedule if injection.lane == lane]
            tasks.create_task(_carry_out_lane(world, own, began, done, say))


async def _carry_out_lane(
    world: World,
    injections: Sequence[Injection],
    began: float,
    done: Injected,
    say: Callable[[str], None],
) -> None:
    loop = asyncio.get_running_loop()
    for injection in injections:
        await asyncio.sleep(began + injection.at_seconds - loop.time())
        try:
            async with FAULTS[injection.fault](world, injection):
                say(f"broken  {injection.fault}: {injection.target}")
                done.counts[injection.fault] += 1
                done.active.append(injection)
                await asyncio.sleep(injection.seconds)
            done.active.remove(injection)
            say(f"mended  {injection.fault}: {injection.target}")
        except NotInjectedError as error:
            say(f"NOT INJECTED  {injection.fault}: {error}")
            done.not_injected[injection.fault] = str(error)
