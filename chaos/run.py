"""One run: a world, a load, a schedule of faults, a settled end, and what is found then."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Final

import asyncpg

from chaos.collector import collector
from chaos.faults import Injected, carry_out
from chaos.load import make_fleets, make_load
from chaos.schedule import Injection, make_schedule
from chaos.settling import given_back, settle, stop_gateways
from chaos.world import World, open_world

PROGRESS_SECONDS: Final = 5.0
"""Between two lines that say how far it is."""

LOOK_WITHIN_SECONDS: Final = 2.0
"""A database that is broken just now is not waited for."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a run came to.

    Attributes:
        seed: of schedule and load.
        seconds: how long things broke.
        schedule: what was to break.
        injected: what did break.
        counts: of reports, events, tasks.
        findings: what must not be; empty if all is well.
    """

    seed: int
    seconds: float
    schedule: Sequence[Injection]
    injected: Injected
    counts: dict[str, Any]
    findings: list[str]


async def run_once(
    seed: int, seconds: float, directory: Path, say: Callable[[str], None]
) -> Result:
    """Break everything by the seed's schedule for so long, settle, check."""
    directory.mkdir(parents=True, exist_ok=True)
    _clear_logs(directory)
    schedule, injected = make_schedule(seed, seconds), Injected()
    clock = _Clock(say)
    fleets = await make_fleets(directory, seed, seconds)
    async with (
        open_world(directory, fleets, seed) as world,
        collector(world.broker, world.workflow) as collected,
    ):
        before = {name: gateway.residue() for name, gateway in world.gateways.items()}
        load = make_load(world, directory, seed, seconds)
        try:
            await load.fleet.start()
            await load.crew.start()
            clock.start()
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(_watch(world, injected, clock.say))
                await carry_out(world, schedule, injected, clock.say)
                await asyncio.sleep(max(0.0, seconds - clock.seconds))
                watching.cancel()
            clock.say("all is mended; settling")
            findings = await settle(world, load, collected, clock.say)
            findings += await given_back(world, before)
            findings += await stop_gateways(world)
        finally:
            await load.fleet.kill()
            await load.crew.kill()
        counts = dict(load.figures())
    return Result(seed, seconds, schedule, injected, counts, findings)


class _Clock:
    """Puts the seconds of the run before each line."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._began = monotonic()

    def start(self) -> None:
        self._began = monotonic()

    @property
    def seconds(self) -> float:
        return monotonic() - self._began

    def say(self, text: str) -> None:
        self._say(f"{self.seconds:6.1f} s  {text}")


async def _watch(world: World, injected: Injected, say: Callable[[str], None]) -> None:
    while True:
        await asyncio.sleep(PROGRESS_SECONDS)
        stored = "?"
        with contextlib.suppress(OSError, asyncpg.PostgresError, TimeoutError):
            stored = f"{await _stored(world.dsn):,}"
        broken = ", ".join(f"{one.fault} ({one.target})" for one in injected.active)
        say(f"stored {stored}; broken: {broken or 'nothing'}")


async def _stored(dsn: str) -> int:
    async with asyncio.timeout(LOOK_WITHIN_SECONDS):
        connection = await asyncpg.connect(dsn)
        try:
            count: int = await connection.fetchval("SELECT count(*) FROM report")
        finally:
            connection.terminate()
        return count


def _clear_logs(directory: Path) -> None:
    for pattern in ("*.log", "*.sqlite*", "*.json"):
        for leftover in directory.glob(pattern):
            leftover.unlink()
