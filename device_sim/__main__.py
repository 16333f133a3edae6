"""The command line: `device-sim run | fleet`."""

import math
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any, Final, NoReturn, TypeVar

import click
import psycopg
import trio
from rich.console import Console

from device_sim.credentials import FleetFileError, read_fleet, write_fleet
from device_sim.edition import edition
from device_sim.faults import ALL_FAULTS, NO_FAULTS
from device_sim.fleet import TransportChoice
from device_sim.links import LINK_NAMES, link_profile
from device_sim.mqtt_codec import MqttVersion
from device_sim.mqtt_link import Dialect
from device_sim.outbox import Outbox, OutboxMismatchError
from device_sim.pace import MAX_SPEED
from device_sim.progress import display
from device_sim.runtime import Address, Outcome, Plan, run_fleet
from device_sim.scenario import EDITION, Scenario, longgang_q1
from device_sim.summary import print_summary, summarise, with_comparison, write_json
from device_sim.tally import Tally
from device_sim.verify import Comparison, compare, stored_rows

EXIT_DIFFERENT: Final = 1
"""Something is refused, missing, extra or altered."""
EXIT_USAGE: Final = 2
EXIT_UNFINISHED: Final = 3
"""Timed out, interrupted, not admitted, or the database could not be read."""

DEFAULT_SEED: Final = 2008
_DIALECTS: Final = {"auto": None, "5": MqttVersion.V5, "3.1.1": MqttVersion.V311}
_FAILURES_TOLD: Final = 5

Command = TypeVar("Command", bound=Callable[..., Any])


class _Speed(click.ParamType[float]):
    name = "speed"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if value == "max":
            return MAX_SPEED
        try:
            speed = float(value)
        except ValueError:
            speed = math.nan
        if not (speed > 0 and math.isfinite(speed)):
            self.fail(f"{value!r} is neither max nor a number above zero", param, ctx)
        return speed


class _Address(click.ParamType[Address]):
    name = "host:port"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Address:
        host, _, port = str(value).rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
            self.fail(f"{value!r} is not HOST:PORT", param, ctx)
        return host.strip("[]"), int(port)


def _scenario_options(command: Command) -> Command:
    """The options that say what the scenario is; both commands must be given the same."""
    options = (
        click.option(
            "--scenario", type=click.Choice(["longgang-q1"]), default="longgang-q1",
            show_default=True, help="What is played: the first quarter of 2008 in Longgang.",
        ),
        click.option(
            "--devices", type=click.IntRange(min=2), metavar="N",
            help="Inspectors, each with a handset.  [default: the published 773]",
        ),
        click.option(
            "--reports", type=click.IntRange(min=0), metavar="N",
            help="Reports of all together.  [default: the published 265,735]",
        ),
        click.option(
            "--transport", type=click.Choice(["tcp", "mqtt", "mixed"]), default="mixed",
            show_default=True, help="mixed: every other handset speaks MQTT.",
        ),
        click.option(
            "--seed", type=int, default=DEFAULT_SEED, show_default=True,
            help="Of everything that chance decides: reports, faults, numbers.",
        ),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    r"""A fleet of simulated handsets that reports to a field gateway as real ones would: over TCP
    and MQTT, with lost connections, lost acks, repeated sends, offline hours and a wiped handset.

    \b
    1. Make a fleet:          device-sim fleet --devices 20 --out fleet.csv
    2. Tell the gateway:      gateway devices import fleet.csv
    3. Let it report:         device-sim run --devices 20 --reports 5000 --fleet fleet.csv
    4. And check each row:    ... --verify postgresql://localhost/gateway

    \b
    Exit codes of run: 0 everything acked (and verified), 1 something refused, missing, extra or
    altered, 2 wrong usage, 3 it could not finish.
    """


@main.command()
@_scenario_options
@click.option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write; an old one is replaced.",
)  # fmt: skip
def fleet(
    scenario: str,
    devices: int | None,
    reports: int | None,
    transport: TransportChoice,
    seed: int,
    out: Path,
) -> None:
    """Write the fleet's devices with new random secrets, for `gateway devices import` and `run`."""
    played = _scenario(scenario, devices, reports, transport, seed)
    try:
        write_fleet(out, played.fleet)
    except FleetFileError as error:
        _fail(str(error), EXIT_USAGE)
    click.echo(f"{len(played.fleet.inspectors):,} devices written to {out}", err=True)


