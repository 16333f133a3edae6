"""The model of a device's MQTT connection against the wire: real clients in a network namespace,
Mosquitto, a gateway in a process of its own, and between clients and broker a link that counts each
IP packet.
"""

import asyncio
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.devices import Devices, read_device_file
from gateway.server_process import free_port
from gateway.store import open_pool
from tests.helpers.brokers import need_mosquitto
from tests.helpers.gateway_process import GatewayProcess, gateway_process
from tests.helpers.lossy_link import LossyLink, lossy_link, run_in
from tests.helpers.mosquitto import Mosquitto
from tests.helpers.paho_handset import KEEPALIVE_SECONDS, WORKS
from tests.helpers.processes import run_fleet_command
from tests.helpers.served_gateway import Look, register

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(240), pytest.mark.mosquitto]

TOLERANCE = 0.10
"""Of both directions together, which is what a data plan counts."""

TOLERANCE_EACH_WAY = 0.20
"""How the broker joins small segments differs that much from one run to the next."""

DELAY_SECONDS = 0.015
"""One way: a fast mobile link. Without it packets would gather, or not, by how busy the machine is.
"""

RUN_WITHIN_SECONDS = 120.0


@contextmanager
def listening_broker(place: Path, link: LossyLink) -> Iterator[tuple[Mosquitto, int]]:
    """Mosquitto with one more listener, on the link."""
    need_mosquitto()
    port = free_port()
    with tempfile.TemporaryDirectory(dir=place, ignore_cleanup_errors=True) as name:
        broker = Mosquitto(Path(name) / "broker", extra=f"listener {port} {link.host}")
        broker.start()
        try:
            yield broker, port
        finally:
            broker.stop()


@contextmanager
def metering_gateway(
    dsn: str, log: Path, broker: Mosquitto, version: str = "auto"
) -> Iterator[GatewayProcess]:
    """A gateway that takes messages from the broker."""
    with gateway_process(
        dsn,
        log,
        mqtt__enabled="true",
        mqtt__host=broker.host,
        mqtt__port=str(broker.gateway_port),
        mqtt__version=version,
        meter__mqtt_keepalive_seconds=str(KEEPALIVE_SECONDS),
    ) as gateway:
        gateway.wait_for("broker_connected")
        yield gateway


async def run_there(link: LossyLink, *arguments: str) -> None:
    """A Python program in the namespace, to its end."""
    command = [sys.executable, "-m", *arguments]
    await asyncio.to_thread(run_in, link.name, command, RUN_WITHIN_SECONDS)


async def compare(link: LossyLink, gateway: GatewayProcess, dsn: str, connections: int) -> None:
    """End the gateway, and hold its figures against the wire."""
    gateway.process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(gateway.end) == 0
    rows = await Look(dsn).rows(
        "SELECT sum(bytes_up)::int, sum(bytes_down)::int, sum(connections)::int"
        " FROM traffic WHERE transport = 'mqtt'"
    )
    ((up, down, found),) = rows
    true = link.total
    assert found == connections
    assert abs(up + down - true.bytes_up - true.bytes_down) <= TOLERANCE * (
        true.bytes_up + true.bytes_down
    )
    assert abs(up - true.bytes_up) <= TOLERANCE_EACH_WAY * true.bytes_up
    assert abs(down - true.bytes_down) <= TOLERANCE_EACH_WAY * true.bytes_down


@pytest.mark.parametrize("version", ["3.1.1", "5"])
@pytest.mark.parametrize("work", WORKS)
async def test_paho(
    work: str, version: str, database_dsn: str, place: Path, tmp_path: Path
) -> None:
    """Each kind of work is within 10 %."""
    await register(database_dsn, [1])
    with (
        lossy_link(delay_seconds=DELAY_SECONDS) as link,
        listening_broker(place, link) as (broker, port),
        metering_gateway(database_dsn, tmp_path / "g.log", broker, version) as gateway,
    ):
        arguments = ("tests.helpers.paho_handset", link.host, str(port), version, work)
        await run_there(link, *arguments)
        await compare(link, gateway, database_dsn, 12 if work == "connections" else 1)


@pytest.mark.parametrize("reports", [30, 600])
async def test_simulated_handsets(
    reports: int, database_dsn: str, place: Path, tmp_path: Path
) -> None:
    """The simulator's handsets, with few reports each and with backlogs, are within 10 %."""
    fleet = tmp_path / "fleet.csv"
    scale = ("--devices", "3", "--reports", str(reports))
    await asyncio.to_thread(run_fleet_command, "fleet", "--out", str(fleet), *scale)
    pool = await open_pool(database_dsn, size=1)
    await Devices(pool).add(list(read_device_file(fleet.read_text().splitlines())))
    await pool.close()
    with (
        lossy_link(delay_seconds=DELAY_SECONDS) as link,
        listening_broker(place, link) as (broker, port),
        metering_gateway(database_dsn, tmp_path / "g.log", broker) as gateway,
    ):
        await run_there(
            link,
            *("device_sim", "run", "--fleet", str(fleet), *scale, "--transport", "mqtt"),
            *("--broker", f"{link.host}:{port}", "--link", "perfect", "--no-faults"),
        )
        await compare(link, gateway, database_dsn, 3)
