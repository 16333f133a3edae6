"""`python -m bench`: measure speed and bytes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
import msgspec

from bench import sizes
from bench.connections import CONNECTIONS, Connections, measure_connections
from bench.document import write_figures
from bench.machine import machine
from bench.measure import Bench
from bench.memory import memory_bound_bytes
from bench.parts import CEILING_TITLE, PARTS, RAW_CEILING_TITLE
from bench.processes import BenchError
from bench.results import CEILING, RAW_CEILING, SCRIPT, Measurement, Results
from bench.schedule import schedule
from bench.tables import render, render_connections
from bench.workload import Handset, make_fleet, total_of
from bench.world import open_world
from device_sim.reference import quarter
from gateway.protocol.tables import Edition
from gateway.reference import load_tables
from gateway.server_process import ServerFailedError
from gateway.settings import Settings

QUICK_REPORTS: Final = 20_000
QUICK_ROUNDS: Final = 1
ROUNDS: Final = 3
SIZE_REPORTS: Final = 40_000
"""Reports whose bytes are counted: more change no figure."""

FREE_TEXTS: Final = Path(__file__).parents[1] / "tests" / "data" / "free-texts.txt"

SIZES: Final = "sizes"
TLS: Final = "tls"
TITLES: Final = {
    CEILING: CEILING_TITLE,
    RAW_CEILING: RAW_CEILING_TITLE,
    **{part.name: part.title for part in PARTS},
}
NAMES: Final = (*TITLES, SIZES, TLS)


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks for."""

    parts: tuple[str, ...]
    reports: int
    rounds: int
    seed: int
    directory: Path
    profile: Path | None


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("parts", nargs=-1, type=click.Choice(NAMES))
@click.option("--quick", is_flag=True, help=f"{QUICK_REPORTS:,} reports, once: a try.")
@click.option("--reports", type=click.IntRange(min=1_000),
              help="Reports of the fast parts; default: the quarter's.")  # fmt: skip
@click.option("--rounds", type=click.IntRange(min=1),
              help=f"How often each part runs; default {ROUNDS}.")  # fmt: skip
@click.option("--seed", default=2008, show_default=True, help="Seed of all chance.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path),
              help="Write every single measurement to this file.")  # fmt: skip
@click.option("--from", "earlier", type=click.Path(dir_okay=False, exists=True, path_type=Path),
              help="Measure nothing: show the figures of an earlier --json FILE.")  # fmt: skip
@click.option("--write-docs", is_flag=True, help="Put the tables into docs/performance.md.")
@click.option("--profile", type=click.Path(file_okay=False, path_type=Path),
              help="Sample the gateway with py-spy into here (slower).")  # fmt: skip
@click.option("--data", "directory", default="var/bench", show_default=True,
              type=click.Path(file_okay=False, path_type=Path),
              help="Where servers, frames and logs are kept.")  # fmt: skip
def main(
    *,
    parts: tuple[str, ...],
    quick: bool,
    reports: int | None,
    rounds: int | None,
    seed: int,
    json_file: Path | None,
    earlier: Path | None,
    write_docs: bool,
    profile: Path | None,
    directory: Path,
) -> None:
    """Measure how fast reports get into PostgreSQL, and how many bytes they take.

    \b
    a           COPY of the rows by one connection: the ceiling
    a-raw       the same, but packed before the clock: PostgreSQL alone
    b           the script that one would write in an hour: one INSERT and commit a message
    c           the gateway, 773 TCP devices that wait for every ack
    c-events    (c), and the relay publishes meanwhile
    c-unmetered   (c) with nothing metered
    c-events-unmetered   (c-events) with nothing metered
    d           the gateway, TCP, backlogs with many reports under way
    d-events    (d), and the relay publishes meanwhile
    d-unmetered   (d) with nothing metered
    d-single    the gateway, TCP, single reports with many under way
    emergency   (d-single), and emergencies meanwhile: how long each waits
    emergency-backlog   the same beside (d)
    e           the gateway over MQTT, single reports
    e-backlog   the gateway over MQTT, backlogs
    sizes       bytes per report beside JSON and SMS (measures no time)
    tls         what a connection costs without TLS, with it, and resumed

    Without PARTS all of them. Starts its own PostgreSQL and its own broker. What is sent is
    encoded before the clock starts, and comes from a process of its own; each part begins with an
    empty database and ends with a comparison: rows stored = reports sent = acked, else the bench
    fails. (a) runs between all others, so that noise hits all alike: trust the ratios more than
    the rates. A full run takes some minutes and wants the machine for itself.
    """  # noqa: D301 - click wants \b as it is
    choice = Choice(
        parts=parts or NAMES,
        reports=reports or (QUICK_REPORTS if quick else sum(quarter().reports.values())),
        rounds=rounds or (QUICK_ROUNDS if quick else ROUNDS),
        seed=seed,
        directory=directory,
        profile=profile,
    )
    try:
        results = _read(earlier) if earlier else measure(choice)
    except (BenchError, ServerFailedError, FileNotFoundError) as error:
        raise click.ClickException(str(error)) from error
    is_all_tls = results.connections and not (results.measurements or results.sizes)
    figures = "" if is_all_tls else render(results)
    of_connections = render_connections(results)
    click.echo(figures + of_connections)
    if json_file:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(results)) + b"\n")
    if write_docs:
        write_figures(figures, of_connections)