@main.command()
@_scenario_options
@click.option(
    "--fleet",
    "fleet_file",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="CSV with the columns device, secret (hexadecimal) and, if wanted, transport.",
)
@click.option(
    "--gateway",
    type=_Address(),
    default="127.0.0.1:7440",
    show_default=True,
    metavar="HOST:PORT",
    help="Where TCP handsets connect.",
)
@click.option(
    "--broker",
    type=_Address(),
    default="127.0.0.1:1883",
    show_default=True,
    metavar="HOST:PORT",
    help="Where MQTT handsets connect.",
)
@click.option(
    "--mqtt-version",
    type=click.Choice(list(_DIALECTS)),
    default="auto",
    show_default=True,
    help="auto tries 5 and falls back to 3.1.1.",
)
@click.option(
    "--speed",
    type=_Speed(),
    default="max",
    show_default=True,
    metavar="max|N",
    help="N times as fast as real time; max waits for nothing.",
)
@click.option(
    "--link",
    type=click.Choice(LINK_NAMES),
    default="gprs",
    show_default=True,
    help="Latency, bandwidth, loss and outages. At full speed only outages and the size of "
    "backlogs are left of it.",
)
@click.option("--no-faults", is_flag=True, help="Nothing goes wrong on the handsets' side.")
@click.option(
    "--state",
    "state_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The outbox. A run with the same file goes on where the last one ended.  "
    "[default: a temporary file]",
)
@click.option(
    "--verify",
    "dsn",
    metavar="DSN",
    help="Compare every row of the table `report` with what was sent.",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the summary there.",
)
@click.option(
    "--timeout", "timeout_seconds", type=click.FloatRange(min=0, min_open=True),
    default=math.inf, metavar="SECONDS", help="Give up after this.  [default: never]",
)  # fmt: skip
def run(
    scenario: str,
    devices: int | None,
    reports: int | None,
    transport: TransportChoice,
    seed: int,
    fleet_file: Path,
    gateway: Address,
    broker: Address,
    mqtt_version: str,
    speed: float,
    link: str,
    *,
    no_faults: bool,
    state_file: Path | None,
    dsn: str | None,
    json_file: Path | None,
    timeout_seconds: float,
) -> None:
    """Let the fleet report, until everything is acked."""
    played = _scenario(scenario, devices, reports, transport, seed)
    try:
        credentials = read_fleet(fleet_file)
    except FleetFileError as error:
        _fail(str(error), EXIT_USAGE)
    absent = [device for device in played.fleet.device_ids if device not in credentials]
    if absent:
        text = f"{fleet_file} lacks {len(absent)} devices of this scenario, {absent[0]} first"
        _fail(f"{text}: make it with the same --devices", EXIT_USAGE)
    dialect = _DIALECTS[mqtt_version]
    plan = Plan(
        scenario=played,
        credentials=credentials,
        gateway=gateway,
        broker=broker,
        profile=link_profile(link),
        speed=speed,
        rates=NO_FAULTS if no_faults else ALL_FAULTS,
        dialect=Dialect(dialect),
    )
    identity = {
        "scenario": scenario,
        "seed": str(seed),
        "devices": str(len(played.fleet.inspectors)),
        "reports": str(played.total),
    }
    with tempfile.TemporaryDirectory(prefix="device-sim-") as directory:
        outbox = _open_outbox(state_file or Path(directory) / "outbox.sqlite", identity)
        try:
            code = _play(plan, outbox, dsn, json_file, timeout_seconds)
        finally:
            outbox.close()
    sys.exit(code)


def _play(
    plan: Plan, outbox: Outbox, dsn: str | None, json_file: Path | None, timeout_seconds: float
) -> int:
    """Run, verify, tell; returns the exit code."""
    console, tally, expected = Console(stderr=True), Tally(), plan.scenario.total
    shown = display(console, tally, expected, len(plan.scenario.fleet.inspectors))
    began = monotonic()
    shown.start()
    try:
        outcome = trio.run(
            run_fleet, plan, outbox, tally, shown.show, shown.every_seconds, timeout_seconds
        )
    finally:
        shown.stop()
    totals = outbox.totals()
    summary = summarise(outcome, tally, totals, expected, monotonic() - began)
    comparison = None
    # What was interrupted is not compared: what is under way would be told as missing.
    if dsn is not None and outcome is not Outcome.INTERRUPTED:
        comparison = _verify(plan, outbox, dsn)
        summary = with_comparison(summary, comparison)
    print_summary(console, summary)
    if json_file is not None:
        try:
            write_json(json_file, summary)
        except OSError as error:
            _fail(f"{json_file}: {error.strerror}", EXIT_UNFINISHED)
    _tell(console, tally, comparison)
    return _exit_code(outcome, tally, complete=totals.acked == expected, comparison=comparison)


def _verify(plan: Plan, outbox: Outbox, dsn: str) -> Comparison:
    try:
        rows = stored_rows(dsn, plan.scenario.fleet.device_ids)
        return compare(outbox.entries(), rows, edition(EDITION))
    except psycopg.Error as error:
        _fail(f"--verify: {str(error).strip()}", EXIT_UNFINISHED)


def _tell(console: Console, tally: Tally, comparison: Comparison | None) -> None:
    """Name the first few things that went wrong."""
    for device, reason in list(tally.failures.items())[:_FAILURES_TOLD]:
        console.print(f"device {device} gave up: {reason}", style="red", highlight=False)
    if comparison is not None:
        for kind, examples in comparison.examples.items():
            for example in examples:
                console.print(f"{kind}: {example}", style="red", highlight=False, markup=False)


def _exit_code(
    outcome: Outcome, tally: Tally, *, complete: bool, comparison: Comparison | None
) -> int:
    if outcome is not Outcome.COMPLETE or tally.failures:
        return EXIT_UNFINISHED
    is_clean = comparison is None or comparison.is_clean
    return 0 if complete and is_clean else EXIT_DIFFERENT


def _scenario(
    name: str, devices: int | None, reports: int | None, transport: TransportChoice, seed: int
) -> Scenario:
    del name  # there is one, and click has checked it
    try:
        return longgang_q1(seed, devices, reports, transport)
    except ValueError as error:
        _fail(str(error), EXIT_USAGE)


def _open_outbox(path: Path, identity: dict[str, str]) -> Outbox:
    try:
        return Outbox(path, identity)
    except OutboxMismatchError as error:
        _fail(f"--state: {error}", EXIT_USAGE)
    except sqlite3.Error as error:
        _fail(f"--state: {path}: {error}", EXIT_USAGE)


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"device-sim: {message}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
