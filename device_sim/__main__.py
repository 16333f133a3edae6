"""The command line: `device-sim run | fleet`."""

import math
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from typing import Final, NoReturn

import click

from device_sim.centre_link import Login
from device_sim.credentials import Credential, FleetFileError, read_fleet, write_fleet
from device_sim.faults import ALL_FAULTS, NO_FAULTS
from device_sim.fleet import TransportChoice
from device_sim.links import LINK_NAMES, link_profile
from device_sim.mqtt_codec import MqttVersion
from device_sim.mqtt_link import Dialect
from device_sim.options import (
    TASKS,
    AddressType,
    SpeedType,
    TaskChoice,
    scenario_options,
    task_options,
)
from device_sim.outbox import Outbox, OutboxMismatchError
from device_sim.pace import MAX_SPEED
from device_sim.plan import (
    DEFAULT_DEVICES,
    REPORTS_PER_DEVICE,
    Address,
    Plan,
    default_timeout_seconds,
    with_errands,
)
from device_sim.play import EXIT_UNFINISHED, PlayError, play
from device_sim.scenario import Scenario, longgang_q1
from device_sim.tls_link import ClientTls, trusting

EXIT_USAGE: Final = 2
"""The command line, the fleet file or the state file is wrong; nothing was sent."""

_DIALECTS: Final = {"auto": None, "5": MqttVersion.V5, "3.1.1": MqttVersion.V311}


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
    Or let a centre ask the inspectors for something, with a gateway that takes tasks and publishes
    their events: MQTT on, and a user `workflow` at the broker.
                              device-sim run --scenario tasks --devices 20 --fleet fleet.csv

    \b
    Exit codes of run: 0 everything acked, every task over (and verified), 1 something refused,
    missing, extra or altered, 2 wrong usage, 3 it could not finish.
    """


@main.command()
@scenario_options
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write; an old one is replaced.",
)
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
@scenario_options
@click.option(
    "--fleet",
    "fleet_file",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="CSV with the columns device, secret (hexadecimal) and, if wanted, transport.",
)
@click.option(
    "--gateway",
    type=AddressType(),
    default="127.0.0.1:7440",
    show_default=True,
    metavar="HOST:PORT",
    help="Where TCP handsets connect.",
)
@click.option(
    "--tls-ca",
    "authority",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="TCP handsets speak TLS and trust this authority (PEM).  [default: no TLS]",
)
@click.option(
    "--tls-name",
    metavar="NAME",
    help="What the gateway's certificate must be for.  [default: the host of --gateway]",
)
@click.option(
    "--broker",
    type=AddressType(),
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
    type=SpeedType(),
    default="max",
    show_default=True,
    metavar="max|N",
    help="N times as fast as real time; max waits for nothing. Not for the scenario tasks, in "
    "which the quarter passes in --seconds.",
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
    help="The outbox. A run with the same file goes on where the last one ended; one of the "
    "scenario tasks cannot, for its times are past.  [default: a temporary file]",
)
@click.option(
    "--verify",
    "dsn",
    metavar="DSN",
    help="Compare every row of the table `report` with what was sent, and in the scenario tasks "
    "every task with what was asked for, shown and answered.",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the summary there.",
)
@click.option(
    "--timeout",
    "timeout_seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=math.inf,
    metavar="SECONDS",
    help="Give up after this.  [default: never; tasks: a minute after twice --seconds]",
)
@task_options
def run(
    scenario: str,
    devices: int | None,
    reports: int | None,
    transport: TransportChoice,
    seed: int,
    fleet_file: Path,
    gateway: Address,
    authority: Path | None,
    tls_name: str | None,
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
    task_choice: TaskChoice,
) -> None:
    """Let the fleet report, until everything is acked and every task is over."""
    played = _scenario(scenario, devices, reports, transport, seed)
    plan = Plan(
        scenario=played,
        credentials=_credentials(fleet_file, played),
        gateway=gateway,
        broker=broker,
        profile=link_profile(link),
        speed=speed,
        rates=NO_FAULTS if no_faults else ALL_FAULTS,
        dialect=Dialect(_DIALECTS[mqtt_version]),
        tls=_tls(authority, tls_name),
    )
    identity = {
        "scenario": scenario,
        "seed": str(seed),
        "devices": str(len(played.fleet.inspectors)),
        "reports": str(played.total),
    }
    if scenario == TASKS:
        plan = _with_errands(plan, task_choice)
        if math.isinf(timeout_seconds):
            timeout_seconds = default_timeout_seconds(task_choice.seconds)
    with tempfile.TemporaryDirectory(prefix="device-sim-") as directory:
        outbox = _open_outbox(state_file or Path(directory) / "outbox.sqlite", identity)
        if scenario == TASKS and not outbox.is_new:
            _fail("--state: a run of the scenario tasks cannot be resumed", EXIT_USAGE)
        try:
            code = play(plan, outbox, dsn, json_file, timeout_seconds)
        except PlayError as error:
            _fail(str(error), EXIT_UNFINISHED)
        finally:
            outbox.close()
    sys.exit(code)


def _scenario(
    name: str, devices: int | None, reports: int | None, transport: TransportChoice, seed: int
) -> Scenario:
    if name == TASKS:
        devices = DEFAULT_DEVICES if devices is None else devices
        reports = REPORTS_PER_DEVICE * devices if reports is None else reports
    try:
        return longgang_q1(seed, devices, reports, transport)
    except ValueError as error:
        _fail(str(error), EXIT_USAGE)


def _tls(authority: Path | None, name: str | None) -> ClientTls | None:
    if authority is None:
        if name is not None:
            _fail("--tls-name: nothing without --tls-ca", EXIT_USAGE)
        return None
    try:
        return trusting(authority, name)
    except OSError as error:
        _fail(f"--tls-ca: {authority}: {error.strerror or error}", EXIT_USAGE)


def _with_errands(plan: Plan, choice: TaskChoice) -> Plan:
    if plan.speed != MAX_SPEED:
        _fail("--speed: not for the scenario tasks; use --seconds", EXIT_USAGE)
    host, port = choice.broker or plan.broker
    login = Login(host, port, choice.user, choice.password)
    return with_errands(plan, choice.tasks, choice.seconds, login, time.time())


def _credentials(path: Path, scenario: Scenario) -> dict[int, Credential]:
    """Of every device of the scenario."""
    try:
        credentials = read_fleet(path)
    except FleetFileError as error:
        _fail(str(error), EXIT_USAGE)
    absent = [device for device in scenario.fleet.device_ids if device not in credentials]
    if absent:
        text = f"{path} lacks {len(absent)} devices of this scenario, {absent[0]} first"
        _fail(f"{text}: make it with the same --devices", EXIT_USAGE)
    return credentials


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
