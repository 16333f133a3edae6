"""`python -m chaos.crew`: a few dozen handsets that do everything a handset must not do.

`fleet` makes their devices; `run` lets them misbehave until SIGTERM, and then has them deliver all
that is outstanding, until each thing that was ever sent is settled. Whatever is sent stands in the
journal before, with what must become of it; `chaos.checks` holds it against the database.
"""

import asyncio
import csv
import secrets
import signal
import ssl
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Final

import click

from chaos.crew_author import Author
from chaos.crew_ideas import IDEAS
from chaos.crew_journal import Journal
from chaos.crew_manners import MANNERS
from chaos.crew_member import Address, Member, World
from chaos.crew_settle import settle
from device_sim.credentials import FleetFileError, read_fleet
from device_sim.options import AddressType
from gateway.protocol.limits import MAX_DEVICE_ID
from gateway.reference import load_tables

FIRST_DEVICE: Final = 860_000_000_000_001
"""Looks like an IMEI, and is far from the simulator's fleet."""

DEVICES: Final = 24
CLONE_EVERY: Final = 6
"""Every so many devices have two handsets that fight for the session."""

TURN_SECONDS: Final = 12.0
"""The longest that one turn may take; then it is cut wherever it is."""

REST_SECONDS: Final = (0.0, 0.6)
"""Between two turns."""

BACK_OFF_SECONDS: Final = 1.0
"""The longest wait after turns that failed: whoever waits longer misbehaves too seldom."""

SECRET_BYTES: Final = 32


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Handsets that misbehave."""


@main.command()
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--devices", default=DEVICES, show_default=True, type=click.IntRange(min=1))
@click.option("--seed", default=1, show_default=True, type=int)
def fleet(out: Path, devices: int, seed: int) -> None:
    """Make a file for `gateway devices import`, with new secrets. One device has the largest
    number that there is.
    """
    del seed  # the numbers are the same for all; secrets are never drawn from a seed
    numbers = [FIRST_DEVICE + place for place in range(devices - 1)] + [MAX_DEVICE_ID]
    out.touch(mode=0o600)
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("device", "secret", "label", "street"))
        for number in numbers:
            writer.writerow((number, secrets.token_hex(SECRET_BYTES), "misbehaves", ""))


@main.command()
@click.option(
    "--fleet", "file", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--gateway", "gateways", required=True, multiple=True, type=AddressType())
@click.option("--broker", required=True, type=AddressType())
@click.option("--seed", default=1, show_default=True, type=int)
@click.option("--journal", "place", required=True, type=click.Path(path_type=Path))
@click.option(
    "--tls-ca",
    "ca_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Whom to believe. With it the first gateway is reached over TLS.",
)
def run(
    file: Path,
    gateways: tuple[Address, ...],
    broker: Address,
    seed: int,
    place: Path,
    ca_file: Path | None,
) -> None:
    """Misbehave until SIGTERM; then behave until everything is settled."""
    tls = None if ca_file is None else ssl.create_default_context(cafile=str(ca_file))
    try:
        devices = {device: found.secret for device, found in read_fleet(file).items()}
    except FleetFileError as error:
        raise click.ClickException(str(error)) from None
    journal = Journal(place)
    crew = Crew(devices, World(gateways, broker, tls), journal, seed)
    try:
        asyncio.run(crew.run_until_told())
    finally:
        journal.close()


class Crew:
    """All of them."""

    def __init__(
        self, devices: dict[int, bytes], world: World, journal: Journal, seed: int
    ) -> None:
        self.members = [
            Member(device, secret, Random(f"{seed}/{device}/{clone}"), journal, world)
            for place, (device, secret) in enumerate(devices.items())
            for clone in range(1 if place % CLONE_EVERY else 2)
        ]
        self.done: Counter[str] = Counter()
        """How often each idea and each manner was carried through, or what ended it."""
        self._tables = load_tables()
        self._stop = asyncio.Event()

    async def run_until_told(self) -> None:
        """Misbehave until SIGTERM or SIGINT, then settle everything."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        await self.misbehave()
        await self.settle()

    def stop(self) -> None:
        """Misbehave no more."""
        self._stop.set()

    async def misbehave(self) -> None:
        """Until `stop`."""
        identities: dict[int, Member] = {}
        for member in self.members:
            first = identities.setdefault(member.device, member)
            if first is member:
                member.reinstall()
            else:  # a clone brings the counter of the one that it was copied from
                member.installation = first.installation
        async with asyncio.TaskGroup() as tasks:
            turns = [tasks.create_task(self._misbehave(member)) for member in self.members]
            await self._stop.wait()
            for turn in turns:
                turn.cancel()
        _say(f"misbehaved: {dict(self.done)}")

    async def settle(self) -> None:
        """Deliver until nothing is open."""
        async with asyncio.TaskGroup() as tasks:
            for member in {member.device: member for member in self.members}.values():
                tasks.create_task(settle(member))
        _say("settled")

    async def _misbehave(self, member: Member) -> None:
        failures = 0
        while True:
            idea, manner = _choose(member.random, IDEAS), _choose(member.random, MANNERS)
            try:
                async with asyncio.timeout(TURN_SECONDS):
                    await self._turn(member, idea, manner)
                failures = 0
            except (OSError, TimeoutError) as error:
                self.done[type(error).__name__] += 1
                failures += 1
                wait = min(0.1 * 2 ** min(failures, 10), BACK_OFF_SECONDS)
                await asyncio.sleep(wait * member.random.random())
            await asyncio.sleep(member.random.uniform(*REST_SECONDS))

    async def _turn(self, member: Member, idea: str, manner: str) -> None:
        author = Author(member.random, self._tables.editions[1], int(time.time()))
        frames = member.note(IDEAS[idea][0](member, author, self._tables))
        if frames:
            await MANNERS[manner][0](member, frames)
            self.done.update((idea, manner))


def _choose(random: Random, choices: Mapping[str, tuple[object, int]]) -> str:
    (name,) = random.choices(list(choices), [weight for _, weight in choices.values()])
    return name


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
