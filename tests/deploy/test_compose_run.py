"""What compose describes, done with processes of this machine: the same commands, environment and
files, with 127.0.0.1 and free ports in place of the names of services.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from gateway.protocol.acks import covered
from gateway.protocol.messages import Ack, Message, Welcome
from gateway.protocol.wire_report import pack_report
from tests.helpers.brokers import need_mosquitto
from tests.helpers.builders import EDITION_2007, build_report
from tests.helpers.certificates import Certificate, make_certificate
from tests.helpers.compose import environment_of, secret_of, services
from tests.helpers.deployed_broker import DeployedBroker
from tests.helpers.deployed_postgres import DeployedPostgres
from tests.helpers.device_client import connect
from tests.helpers.dockerfile import health_check
from tests.helpers.mqtt_device import MqttDevice, mqtt_device
from tests.helpers.processes import GatewayProcess, gateway_process

pytestmark = [pytest.mark.mosquitto, pytest.mark.timeout(180)]

DEVICE = 4403070001
STREET = 440307003
TRIES_OF_THE_OTHER = 64
"""Reports until both gateways have had one over MQTT: the broker deals them out in turn."""


@dataclass
class Stack:
    """What `docker compose up` leaves running, and the handset that was registered."""

    postgres: DeployedPostgres
    broker: DeployedBroker
    gateways: Mapping[str, GatewayProcess]
    certificate: Certificate
    secret: bytes
    mqtt_password: str

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """What the dashboards' role reads."""
        dsn = self.postgres.dsn_of("grafana", secret_of("GRAFANA_DATABASE_PASSWORD"))
        with psycopg.connect(dsn) as connection:
            return connection.execute(query.encode()).fetchall()

    def gateways_that_stored(self, transport: str) -> set[object]:
        """Names in the ledger."""
        stored = f"SELECT gateway FROM ledger_by_day WHERE transport = '{transport}' AND stored > 0"
        return {name for (name,) in self.rows(stored)}


def mapped(
    name: str,
    postgres: DeployedPostgres,
    broker: DeployedBroker,
    certificate: Certificate | None = None,
) -> dict[str, str]:
    """The environment of a service, each server's name and port replaced; both must be there. With
    a certificate in place of the one that is mounted.
    """
    environment = environment_of(name)
    dsn, host = environment["GATEWAY_DATABASE__DSN"], environment["GATEWAY_MQTT__HOST"]
    assert "@postgres:5432/" in dsn
    assert (host, environment["GATEWAY_MQTT__PORT"]) == ("mosquitto", "1884")
    return environment | {
        "GATEWAY_DATABASE__DSN": dsn.replace("@postgres:5432/", f"@127.0.0.1:{postgres.port}/"),
        "GATEWAY_MQTT__HOST": broker.host,
        "GATEWAY_MQTT__PORT": str(broker.gateway_port),
        **({} if certificate is None else shown(certificate, environment)),
    }


def shown(certificate: Certificate, environment: Mapping[str, str]) -> dict[str, str]:
    """The certificate's files as settings that compose has too."""
    settings = {f"GATEWAY_TCP__{name.upper()}": file for name, file in certificate.settings.items()}
    assert settings.keys() <= environment.keys()
    return settings


def run_in_image(command: list[str], environment: Mapping[str, str]) -> str:
    """A command of the gateway to its end; what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway", *command],
        env={"PATH": os.defpath, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def stack(place: Path) -> Iterator[Stack]:
    """`docker compose up`, in the order of `depends_on`, and a handset registered by hand."""
    need_mosquitto()
    need_mosquitto("mosquitto_sub", "mosquitto-clients")  # the broker's health check
    every = services()
    with ExitStack() as running:
        postgres = DeployedPostgres(place / "compose-postgres", every["postgres"])
        running.callback(postgres.stop)
        postgres.start()
        broker = DeployedBroker(place / "compose-broker", every["broker-files"], every["mosquitto"])
        broker.prepare()
        running.callback(broker.stop)
        broker.start()
        migrated = run_in_image(every["migrate"]["command"], mapped("migrate", postgres, broker))
        assert "applied: 0001-reference" in migrated
        certificate = make_certificate(place)
        gateways = {
            name: running.enter_context(
                gateway_process(
                    place / f"{name}.log", name, mapped(name, postgres, broker, certificate)
                )
            )
            for name in ("gateway-1", "gateway-2")
        }
        added = run_in_image(
            ["devices", "add", str(DEVICE), "--street", str(STREET)],
            mapped("gateway-1", postgres, broker),
        )
        printed = dict(re.findall(r"^(\w+) +(\w+)$", added, re.MULTILINE))
        broker.add_user(str(DEVICE), printed["mqtt_password"])
        secret = bytes.fromhex(printed["secret"])
        yield Stack(postgres, broker, gateways, certificate, secret, printed["mqtt_password"])


def wire(sequence: int) -> Message:
    """A report of the handset."""
    return pack_report(build_report(sequence=sequence), EDITION_2007)


def health(name: str, stack: Stack) -> int:
    """Exit code of the image's health check, with the environment of the container."""
    port = {"GATEWAY_HTTP__PORT": str(stack.gateways[name].http_port)}
    done = subprocess.run(
        health_check(), env={**environment_of(name), **port}, capture_output=True, check=False
    )
    return done.returncode


