"""What the run takes place in: database, broker, two gateways, and a link before each of them."""

import asyncio
import csv
import secrets
import shutil
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from chaos.certificate import Certificate, make_certificate
from chaos.gateway import Gateway
from chaos.proxy import Address, Link, open_link
from chaos.schedule import CORRUPTIBLE, GATEWAYS, LINKS
from chaos.small_disk import SmallDisk, small_disk
from gateway.devices import Devices, read_device_file
from gateway.embedded_broker import BrokerUser, EmbeddedBroker
from gateway.embedded_postgres import EmbeddedPostgres
from gateway.migrate import migrate
from gateway.protocol.proof import mqtt_password

STANDBY_HOST: Final = "127.0.0.2"
"""Where PostgreSQL answers after a fail-over."""

MAX_CONNECTIONS: Final = 50
"""Of PostgreSQL: two gateways need some 26; few, because the run takes all of them."""

POSTGRES_SETTINGS: Final = {
    "listen_addresses": f"127.0.0.1,{STANDBY_HOST}",
    "max_connections": str(MAX_CONNECTIONS),
    "shared_buffers": "64MB",
    # The log must fit on the small disk, and checkpoints are to happen.
    "max_wal_size": "64MB",
    "min_wal_size": "32MB",
    "checkpoint_timeout": "30s",
}

BROKER_ACK_WAIT_SECONDS: Final = 5
"""Longer than a commit takes, shorter than the half minute of a real installation."""

STOP_WITHIN_SECONDS: Final = 5.0
"""At the end of a run that was broken off; then they are killed."""

GATEWAY_SETTINGS: Final = {
    "GATEWAY_MQTT__ENABLED": "true",
    "GATEWAY_MQTT__VERSION": "3.1.1",
    "GATEWAY_MQTT__KEEPALIVE_SECONDS": "10",
    # Shorter than in earnest, so that a run of a minute has time-outs too.
    "GATEWAY_DATABASE__COMMAND_TIMEOUT_SECONDS": "5",
    "GATEWAY_TASKS__RETRY_SECONDS": "3",
    "GATEWAY_METER__FLUSH_SECONDS": "1",
}


class NotInjectedError(Exception):
    """This machine does not let us break that; the message says why."""


@dataclass(frozen=True, slots=True)
class World:
    """All that may break.

    Attributes:
        ca_file: whom handsets believe that speak TLS with gateway a.
        dsn: of the database, past all links.
        workflow: who may read events and ask for tasks.
    """

    ca_file: Path
    dsn: str
    postgres: EmbeddedPostgres
    disk: SmallDisk
    broker: EmbeddedBroker
    links: Mapping[str, Link]
    gateways: Mapping[str, Gateway]
    workflow: BrokerUser

    @property
    def database_links(self) -> list[Link]:
        """Between the gateways and PostgreSQL."""
        return [self.links[f"{name}-postgres"] for name in GATEWAYS]

    @property
    def handset_links(self) -> list[Link]:
        """Between handsets and what they speak to."""
        return [link for name, link in self.links.items() if name.startswith("handsets-")]


@asynccontextmanager
async def open_world(directory: Path, fleets: Iterable[Path], seed: int) -> AsyncIterator[World]:
    """Start everything anew, with the devices of these fleet files; end it in reverse order."""
    users = [user for fleet in fleets for user in _users(fleet)]
    gateway_user = BrokerUser("gateway", secrets.token_hex(16))
    workflow = BrokerUser("workflow", secrets.token_hex(16), is_workflow=True)
    async with AsyncExitStack() as stack:
        postgres, disk = await _postgres(stack, directory)
        await migrate(postgres.dsn)
        await _register(postgres.dsn, fleets)
        # Sessions and messages of an earlier run would come into this one's tables.
        await asyncio.to_thread(shutil.rmtree, directory / "broker", ignore_errors=True)
        broker = EmbeddedBroker(
            directory / "broker", [gateway_user, workflow, *users], BROKER_ACK_WAIT_SECONDS
        )
        stack.push_async_callback(asyncio.to_thread, broker.kill)
        await asyncio.to_thread(broker.start)
        links: dict[str, Link] = {}
        settings = GATEWAY_SETTINGS | {
            "GATEWAY_MQTT__USERNAME": gateway_user.name,
            "GATEWAY_MQTT__PASSWORD": gateway_user.password,
        }
        servers: dict[str, Address] = {
            "postgres": ("127.0.0.1", postgres.port),
            "broker": (broker.host, broker.port),
        }
        links = {
            name: await stack.enter_async_context(open_link(name, servers[server], seed))
            for name in LINKS
            if (server := name.rpartition("-")[2]) in servers
        }
        gateways = {}
        certificate = make_certificate(directory)
        for name in GATEWAYS:
            own = _gateway_settings(name, postgres.dsn, links, certificate)
            gateway = Gateway(name, directory, settings | own)
            target = ("127.0.0.1", gateway.tcp_port)
            opened = open_link(f"handsets-{name}", target, seed)
            links[f"handsets-{name}"] = await stack.enter_async_context(opened)
            stack.push_async_callback(gateway.program.end, STOP_WITHIN_SECONDS)
            await gateway.start()
            await gateway.until_ready()
            gateways[name] = gateway
        yield World(
            certificate.authority, postgres.dsn, postgres, disk, broker, links, gateways, workflow
        )


async def _postgres(stack: AsyncExitStack, directory: Path) -> tuple[EmbeddedPostgres, SmallDisk]:
    postgres = EmbeddedPostgres(directory / "postgres", POSTGRES_SETTINGS)
    await asyncio.to_thread(_clear, postgres.place)
    disk = stack.enter_context(small_disk(postgres.place))
    stack.push_async_callback(asyncio.to_thread, postgres.stop)
    await asyncio.to_thread(postgres.start)
    return postgres, disk


def _clear(directory: Path) -> None:
    for entry in directory.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _users(fleet: Path) -> list[BrokerUser]:
    with fleet.open(encoding="utf-8", newline="") as file:
        return [
            BrokerUser(
                row["device"], mqtt_password(bytes.fromhex(row["secret"])), int(row["device"])
            )
            for row in csv.DictReader(file)
        ]


async def _register(dsn: str, fleets: Iterable[Path]) -> None:
    async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
        for fleet in fleets:
            lines = fleet.read_text(encoding="utf-8").splitlines()
            await Devices(pool).add(list(read_device_file(lines)))


def _gateway_settings(
    name: str, dsn: str, links: Mapping[str, Link], certificate: Certificate
) -> dict[str, str]:
    broker = links[f"{name}-broker"]
    secure = {
        "GATEWAY_TCP__CERTIFICATE": str(certificate.chain),
        "GATEWAY_TCP__PRIVATE_KEY": str(certificate.private_key),
    }
    is_corruptible = f"handsets-{name}" in CORRUPTIBLE
    return {
        **(secure if is_corruptible else {"GATEWAY_TCP__PLAINTEXT": "true"}),
        "GATEWAY_DATABASE__DSN": _by_way_of(links[f"{name}-postgres"], dsn),
        "GATEWAY_MQTT__HOST": "127.0.0.1",
        "GATEWAY_MQTT__PORT": str(broker.port),
    }


def _by_way_of(link: Link, dsn: str) -> str:
    parts = urlsplit(dsn)
    credentials = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{credentials}@{link.address}"))
