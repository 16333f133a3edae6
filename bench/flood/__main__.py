"""`python -m bench.flood`: what honest handsets notice while others flood the gateway."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
import msgspec

from bench.flood.attacks import FLOODS
from bench.flood.fleet import make_plan
from bench.flood.plan import Attack, Honest
from bench.flood.verdict import Phase, render
from bench.memory import memory_bound_bytes
from bench.processes import BenchError, close_input, memory_bytes, program, read_line, write_line
from bench.world import RunningGateway, World, open_world
from gateway.reference import load_tables
from gateway.server_process import ServerFailedError
from gateway.settings import Settings
from scripts.marked_blocks import replace_blocks

SETTLE_SECONDS: Final = 3.0
"""Between the beginning of a flood and the first wait that counts."""

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "reliability.md"
BLOCK: Final = "floods"


class Run:
    """One database, one set of honest handsets; a gateway and a flood at a time."""

    def __init__(self, world: World, plan_file: Path, seconds: float) -> None:
        self._world = world
        self._plan_file = plan_file
        self._seconds = seconds

    def flood(self, name: str) -> Phase:
        """The quiet case, then the flood, on a gateway and a database of their own."""
        settings = Settings()
        with (
            self._world.database() as dsn,
            self._world.gateway(dsn, publishes=True) as gateway,
        ):
            rss_ready, _ = memory_bytes(gateway.pid)
            with self._honest(gateway) as honest:
                quiet = honest.watch(self._seconds)
                with self._attacker(gateway, name) as attacker:
                    honest.watch(SETTLE_SECONDS)
                    flooded = honest.watch(self._seconds)
                    attack = attacker.stop()
            _, rss_peak = memory_bytes(gateway.pid)
        return Phase(
            name=name,
            title=FLOODS[name][0],
            quiet=quiet,
            flooded=flooded,
            attack=attack,
            rss_ready_bytes=rss_ready,
            rss_peak_bytes=rss_peak,
            bound_bytes=memory_bound_bytes(settings, settings.tcp.max_sessions),
        )

    @contextmanager
    def _honest(self, gateway: RunningGateway) -> Iterator["_Program"]:
        arguments = ["-m", "bench.flood.honest", str(self._plan_file), str(gateway.tcp_port)]
        with self._program(arguments, "honest") as running:
            yield running

    @contextmanager
    def _attacker(self, gateway: RunningGateway, name: str) -> Iterator["_Program"]:
        file, port = str(self._plan_file), str(gateway.tcp_port)
        with self._program(["-m", "bench.flood.attacker", file, port, name], name) as running:
            yield running

    @contextmanager
    def _program(self, arguments: list[str], name: str) -> Iterator["_Program"]:
        log = self._world.directory / f"{name}.log"
        with program(arguments, log, {}) as process:
            if read_line(process, log) != "ready":
                raise BenchError(f"{name} said something unexpected")
            yield _Program(process, log)


class _Program:
    """A program of a run that is ready."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process = process
        self._log = log

    def watch(self, seconds: float) -> Honest:
        """What the honest see in the next so many seconds."""
        write_line(self._process, str(seconds))
        return msgspec.json.decode(read_line(self._process, self._log), type=Honest)

    def stop(self) -> Attack:
        """End the flood; what it was."""
        close_input(self._process)
        return msgspec.json.decode(read_line(self._process, self._log), type=Attack)


def measure(names: Sequence[str], seconds: float, seed: int, directory: Path) -> list[Phase]:
    """All these floods, one after the other.

    Raises:
        BenchError: a program failed.
    """
    tables = load_tables()
    plan, everybody = make_plan(seed, tables.editions[tables.current])
    with open_world(directory) as world:
        file = world.directory / "flood.msgpack"
        file.write_bytes(msgspec.msgpack.encode(plan))
        world.make_template(everybody)
        run, phases = Run(world, file, seconds), []
        for name in names:
            phases.append(run.flood(name))
            click.echo(f"{name:15} p99 {phases[-1].ratio:.1f} times the quiet one", err=True)
        return phases


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("floods", nargs=-1, type=click.Choice(list(FLOODS)), metavar="[FLOOD]...")
@click.option("--seconds", type=click.FloatRange(min=2), default=15.0, show_default=True,
              help="How long each case is watched.")  # fmt: skip
@click.option("--seed", default=2008, show_default=True, help="Seed of all chance.")
@click.option("--write-docs", is_flag=True, help="Put the table into docs/reliability.md.")
@click.option("--data", "directory", default="var/flood", show_default=True,
              type=click.Path(file_okay=False, path_type=Path),
              help="Where servers, frames and logs are kept.")  # fmt: skip
def main(
    floods: tuple[str, ...], *, seconds: float, seed: int, write_docs: bool, directory: Path
) -> None:
    """Flood a gateway, and see what honest handsets notice.

    \b
    half-open       thousands of connections that say nothing
    wrong-proofs    hundreds of connections that guess proofs
    slow-senders    strangers and devices that send a byte at a time
    largest-frames  registered devices that send the largest frames without waiting
    all-urgent      registered devices for which everything is an emergency
    pings           registered devices that send pings

    150 handsets report one thing at a time and 10 come and go, first while it is quiet, then during
    the flood. Each FLOOD (default: all) has a gateway and a database of its own. Exit code 1 if the
    99th percentile of the honest handsets' waits for an ack is more than five times the quiet one,
    if a report goes without an ack, if nobody new gets in, or if the gateway takes more memory than
    its settings allow. Everything runs on this machine: the attacker takes processor time too.
    """  # noqa: D301 - click wants \b as it is
    try:
        phases = measure(floods or tuple(FLOODS), seconds, seed, directory)
    except (BenchError, ServerFailedError, FileNotFoundError) as error:
        raise click.ClickException(str(error)) from error
    figures = render(phases)
    click.echo(figures)
    if write_docs:
        text = DOCUMENT.read_text(encoding="utf-8")
        DOCUMENT.write_text(replace_blocks(text, {BLOCK: figures}), encoding="utf-8")
    faults = [fault for phase in phases for fault in phase.faults()]
    for fault in faults:
        click.echo(fault, err=True)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
