"""The end of a gateway whose database stands still: in bounded time, and without a false ack."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from gateway.app import longest_stop_seconds
from gateway.embedded_postgres import EmbeddedPostgres
from gateway.protocol.errors import GoodbyeReason
from gateway.protocol.messages import Ack
from gateway.settings import Settings
from tests.helpers.brokers import Broker
from tests.helpers.databases import migrate_now
from tests.helpers.device_client import greeted
from tests.helpers.gateway_process import gateway_process
from tests.helpers.mqtt_device import mqtt_device
from tests.helpers.served_gateway import Look, register
from tests.helpers.wire import wire

DRAIN_SECONDS: Final = 2.0

LONGEST_STOP_SECONDS: Final = longest_stop_seconds(Settings(drain_timeout_seconds=DRAIN_SECONDS))

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(LONGEST_STOP_SECONDS + 120)]

NAME: Final = "frozen"
"""Of both gateways, so that the second has the session at the broker that the first had."""


@contextmanager
def standing_still(postgres: EmbeddedPostgres) -> Iterator[None]:
    """Connections stay open and new ones are taken by the kernel, but nothing answers."""
    children = Path(f"/proc/{postgres.pid}/task/{postgres.pid}/children")
    os.kill(postgres.pid, signal.SIGSTOP)  # first, so that no child is added
    stopped = [postgres.pid, *map(int, children.read_text(encoding="ascii").split())]
    for pid in stopped[1:]:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(stopped):
            os.kill(pid, signal.SIGCONT)


async def until_in_flight(http: aiohttp.ClientSession, url: str, items: int) -> None:
    """Wait until so many reports are received and not committed."""
    async with asyncio.timeout(30):
        while True:
            async with http.get(f"{url}/metrics") as response:
                text = await response.text()
            lines = [line for line in text.splitlines() if line.startswith("gateway_in_flight{")]
            if sum(float(line.rpartition(" ")[2]) for line in lines) == items:
                return
            await asyncio.sleep(0.05)


async def until_page_says_away(http: aiohttp.ClientSession, url: str) -> None:
    """Look at the page until it has given up waiting for the database. Its bill is made from the
    first look on.
    """
    async with asyncio.timeout(30):
        while True:
            async with http.get(f"{url}/api/figures") as response:
                if not (await response.json())["database"]:
                    return


async def test_a_stop_while_the_database_stands_still(
    own_postgres: EmbeddedPostgres, nats_broker: Broker, tmp_path: Path
) -> None:
    """With reports under way on both transports, and metering, relay and page in use, it ends with
    code 0 within the time that is documented, and acks nothing. The next gateway gets all.
    """
    dsn = own_postgres.dsn
    await asyncio.to_thread(migrate_now, dsn)
    await register(dsn)
    settings = {
        "mqtt__enabled": "true",
        "mqtt__port": str(nats_broker.gateway_port),
        "meter__flush_seconds": "0.2",
        "drain_timeout_seconds": str(DRAIN_SECONDS),
    }
    log = tmp_path / f"{NAME}.log"
    async with aiohttp.ClientSession() as http, mqtt_device(nats_broker, 2) as mqtt:
        with gateway_process(dsn, log, **settings) as gateway:
            await asyncio.to_thread(gateway.wait_until_started)
            async with greeted(gateway.tcp) as tcp:
                await tcp.send(wire(1))
                await tcp.expect_acks_of(1)
                await asyncio.to_thread(gateway.wait_for, "broker_connected")
                await mqtt.publish(wire(1))
                assert isinstance(await mqtt.receive(), Ack)
                with standing_still(own_postgres):
                    await tcp.send(wire(2), wire(3))
                    await mqtt.publish(wire(2))
                    await until_in_flight(http, gateway.http, 3)
                    await until_page_says_away(http, gateway.http)
                    gateway.process.terminate()
                    refusals, goodbye = await tcp.expect_end()
                    assert not refusals
                    assert goodbye is not None
                    assert goodbye.reason == GoodbyeReason.SHUTTING_DOWN
                    code = await asyncio.to_thread(gateway.process.wait, LONGEST_STOP_SECONDS)
                    assert code == 0, gateway.log
        with gateway_process(dsn, log, **settings) as gateway:
            await asyncio.to_thread(gateway.wait_until_started)
            async with greeted(gateway.tcp) as tcp:
                await tcp.send(wire(2), wire(3))
                await tcp.expect_acks_of(2, 3)
            await mqtt.publish(wire(2))
            assert isinstance(await mqtt.receive(), Ack)
            gateway.process.terminate()
            assert await asyncio.to_thread(gateway.end) == 0
    assert await Look(dsn).reports() == [(1, 1, 1), (1, 1, 2), (1, 1, 3), (2, 1, 1), (2, 1, 2)]
