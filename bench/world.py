"""The servers that all parts share, and a fresh database and a fresh gateway for each."""

import asyncio
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, LiteralString

import asyncpg
import msgspec
import psycopg
from psycopg import sql

from bench.processes import READY_WITHIN_SECONDS, BenchError, program, wait_until
from bench.workload import Handset
from gateway.demo_figures import figures_of
from gateway.devices import Devices, NewDevice
from gateway.embedded_broker import BrokerUser, EmbeddedBroker
from gateway.embedded_postgres import EmbeddedPostgres
from gateway.migrate import migrate
from gateway.protocol.proof import derive_keys, mqtt_password
from gateway.server_process import free_port

TEMPLATE: Final = "bench_template"
DATABASE: Final = "bench"
HTTP_SECONDS: Final = 10.0
TOLD_POLL_SECONDS: Final = 0.1
GATEWAY_USER: Final = BrokerUser("gateway", "no secret on loopback")


UNTOLD: Final = 'gateway_queue_depth{queue="presence_untold"} '
"""How the metric begins that counts devices whose coming is not published yet."""


class RunningGateway(msgspec.Struct, frozen=True):
    """A gateway of its own, and where it listens."""

    pid: int
    tcp_port: int
    http: str

    def figures(self) -> dict[str, float]:
        """Its metrics, summed over labels."""
        return figures_of(self._metrics())

    def wait_until_told(self) -> None:
        """Wait until the greetings are wholly over: all who came are published, if any are."""
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        while any(
            line.startswith(UNTOLD) and float(line.removeprefix(UNTOLD))
            for line in self._metrics().splitlines()
        ):
            if time.monotonic() > deadline:
                raise BenchError("who is online is not published in time")
            time.sleep(TOLD_POLL_SECONDS)

    def _metrics(self) -> str:
        with urllib.request.urlopen(f"{self.http}/metrics", timeout=HTTP_SECONDS) as response:  # noqa: S310 - our own address
            text: str = response.read().decode()
            return text


