"""One run: a world, a load, a schedule of faults, a settled end, and what is found then."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Any, Final

import asyncpg

from chaos.checks import check_all
from chaos.collector import collector
from chaos.faults import Injected, carry_out
from chaos.findings import Checked
from chaos.load import make_fleets, make_load
from chaos.result import Result
from chaos.schedule import make_schedule
from chaos.settling import given_back, settle, stop_gateways
from chaos.world import World, open_world

PROGRESS_SECONDS: Final = 5.0
"""Between two lines that say how far it is."""

_TOTALS: Final = """
SELECT (SELECT count(*) FROM report) AS stored, (SELECT count(*) FROM task) AS tasks,
       sum(duplicate)::int AS duplicates, sum(quarantined)::int AS quarantined FROM ledger
"""

LOOK_WITHIN_SECONDS: Final = 2.0
"""A database that is broken just now is not waited for."""


async def run_once(
    seed: int, seconds: float, directory: Path, say: Callable[[str], None]
) -> Result:
    """Break everything by the seed's schedule for so long, settle, check."""
    await asyncio.to_thread(_make_room, directory)
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
            checked = await check_all(world.dsn, load.journal, collected.all)
            findings += [f"{one.name}: {found}" for one in checked for found in one.findings]
            findings += await given_back(world, before)
            findings += await stop_gateways(world)
            counts = await _counts(world.dsn, load.figures(), checked)
        finally:
            await load.fleet.kill()
            await load.crew.kill()
    times = {str(fault): count for fault, count in injected.counts.items()}
    not_injected = {str(fault): why for fault, why in injected.not_injected.items()}
    return Result(seed, seconds, schedule, times, not_injected, counts, findings)


async def _counts(dsn: str, fleet: Mapping[str, Any], checked: Sequence[Checked]) -> dict[str, int]:
    """The figures of `chaos.result.FIGURES`."""
    seen = {one.name: one.counts for one in checked}
    connection = await asyncpg.connect(dsn)
    try:
        row = await connection.fetchrow(_TOTALS)
    finally:
        await connection.close()
    return {
        "sent": fleet.get("reports_sent", 0) + seen["crew"].get("sent", 0),
        "transmissions": fleet.get("transmissions", 0),
        "acked": fleet.get("acked", 0) + seen["crew"].get("stored", 0),
        "events": seen["events"].get("distinct", 0),
        **dict(row),
    }


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


def _make_room(directory: Path) -> None:
    """A directory without what an earlier run of the same seed has left."""
    directory.mkdir(parents=True, exist_ok=True)
    for pattern in ("*.log", "*.sqlite*", "*.json"):
        for leftover in directory.glob(pattern):
            leftover.unlink()