async def settle(device: MqttDevice, sequence: int) -> None:
    """Publish a report and wait for the ack that covers it."""
    await device.publish(wire(sequence))
    while True:
        answer = await device.receive()
        assert isinstance(answer, Ack), answer
        if any(sequence in run for run in covered(answer)):
            return


def test_everything_is_healthy(stack: Stack) -> None:
    """By the health checks of image and compose file, and each gateway by each of its checks."""
    assert stack.postgres.is_healthy()
    assert stack.broker.is_healthy()
    for name, gateway in stack.gateways.items():
        assert health(name, stack) == 0
        with urllib.request.urlopen(f"http://127.0.0.1:{gateway.http_port}/readyz") as answer:
            checks = json.load(answer)
        assert checks == {"database": True, "room": True, "broker": True}


@pytest.mark.asyncio
async def test_a_report_over_tcp_and_reports_over_mqtt(stack: Stack) -> None:
    """Through one gateway over TCP, through the other over MQTT; the dashboards see them."""
    address = ("127.0.0.1", stack.gateways["gateway-1"].tcp_port)
    trusting = stack.certificate.trusting()
    async with connect(address, DEVICE, tls=trusting) as handset:
        handset.secret = stack.secret
        await handset.greet()
        await handset.send(wire(1))
        await handset.expect_acks_of(1)
    assert stack.gateways_that_stored("tcp") == {"gateway-1"}

    async with mqtt_device(stack.broker, DEVICE, 2, password=stack.mqtt_password) as device:
        await device.greet()
        assert isinstance(await device.receive(), Welcome)
        sent = 0
        while "gateway-2" not in await asyncio.to_thread(stack.gateways_that_stored, "mqtt"):
            sent += 1
            assert sent <= TRIES_OF_THE_OTHER, "the broker gives gateway-2 nothing"
            await settle(device, sent)
    rows = stack.rows("SELECT installation, count(*) FROM report_readable GROUP BY 1 ORDER BY 1")
    assert rows == [(1, 1), (2, sent)]


def test_preparing_again_keeps_the_handsets(stack: Stack) -> None:
    """`up` runs `broker-files` each time: the handset's password stays, a wrong one is refused."""
    stack.broker.prepare()
    stack.broker.add_user("4403070002", "another")
    assert stack.broker.lets_in(str(DEVICE), stack.mqtt_password)
    assert not stack.broker.lets_in(str(DEVICE), "guessed")
    assert stack.broker.lets_in("workflow", secret_of("MQTT_WORKFLOW_PASSWORD"))


def test_the_password_file_is_the_brokers_alone(stack: Stack) -> None:
    """Mosquitto warns of others today and will refuse them."""
    for file in stack.broker.configuration.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file.name
    text = (stack.broker.configuration / "field-gateway.passwords").read_text(encoding="ascii")
    assert stack.mqtt_password not in text
    assert secret_of("MQTT_GATEWAY_PASSWORD") not in text


def test_stopping_one_leaves_the_other(stack: Stack) -> None:
    """SIGTERM ends a gateway in order; its health check says so, and the other goes on."""
    assert stack.gateways["gateway-2"].stop() == 0
    assert health("gateway-2", stack) != 0
    assert health("gateway-1", stack) == 0