class World:
    """PostgreSQL and the directory of a run. The broker is made anew for each part that has one,
    so that no part reads what another has left.
    """

    def __init__(self, directory: Path, postgres: EmbeddedPostgres) -> None:
        self.directory = directory
        self.postgres = postgres

    @contextmanager
    def database(self) -> Iterator[str]:
        """A database with the schema, the devices and nothing else, and a checkpoint behind it."""
        name, template = sql.Identifier(DATABASE), sql.Identifier(TEMPLATE)
        self._administer(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
        create = "CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY"
        self._administer(sql.SQL(create).format(name, template))
        self._administer(sql.SQL("CHECKPOINT"))
        yield self.postgres.dsn_of(DATABASE)
        drop: LiteralString = "DROP DATABASE {} WITH (FORCE)"
        self._administer(sql.SQL(drop).format(name))

    def make_template(self, fleet: Sequence[Handset]) -> None:
        """Migrate once, and register the devices."""
        template = sql.Identifier(TEMPLATE)
        self._administer(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(template))
        self._administer(sql.SQL("CREATE DATABASE {}").format(template))
        asyncio.run(_migrate_and_register(self.postgres.dsn_of(TEMPLATE), fleet))

    @contextmanager
    def broker(self, fleet: Sequence[Handset]) -> Iterator[EmbeddedBroker]:
        """An empty broker that knows the devices and keeps each to its own topics."""
        place = self.directory / "broker"
        shutil.rmtree(place, ignore_errors=True)
        users = [BrokerUser(str(h.device_id), mqtt_password(h.secret), h.device_id) for h in fleet]
        broker = EmbeddedBroker(place, [GATEWAY_USER, *users])
        broker.start()
        try:
            yield broker
        finally:
            broker.stop()

    def broker_pid(self) -> int:
        """Of the running broker."""
        return int((self.directory / "broker" / "pid").read_text(encoding="ascii"))

    @contextmanager
    def gateway(
        self,
        dsn: str,
        broker: EmbeddedBroker | None = None,
        *,
        publishes: bool = False,
        meters: bool = True,
        settings: Mapping[str, str] | None = None,
    ) -> Iterator[RunningGateway]:
        """`gateway serve` as in production: a process of its own, its settings in the
        environment, all of them the defaults but for the addresses, `relay.enabled`,
        `meter.enabled`, and these.
        """
        tcp_port, http_port = free_port(), free_port()
        environment = {
            "GATEWAY_NAME": "bench",
            "GATEWAY_DATABASE__DSN": dsn,
            "GATEWAY_TCP__HOST": "127.0.0.1",
            "GATEWAY_TCP__PORT": str(tcp_port),
            "GATEWAY_TCP__PLAINTEXT": "true",
            "GATEWAY_HTTP__PORT": str(http_port),
            "GATEWAY_RELAY__ENABLED": str(publishes).lower(),
            "GATEWAY_METER__ENABLED": str(meters).lower(),
            **(_mqtt_environment(broker) if broker else {}),
            **(settings or {}),
        }
        log = self.directory / "gateway.log"
        http = f"http://127.0.0.1:{http_port}"
        with program(["-m", "gateway", "serve"], log, environment) as process:
            wait_until(lambda: _is_ready(http), process, log, READY_WITHIN_SECONDS)
            yield RunningGateway(process.pid, tcp_port, http)

    def _administer(self, statement: sql.Composed | sql.SQL) -> None:
        with psycopg.connect(self.postgres.dsn, autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def open_world(directory: Path) -> Iterator[World]:
    """Start PostgreSQL with its data under `directory`; stop it at the end."""
    directory.mkdir(parents=True, exist_ok=True)
    postgres = EmbeddedPostgres(directory / "postgres")
    postgres.start()
    try:
        yield World(directory.resolve(), postgres)
    finally:
        postgres.stop()


def check_stored(dsn: str, fleet: Sequence[Handset], reports: int) -> None:
    """Every report of every device is there, and nothing else.

    Raises:
        BenchError: something is missing, extra or altered.
    """
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "SELECT device_id, installation, count(*), max(sequence),"
            " sum(octet_length(description)) FROM report GROUP BY device_id, installation"
        ).fetchall()
    stored = {(device, installation): rest for device, installation, *rest in rows}
    sent = {
        (handset.device_id, handset.installation): [
            len(handset.reports),
            len(handset.reports),
            sum(len(report.description.encode()) for report in handset.reports),
        ]
        for handset in fleet
    }
    if stored != sent:
        wrong = [key for key in stored.keys() | sent.keys() if stored.get(key) != sent.get(key)]
        raise BenchError(f"stored is not what was sent, for {len(wrong)} devices as {wrong[:3]}")
    if reports != sum(count for count, *_ in sent.values()):
        raise BenchError(f"{reports} reports were acked, but not all that were sent")


def count_rows(connection: psycopg.Connection[tuple[int]]) -> int:
    """Rows in the table now."""
    row = connection.execute("SELECT count(*) FROM report").fetchone()
    return row[0] if row else 0


async def _migrate_and_register(dsn: str, fleet: Sequence[Handset]) -> None:
    await migrate(dsn)
    async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
        await Devices(pool).add([NewDevice(h.device_id, derive_keys(h.secret)) for h in fleet])


def _mqtt_environment(broker: EmbeddedBroker) -> Mapping[str, str]:
    return {
        "GATEWAY_MQTT__ENABLED": "true",
        "GATEWAY_MQTT__HOST": broker.host,
        "GATEWAY_MQTT__PORT": str(broker.gateway_port),
        "GATEWAY_MQTT__VERSION": "3.1.1",
        "GATEWAY_MQTT__USERNAME": GATEWAY_USER.name,
        "GATEWAY_MQTT__PASSWORD": GATEWAY_USER.password,
    }


def _is_ready(http: str) -> bool:
    try:
        with urllib.request.urlopen(f"{http}/readyz", timeout=HTTP_SECONDS) as response:  # noqa: S310 - our own address
            return bool(response.status == 200)  # noqa: PLR2004 - HTTP's own number
    except (urllib.error.URLError, OSError):
        return False
