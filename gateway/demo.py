"""The demo: real servers, a real gateway, 773 simulated handsets, and the quarter's table.

Everything runs in processes of its own, as it would in earnest: PostgreSQL, the broker, `gateway
serve` and `device-sim run`. This file starts them in order, watches, and ends them in order.
"""

import asyncio
import csv
import json
import os
import secrets
import shutil
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import aiohttp
import asyncpg

from gateway.demo_subscriber import SUBSCRIBED
from gateway.devices import Devices, read_device_file
from gateway.embedded_broker import BrokerUser, EmbeddedBroker
from gateway.embedded_postgres import EmbeddedPostgres
from gateway.migrate import migrate
from gateway.protocol.proof import mqtt_password
from gateway.quarter import Measured, count_quarter
from gateway.server_process import ServerFailedError, free_port

DATABASE: Final = "quarter"
"""Made anew for each run, inside a cluster that is kept."""

READY_WITHIN_SECONDS: Final = 60.0
"""A gateway is ready within a second; a loaded machine may take longer."""

STOP_WITHIN_SECONDS: Final = 40.0
"""A gateway drains for at most 20 seconds; then it is killed."""

PUBLISHED_WITHIN_SECONDS: Final = 900.0
"""Most that publishing may take behind the fleet: ten times what the quarter needs."""

POLL_SECONDS: Final = 0.25
"""How often the figures are read: often enough for an eye."""


Done = TypeVar("Done")


@dataclass(frozen=True, slots=True)
class Options:
    """What to play."""

    directory: Path
    """Where data and logs are kept."""
    reports: int | None
    devices: int | None
    transport: str
    link: str
    speed: str
    seed: int


@dataclass(frozen=True, slots=True)
class Servers:
    """Addresses of what runs."""

    dsn: str
    http: str
    gateway: str
    broker: str
    subscriber: BrokerUser
    """Who may read events and ask for tasks."""
    environment: Path
    """A file with these addresses, for a shell."""


@dataclass(frozen=True, slots=True)
class Result:
    """What fleet and subscriber say, what the gateway counted and what the database holds."""

    fleet: Mapping[str, Any]
    events: Mapping[str, int]
    ledger: Mapping[str, int]
    quarter: Measured
    exit_code: int
    """Of the fleet: 0 only if nothing is missing, extra or altered."""


Watch = Callable[[Mapping[str, float]], None]
"""Called with the gateway's figures while the fleet runs."""


@asynccontextmanager
async def servers(options: Options, say: Callable[[str], None]) -> AsyncIterator[Servers]:
    """Start database, broker and gateway, register the fleet; end all in reverse order."""
    directory = options.directory
    directory.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        say("starting PostgreSQL")
        postgres = EmbeddedPostgres(directory / "postgres")
        stack.push_async_callback(asyncio.to_thread, postgres.stop)
        await asyncio.to_thread(postgres.start)
        dsn = await _fresh_database(postgres)
        fleet = await _make_fleet(options)
        users = await _register(dsn, fleet)

        say("starting the MQTT broker")
        shutil.rmtree(directory / "broker", ignore_errors=True)
        gateway_user = BrokerUser("gateway", secrets.token_hex(16))
        subscriber = BrokerUser("workflow", secrets.token_hex(16), is_workflow=True)
        broker = EmbeddedBroker(directory / "broker", [gateway_user, subscriber, *users])
        stack.push_async_callback(asyncio.to_thread, broker.stop)
        await asyncio.to_thread(broker.start)

        say("starting the gateway")
        tcp_port, http_port = free_port(), free_port()
        environment = {
            "GATEWAY_NAME": "demo",
            "GATEWAY_DATABASE__DSN": dsn,
            "GATEWAY_TCP__HOST": "127.0.0.1",
            "GATEWAY_TCP__PORT": str(tcp_port),
            "GATEWAY_HTTP__PORT": str(http_port),
            "GATEWAY_MQTT__ENABLED": "true",
            "GATEWAY_MQTT__HOST": broker.host,
            "GATEWAY_MQTT__PORT": str(broker.port),
            "GATEWAY_MQTT__VERSION": "3.1.1",
            "GATEWAY_MQTT__USERNAME": gateway_user.name,
            "GATEWAY_MQTT__PASSWORD": gateway_user.password,
        }
        log = directory / "gateway.log"
        gateway = await stack.enter_async_context(
            _process(["-m", "gateway", "serve"], log, environment)
        )
        http = f"http://127.0.0.1:{http_port}"
        await _until_ready(f"{http}/readyz", gateway, log)
        addresses = (f"127.0.0.1:{tcp_port}", f"{broker.host}:{broker.port}")
        running = Servers(dsn, http, *addresses, subscriber, directory / "environment")
        await asyncio.to_thread(_write_environment, running)
        yield running


