"""Who speaks to the gateways meanwhile: an honest fleet, and a crew of misbehaving handsets."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chaos.processes import ChaosError, Program
from chaos.world import World

DEVICES: Final = 40
"""Honest handsets, every other one over MQTT."""

REPORTS_PER_SECOND: Final = 20
"""Of the honest fleet: its quarter passes in the length of the run."""

TASKS_PER_SECOND: Final = 1

CREW_DEVICES: Final = 24

SETTLE_WITHIN_SECONDS: Final = 120.0
"""After the last fault was mended: more than all back-offs, time-outs and expiries together."""


@dataclass(frozen=True, slots=True)
class Load:
    """The programs of a run.

    Attributes:
        fleet: ends by itself when everything is settled and verified.
        crew: misbehaves until SIGTERM, then settles and ends.
        summary: what the fleet writes at its end.
        journal: what the crew wrote down before it sent it.
    """

    fleet: Program
    crew: Program
    summary: Path
    journal: Path

    def figures(self) -> Mapping[str, Any]:
        """The fleet's own figures; empty if it never came to its end."""
        if not self.summary.exists():
            return {}
        figures: Mapping[str, Any] = json.loads(self.summary.read_text(encoding="utf-8"))
        return figures


def fleet_file(directory: Path) -> Path:
    """The honest fleet's devices."""
    return directory / "fleet.csv"


def crew_file(directory: Path) -> Path:
    """The crew's devices."""
    return directory / "crew.csv"


async def make_fleets(directory: Path, seed: int, seconds: float) -> list[Path]:
    """Write down the devices of both."""
    fleet, crew = fleet_file(directory), crew_file(directory)
    chosen = [*("--seed", str(seed)), *_scale(seconds)]
    await _done("-m", "device_sim", "fleet", "--out", str(fleet), *chosen)
    scale = ("--devices", str(CREW_DEVICES), "--seed", str(seed))
    await _done("-m", "chaos.crew", "fleet", "--out", str(crew), *scale)
    return [fleet, crew]


def make_load(world: World, directory: Path, seed: int, seconds: float) -> Load:
    """The programs, not started yet."""
    summary, journal = directory / "fleet.json", directory / "crew.sqlite"
    broker = world.links["handsets-broker"].address
    fleet = [
        *("-m", "device_sim", "run", *_scale(seconds), "--seed", str(seed)),
        *("--fleet", str(fleet_file(directory)), "--state", str(directory / "fleet.sqlite")),
        *("--gateway", world.links["handsets-a"].address, "--broker", broker),
        *("--tls-ca", str(world.ca_file)),
        *("--tasks", str(max(1, int(TASKS_PER_SECOND * seconds))), "--seconds", str(seconds)),
        *("--json", str(summary), "--verify", world.dsn),
        *("--timeout", str(seconds + SETTLE_WITHIN_SECONDS)),
    ]
    crew = [
        *("-m", "chaos.crew", "run", "--fleet", str(crew_file(directory)), "--seed", str(seed)),
        *("--gateway", world.links["handsets-a"].address),
        *("--gateway", world.links["handsets-b"].address),
        *("--broker", broker, "--journal", str(journal), "--tls-ca", str(world.ca_file)),
    ]
    environment = {"DEVICE_SIM_CENTRE_PASSWORD": world.workflow.password}
    return Load(
        Program("the honest fleet", fleet, directory / "fleet.log", environment),
        Program("the crew", crew, directory / "crew.log", {}),
        summary,
        journal,
    )


def _scale(seconds: float) -> list[str]:
    reports = max(DEVICES, int(REPORTS_PER_SECOND * seconds))
    return ["--scenario", "tasks", "--devices", str(DEVICES), "--reports", str(reports)]


async def _done(*arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=dict(os.environ),
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise ChaosError(f"{arguments[1]} failed:\n{output.decode(errors='replace')}")
