"""The end of a run: all settle, and the gateways give back what they took."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

import asyncpg

from chaos.collector import Collector
from chaos.gateway import POLL_SECONDS, Residue
from chaos.load import SETTLE_WITHIN_SECONDS, Load
from chaos.processes import ChaosError
from chaos.world import BROKER_ACK_WAIT_SECONDS, World
from device_sim.play import EXIT_DIFFERENT
from gateway.app import longest_stop_seconds
from gateway.settings import Settings

MORE_DESCRIPTORS: Final = 8
"""A gateway may hold so many more at the end than at its start: a connection of the pool that is
being made anew, a scrape, a file that logging or SSL opened once."""

MORE_RESIDENT_BYTES: Final = 64 * 1024 * 1024
"""The same of memory: Python keeps what it had for its highest load, and the caches of known
reports, devices and texts, which are bounded, have filled."""

GIVEN_BACK_WITHIN_SECONDS: Final = 15.0
"""Sessions whose handsets are gone have ended, and connections that were in doubt are replaced."""

QUIET_SECONDS: Final = BROKER_ACK_WAIT_SECONDS + 1
"""When no event came for so long, the broker has none that it would deliver again."""

QUIET_LOOKS: Final = 10
"""So often it is looked whether nothing waits once no event comes any more."""

WRONG: Final = ("missing", "missing_acked", "extra", "altered", "refused", "failed_handsets")
"""Figures of the fleet that must be 0."""

_WAITING: Final = "SELECT count(*) FROM publication WHERE delivered_at IS NULL OR NOT is_counted"


async def settle(
    world: World, load: Load, collected: Collector, say: Callable[[str], None]
) -> list[str]:
    """Wait until everybody is done; what went wrong."""
    findings = []
    for gateway in world.gateways.values():
        try:
            await gateway.until_ready()
        except ChaosError as error:
            findings.append(str(error))
    load.crew.terminate()
    for program in (load.fleet, load.crew):
        code = await program.ended(SETTLE_WITHIN_SECONDS)
        ended = "has not settled" if code is None else f"ended with code {code}"
        say(f"{program.name} {ended}")
        if code != 0 and not (program is load.fleet and code == EXIT_DIFFERENT):
            findings.append(f"{program.name} {ended}:\n{program.tail()}")
    findings += fleet_findings(load.figures())
    if not await _until_all_is_told(world.dsn, collected):
        findings.append("not everything that is stored is published and counted")
    return findings


def fleet_findings(figures: Mapping[str, Any]) -> list[str]:
    """What the fleet's own comparison, row by row, says must not be. That requests for tasks were
    refused is no fault: those that came too late must be.
    """
    if not figures:
        return ["the honest fleet came to no end"]
    findings = [f"the honest fleet: {name} {figures[name]}" for name in WRONG if figures[name]]
    if not figures["reports_expected"] == figures["acked"] == figures["equal"]:
        findings.append("the honest fleet: not every report is acked and stored as it was sent")
    wrong = {name: count for name, count in figures["tasks_verified"].items() if name != "equal"}
    findings += [f"tasks of the honest fleet: {name} {n}" for name, n in wrong.items() if n]
    if figures["asked_for"]["tasks_not_over"]:
        findings.append("the centre does not know the end of all its tasks")
    return findings


async def given_back(world: World, before: dict[str, Residue]) -> list[str]:
    """Whether memory and descriptors of each gateway are where they were; what is too much."""
    for link in world.handset_links:
        link.reset()
    loop = asyncio.get_running_loop()
    deadline = loop.time() + GIVEN_BACK_WITHIN_SECONDS
    while (findings := _too_much(world, before)) and loop.time() < deadline:  # noqa: ASYNC110 -- another program's memory
        await asyncio.sleep(POLL_SECONDS)
    return findings


async def stop_gateways(world: World) -> list[str]:
    """SIGTERM for each; whether it ends in time and with code 0."""
    within = longest_stop_seconds(Settings())
    findings = []
    for gateway in world.gateways.values():
        gateway.program.terminate()
        code = await gateway.program.ended(within)
        if code != 0:
            how = f"code {code}" if code is not None else f"did not end within {within:g} s"
            findings.append(f"gateway {gateway.name} stopped: {how}\n{gateway.program.tail()}")
    return findings


def _too_much(world: World, before: dict[str, Residue]) -> list[str]:
    findings = []
    for name, gateway in world.gateways.items():
        now, was = gateway.residue(), before[name]
        if now.descriptors > was.descriptors + MORE_DESCRIPTORS:
            findings.append(f"gateway {name}: {was.descriptors} descriptors → {now.descriptors}")
        if now.resident_bytes > was.resident_bytes + MORE_RESIDENT_BYTES:
            grown = f"{was.resident_bytes:,} bytes → {now.resident_bytes:,}"
            findings.append(f"gateway {name}: resident memory {grown}")
    return findings


async def _until_all_is_told(dsn: str, collected: Collector) -> bool:
    """What the broker delivered once more may be decided anew while the last events come."""
    for _ in range(QUIET_LOOKS):
        if not await _until_nothing_waits(dsn):
            return False
        await collected.until_quiet(QUIET_SECONDS)
        if not await _count(dsn, _WAITING):
            return True
    return False


async def _until_nothing_waits(dsn: str) -> bool:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SETTLE_WITHIN_SECONDS
    while waiting := await _count(dsn, _WAITING):
        if loop.time() > deadline:
            return False
        await asyncio.sleep(POLL_SECONDS)
    return not waiting


async def _count(dsn: str, query: str) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        count: int = await connection.fetchval(query)
    finally:
        connection.terminate()
    return count