async def play(options: Options, running: Servers, watch: Watch) -> Result:
    """Let the fleet play the quarter, verify it row by row, and count."""
    directory = options.directory
    summary_file = directory / "fleet.json"
    summary_file.unlink(missing_ok=True)
    for leftover in directory.glob("outbox.sqlite*"):
        leftover.unlink()
    arguments = [
        *("-m", "device_sim", "run", "--scenario", "longgang-q1"),
        *("--fleet", _fleet_file(options), "--state", directory / "outbox.sqlite"),
        *("--gateway", running.gateway, "--broker", running.broker),
        *("--transport", options.transport, "--link", options.link, "--speed", options.speed),
        *("--seed", str(options.seed), "--json", summary_file, "--verify", running.dsn),
        *_scale(options),
    ]
    async with _subscriber(options, running) as subscriber:
        log = directory / "fleet.log"
        async with _process([str(part) for part in arguments], log, {}) as fleet:
            exit_code = await _watched(running.http, watch, fleet.wait())
        if not summary_file.exists():
            raise ServerFailedError(f"the fleet ended with code {exit_code}:\n{_tail(log)}")
        await _watched(running.http, watch, _until_published(running.dsn))
        events = await _counted_events(options, subscriber)
    figures = await _figures(running.http)
    watch(figures)
    connection = await asyncpg.connect(running.dsn)
    try:
        quarter = await count_quarter(connection)
    finally:
        await connection.close()
    summary = json.loads(summary_file.read_text(encoding="utf-8"))
    return Result(summary, events, ledger_of(figures), quarter, exit_code)


def ledger_of(figures: Mapping[str, float]) -> dict[str, int]:
    """The ledger of both transports together, from the gateway's metrics."""
    names = ("received", "stored", "duplicate", "quarantined", "refused", "given_up", "in_flight")
    return {name: int(figures.get(name, 0)) for name in names}


def ledger_closes(ledger: Mapping[str, int]) -> bool:
    """Whether everything received is accounted for."""
    return ledger["received"] == sum(n for name, n in ledger.items() if name != "received")


# The steps.


async def _fresh_database(postgres: EmbeddedPostgres) -> str:
    connection = await asyncpg.connect(postgres.dsn)
    try:
        await connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        await connection.execute(f"CREATE DATABASE {DATABASE}")
    finally:
        await connection.close()
    dsn = postgres.dsn_of(DATABASE)
    await migrate(dsn)
    return dsn


async def _make_fleet(options: Options) -> Path:
    """Let the simulator write down its handsets with new secrets."""
    file = _fleet_file(options)
    arguments = ["-m", "device_sim", "fleet", "--out", str(file), "--seed", str(options.seed)]
    arguments += ["--transport", options.transport, *_scale(options)]
    log = options.directory / "fleet.log"
    async with _process(arguments, log, {}) as process:
        if await process.wait():
            raise ServerFailedError(f"the fleet could not be made:\n{_tail(log)}")
    return file


async def _register(dsn: str, fleet: Path) -> list[BrokerUser]:
    lines = (await asyncio.to_thread(fleet.read_text, encoding="utf-8")).splitlines()
    async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
        await Devices(pool).add(list(read_device_file(lines)))
    return [
        BrokerUser(row["device"], mqtt_password(bytes.fromhex(row["secret"])), int(row["device"]))
        for row in csv.DictReader(lines)
    ]


def _write_environment(running: Servers) -> None:
    """What programs beside the demo need to find it: for `. var/demo/environment` in a shell."""
    values = {
        "TCP_GATEWAY": running.gateway,
        "BROKER": running.broker,
        "BROKER_USER": running.subscriber.name,
        "BROKER_PASSWORD": running.subscriber.password,
        "GATEWAY_DATABASE__DSN": running.dsn,
    }
    running.environment.touch(mode=0o600)
    text = "".join(f"{name}='{value}'\n" for name, value in values.items())
    running.environment.write_text(text, encoding="utf-8")


