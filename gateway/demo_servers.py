"""The servers of the demo, each in a process of its own: database, broker and gateway, in order."""

import asyncio
import csv
import secrets
import shutil
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
import asyncpg

from gateway.demo_process import POLL_SECONDS, READY_WITHIN_SECONDS, program, tail
from gateway.devices import Devices, read_device_file
from gateway.embedded_broker import BrokerUser, EmbeddedBroker
from gateway.embedded_postgres import EmbeddedPostgres
from gateway.migrate import migrate
from gateway.protocol.proof import mqtt_password
from gateway.quarter import load_published
from gateway.server_process import ServerFailedError, free_port

DATABASE: Final = "quarter"
"""Made anew for each run, inside a cluster that is kept."""


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

    @property
    def fleet(self) -> Path:
        """Where the simulator writes its handsets down, and reads them."""
        return self.directory / "fleet.csv"

    @property
    def scale(self) -> list[str]:
        """The simulator's options for a smaller quarter."""
        scale = {"--reports": self.reports, "--devices": self.devices}
        return [part for name, value in scale.items() if value for part in (name, str(value))]


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
            "GATEWAY_TCP__PLAINTEXT": "true",  # it does not leave this machine
            "GATEWAY_HTTP__PORT": str(http_port),
            "GATEWAY_COST__PLAYED_AS": played_as(),
            "GATEWAY_METER__ENABLED": "true",
            "GATEWAY_MQTT__ENABLED": "true",
            "GATEWAY_MQTT__HOST": broker.host,
            "GATEWAY_MQTT__PORT": str(broker.port),
            "GATEWAY_MQTT__VERSION": "3.1.1",
            "GATEWAY_MQTT__USERNAME": gateway_user.name,
            "GATEWAY_MQTT__PASSWORD": gateway_user.password,
        }
        log = directory / "gateway.log"
        gateway = await stack.enter_async_context(
            program(["-m", "gateway", "serve"], log, environment)
        )
        http = f"http://127.0.0.1:{http_port}"
        await _until_ready(f"{http}/readyz", gateway, log)
        addresses = (f"127.0.0.1:{tcp_port}", f"{broker.host}:{broker.port}")
        running = Servers(dsn, http, *addresses, subscriber, directory / "environment")
        await asyncio.to_thread(_write_environment, running)
        yield running


def played_as() -> str:
    """The days that the run stands for, as the setting `cost.played_as`."""
    published = load_published()
    return f"{published.first_day}/{published.last_day}"


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
    file = options.fleet
    arguments = ["-m", "device_sim", "fleet", "--out", str(file), "--seed", str(options.seed)]
    arguments += ["--transport", options.transport, *options.scale]
    log = options.directory / "fleet.log"
    async with program(arguments, log, {}) as process:
        if await process.wait():
            raise ServerFailedError(f"the fleet could not be made:\n{tail(log)}")
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
        "GATEWAY_COST__PLAYED_AS": played_as(),
    }
    running.environment.touch(mode=0o600)
    text = "".join(f"{name}='{value}'\n" for name, value in values.items())
    running.environment.write_text(text, encoding="utf-8")


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
    raise ServerFailedError(f"the gateway is not ready:\n{tail(log)}")
