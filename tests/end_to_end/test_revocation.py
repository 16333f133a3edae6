"""A device that is revoked or rotated is out within seconds, at every gateway process."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from gateway.admission import NOT_ADMITTED_RETRY_SECONDS
from gateway.protocol.errors import GoodbyeReason, RefusalCode, Resend
from gateway.protocol.messages import Ack, Goodbye, Refusal, Welcome
from gateway.revocation import LOOK_SECONDS
from tests.helpers.brokers import Broker
from tests.helpers.device_client import DeviceClient, connect, greeted
from tests.helpers.gateway_process import GatewayProcess, gateway_process, run_gateway
from tests.helpers.mqtt_device import MqttDevice, mqtt_device
from tests.helpers.served_gateway import Look, register, served_gateway
from tests.helpers.task_world import mqtt_settings, until_ready
from tests.helpers.wire import wire

pytestmark = pytest.mark.asyncio

WOKEN_SECONDS: Final = 3.0
"""A notification takes milliseconds; less than `LOOK_SECONDS`, so that it must have been one."""

NOT_WELCOME: Final = Goodbye(GoodbyeReason.NOT_ADMITTED, NOT_ADMITTED_RETRY_SECONDS)
SHUT_OUT: Final = Refusal(
    RefusalCode.NOT_ADMITTED, Resend.LATER, retry_after_seconds=NOT_ADMITTED_RETRY_SECONDS
)


def command(dsn: str, *arguments: str) -> str:
    """What `gateway devices` prints, run as operators do."""
    done = run_gateway("devices", *arguments, environment={"GATEWAY_DATABASE__DSN": dsn})
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


@dataclass
class Field:
    """Two gateway processes; device 1 is at one over TCP, device 2 at the other over MQTT."""

    dsn: str
    processes: list[GatewayProcess]
    tcp: DeviceClient
    mqtt: MqttDevice

    async def revoke(self, *arguments: str) -> None:
        """Change both on the command line."""
        await asyncio.to_thread(command, self.dsn, *arguments)

    async def until_both_are_out(self, within_seconds: float) -> None:
        """Wait for goodbye 5 on TCP and refusal 2 over MQTT."""
        async with asyncio.timeout(within_seconds):
            assert await self.tcp.expect_end() == ([], Goodbye(GoodbyeReason.NOT_ADMITTED))
            assert await self.mqtt.receive() == SHUT_OUT


@asynccontextmanager
async def field(dsn: str, broker: Broker, folder: Path) -> AsyncIterator[Field]:
    """Both devices are welcome and have had a report acked."""
    await register(dsn, (1, 2))
    mqtt = {f"mqtt__{name}": str(value) for name, value in mqtt_settings(broker).items()}
    mqtt |= {"mqtt__enabled": "true", "mqtt__recheck_device_seconds": "3600"}
    with (
        gateway_process(dsn, folder / "one") as one,
        gateway_process(dsn, folder / "two", **mqtt, tcp__enabled="false") as two,
    ):
        await asyncio.to_thread(one.wait_until_started)
        await asyncio.to_thread(two.wait_for, "broker_connected")
        async with greeted(one.tcp, 1) as tcp, mqtt_device(broker, 2) as device:
            await device.greet()
            assert isinstance(await device.receive(), Welcome)
            await tcp.send(wire(1))
            await tcp.expect_acks_of(1)
            await device.publish(wire(1))
            assert await device.receive() == Ack(1)
            yield Field(dsn, [one, two], tcp, device)


async def test_revoked_on_the_command_line(
    database_dsn: str, nats_broker: Broker, tmp_path: Path
) -> None:
    """Both sessions end at once, in two other processes; what comes then is refused, and after
    `restore` welcome.
    """
    async with field(database_dsn, nats_broker, tmp_path) as both:
        await both.revoke("revoke", "1", "2")
        await both.until_both_are_out(WOKEN_SECONDS)
        await both.mqtt.publish(wire(2))
        assert await both.mqtt.receive() == SHUT_OUT
        one = both.processes[0]
        async with connect(one.tcp, 1) as again:
            await again.send(await again.hello())
            assert await again.expect_end() == ([SHUT_OUT], NOT_WELCOME)
        await both.revoke("restore", "1", "2")
        async with greeted(one.tcp, 1) as again:
            await again.send(wire(2))
            await again.expect_acks_of(2)
        await both.mqtt.publish(wire(2))
        assert await both.mqtt.receive() == Ack(2)
    assert await Look(database_dsn).reports() == [(1, 1, 1), (1, 1, 2), (2, 1, 1), (2, 1, 2)]
    # The refused one is in the ledger as refused, and was stored when it came again.
    ((received, stored, *_, refused),) = await Look(database_dsn).ledger()
    assert (received, stored, refused) == (stored + refused, 4, refused)


async def test_rotated_on_the_command_line(
    database_dsn: str, nats_broker: Broker, tmp_path: Path
) -> None:
    """The session ends; the old secret is void at once, and the new one is welcome and stays."""
    async with field(database_dsn, nats_broker, tmp_path) as both:
        printed = await asyncio.to_thread(command, database_dsn, "rotate", "1")
        async with asyncio.timeout(WOKEN_SECONDS):
            assert await both.tcp.expect_end() == ([], Goodbye(GoodbyeReason.NOT_ADMITTED))
        address = both.processes[0].tcp
        async with connect(address, 1) as old:
            await old.send(await old.hello())
            assert await old.expect_end() == ([SHUT_OUT], NOT_WELCOME)
        async with connect(address, 1) as new:
            new.secret = bytes.fromhex(printed.split()[3])
            await new.greet()
            # Another device's change makes the gateway look at all sessions once more.
            await both.revoke("revoke", "2")
            assert await both.mqtt.receive() == SHUT_OUT
            await new.send(wire(2))
            await new.expect_acks_of(2)


async def test_a_notification_that_was_missed(database_dsn: str) -> None:
    """The gateway looks by itself within `LOOK_SECONDS`."""
    await register(database_dsn)
    async with served_gateway(database_dsn) as gateway, greeted(gateway.tcp, 1) as client:
        look, begun = Look(database_dsn), time.monotonic()
        await look.rows("ALTER TABLE device DISABLE TRIGGER device_standing")
        await look.rows(
            "UPDATE device SET revoked_at = now(), standing = standing + 1 WHERE id = 1"
        )
        assert await client.expect_end() == ([], Goodbye(GoodbyeReason.NOT_ADMITTED))
        assert time.monotonic() - begun < LOOK_SECONDS + WOKEN_SECONDS


async def test_what_is_under_way_is_stored_whole(database_dsn: str) -> None:
    """A device that sends as fast as it can while it is revoked: every acked report is stored, and
    what is stored is whole.
    """
    await register(database_dsn)
    async with served_gateway(database_dsn) as gateway, greeted(gateway.tcp, 1) as client:

        async def send() -> None:
            with contextlib.suppress(OSError):
                for sequence in range(1, 10_000):
                    await client.send(wire(sequence))

        acked = 0
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(send())
            while not isinstance(message := await client.receive(), Goodbye):
                if message is None:
                    break
                assert isinstance(message, Ack)
                if not acked:
                    await Look(database_dsn).rows(
                        "UPDATE device SET revoked_at = now() WHERE id = 1"
                    )
                acked = message.through
            sending.cancel()
    stored = [sequence for _, _, sequence in await Look(database_dsn).reports()]
    assert stored == list(range(1, len(stored) + 1))
    assert 1 <= acked <= len(stored)
    ((received, *rest),) = await Look(database_dsn).ledger()
    assert received == sum(rest)


async def test_changed_by_hand_over_both_transports(database_dsn: str, nats_broker: Broker) -> None:
    """Whoever changes the row: also psql ends the sessions, all of one device."""
    await register(database_dsn)
    async with (
        served_gateway(database_dsn, mqtt=mqtt_settings(nats_broker)) as gateway,
        mqtt_device(nats_broker, 3) as device,
        mqtt_device(nats_broker, 3, 2) as other_installation,
        greeted(gateway.tcp, 3) as client,
    ):
        await until_ready(gateway)
        for handset in (device, other_installation):
            await handset.greet()
            assert isinstance(await handset.receive(), Welcome)
        await Look(database_dsn).rows("UPDATE device SET revoked_at = now() WHERE id = 3")
        async with asyncio.timeout(WOKEN_SECONDS):
            assert await client.expect_end() == ([], Goodbye(GoodbyeReason.NOT_ADMITTED))
            for handset in (device, other_installation):
                assert await handset.receive() == SHUT_OUT