def _fleet_file(options: Options) -> Path:
    return options.directory / "fleet.csv"


def _scale(options: Options) -> list[str]:
    scale = {"--reports": options.reports, "--devices": options.devices}
    return [part for name, value in scale.items() if value for part in (name, str(value))]


# The subscriber.


@asynccontextmanager
async def _subscriber(options: Options, running: Servers) -> AsyncIterator[Process]:
    """A downstream service that has subscribed before the first report is stored."""
    log = options.directory / "subscriber.log"
    _events_file(options).unlink(missing_ok=True)
    user = running.subscriber
    arguments = [
        *("-m", "gateway.demo_subscriber", "--broker", running.broker, "--user", user.name),
        *("--dsn", running.dsn, "--json", str(_events_file(options))),
    ]
    async with _process(arguments, log, {"PASSWORD": user.password}) as process:
        async with asyncio.timeout(READY_WITHIN_SECONDS):
            while SUBSCRIBED not in await asyncio.to_thread(log.read_text, encoding="utf-8"):
                if process.returncode is not None:
                    raise ServerFailedError(f"the subscriber ended:\n{_tail(log)}")
                await asyncio.sleep(POLL_SECONDS)
        yield process


async def _until_published(dsn: str) -> None:
    """Wait until the relay has published everything that is stored."""
    connection = await asyncpg.connect(dsn)
    try:
        async with asyncio.timeout(PUBLISHED_WITHIN_SECONDS):
            waiting = "SELECT publications_waiting FROM relay_state"
            while await connection.fetchval(waiting):  # noqa: ASYNC110 - another program's work
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise ServerFailedError("the relay has not published everything in time") from None
    finally:
        await connection.close()


async def _counted_events(options: Options, subscriber: Process) -> Mapping[str, int]:
    """Let the subscriber compare what came with the database; its figures."""
    subscriber.send_signal(signal.SIGTERM)
    await subscriber.wait()
    file = _events_file(options)
    if not file.exists():
        log = options.directory / "subscriber.log"
        raise ServerFailedError(f"the subscriber counted nothing:\n{_tail(log)}")
    counted: Mapping[str, int] = json.loads(
        await asyncio.to_thread(file.read_text, encoding="utf-8")
    )
    return counted


def _events_file(options: Options) -> Path:
    return options.directory / "events.json"


# Processes and figures.


@asynccontextmanager
async def _process(
    arguments: list[str], log: Path, environment: Mapping[str, str]
) -> AsyncIterator[Process]:
    """A Python program of ours, ended with SIGTERM, and killed if that does not help."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), STOP_WITHIN_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _until_ready(url: str, process: Process, log: Path) -> None:
    try:
        async with asyncio.timeout(READY_WITHIN_SECONDS), aiohttp.ClientSession() as http:
            while process.returncode is None:
                try:
                    async with http.get(url) as response:
                        if response.ok:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        pass
    raise ServerFailedError(f"the gateway is not ready:\n{_tail(log)}")


async def _watched(http: str, watch: Watch, work: Coroutine[Any, Any, Done]) -> Done:
    """Do some work while the figures are shown."""
    ended = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_watch(http, watch, ended))
        result = await work
        ended.set()
    return result


async def _watch(http: str, watch: Watch, ended: asyncio.Event) -> None:
    while not ended.is_set():
        watch(await _figures(http))
        try:
            await asyncio.wait_for(ended.wait(), POLL_SECONDS)
        except TimeoutError:
            continue


async def _figures(http: str) -> dict[str, float]:
    """The gateway's own figures, both transports together."""
    async with aiohttp.ClientSession() as session, session.get(f"{http}/metrics") as response:
        return figures_of(await response.text())


def figures_of(exposition: str) -> dict[str, float]:
    """Sums over all labels of what the gateway exports, by name without prefix and suffix."""
    figures: dict[str, float] = {}
    for line in exposition.splitlines():
        if not line.startswith("gateway_"):
            continue
        name, _, value = line.rpartition(" ")
        key = name.partition("{")[0].removeprefix("gateway_").removesuffix("_total")
        figures[key] = figures.get(key, 0.0) + float(value)
    return figures


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