def measure(choice: Choice) -> Results:
    """Run the parts.

    Raises:
        BenchError: what was stored is not what was sent, or a program failed.
    """
    tables = load_tables()
    edition = tables.editions[tables.current]
    of_machine = machine()
    fleet = make_fleet(choice.reports, choice.seed)
    timed = [name for name in choice.parts if name not in {SIZES, TLS}]
    settings = Settings()
    return Results(
        machine=of_machine,
        settings={
            "rows": f"scenario longgang-q1, seed {choice.seed}, {total_of(fleet):,} reports of"
            f" {len(fleet)} devices; rounds: {choice.rounds}",
            "batches": f"at most {settings.batch.max_items:,} reports in a transaction,"
            f" {settings.batch.writers} at once; (a) uses the same size",
        },
        memory_bound_bytes=memory_bound_bytes(settings, len(fleet)),
        titles=TITLES,
        beside={part.name: part.beside for part in PARTS if part.beside},
        unmetered={part.unmetered: part.name for part in PARTS if part.unmetered},
        measurements=_measure_speed(choice, timed, fleet, edition) if timed else [],
        sizes=_measure_sizes(fleet, edition) if SIZES in choice.parts else [],
        connections=_measure_connections(choice, fleet) if TLS in choice.parts else [],
    )


def _measure_speed(
    choice: Choice, names: Sequence[str], fleet: Sequence[Handset], edition: Edition
) -> list[Measurement]:
    by_name = {part.name: part for part in PARTS if part.name in names}
    measurements = []
    with _bench(choice, fleet, edition) as bench:
        bench.prepare(list(by_name.values()))
        for name in schedule(names, choice.rounds):
            if name in {CEILING, RAW_CEILING}:
                measured = bench.run_ceiling(raw=name == RAW_CEILING)
            elif name == SCRIPT:
                measured = bench.run_script(by_name[name])
            else:
                measured = bench.run_gateway(by_name[name])
            click.echo(
                f"{name:10} {measured.reports:9,} reports {measured.seconds:7.2f} s"
                f" {measured.rate:9,.0f} reports/s",
                err=True,
            )
            measurements.append(measured)
    return measurements


def _measure_connections(choice: Choice, fleet: Sequence[Handset]) -> list[Connections]:
    with open_world(choice.directory) as world:
        world.make_template(fleet)
        return measure_connections(world, fleet, min(CONNECTIONS, choice.reports))


@contextmanager
def _bench(choice: Choice, fleet: Sequence[Handset], edition: Edition) -> Iterator[Bench]:
    with open_world(choice.directory) as world:
        yield Bench(world, fleet, edition, choice.profile)


def _measure_sizes(fleet: Sequence[Handset], edition: Edition) -> list[sizes.SizeTable]:
    every = max(total_of(fleet) // SIZE_REPORTS, 1)
    devices = [handset.reports for handset in fleet[::every]]
    free = FREE_TEXTS.read_text(encoding="utf-8").splitlines()
    # A larger backlog would hold the same text twice, which the second time costs almost nothing.
    without_repeats = [size for size in sizes.BACKLOG_SIZES if size <= len(free)]
    return [
        sizes.size_table("Texts of the scenario", devices, edition),
        sizes.size_table(
            f"{len(free)} free texts that no list of phrases holds, in turn",
            sizes.with_texts(devices, free),
            edition,
            without_repeats,
        ),
    ]


def _read(earlier: Path) -> Results:
    return msgspec.json.decode(earlier.read_bytes(), type=Results)


if __name__ == "__main__":
    main()
