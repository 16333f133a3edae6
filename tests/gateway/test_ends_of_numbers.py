"""Numbers at their end and clocks that are wrong, through the whole gateway."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from gateway.protocol.errors import RefusalCode
from gateway.protocol.limits import (
    MAX_CLOCK_AHEAD_SECONDS,
    MAX_DEVICE_ID,
    MAX_INSTALLATION,
    MAX_SEQUENCE,
    MIN_OBSERVED_AT,
)
from gateway.protocol.messages import Ack, Refusal, Welcome
from tests.helpers.brokers import Broker
from tests.helpers.device_client import connect, greeted
from tests.helpers.mqtt_device import mqtt_device
from tests.helpers.served_gateway import Look, register, served_gateway
from tests.helpers.task_world import mqtt_settings, until_ready
from tests.helpers.wire import backlog, wire

pytestmark = pytest.mark.asyncio

_numbers = itertools.count(1)


@pytest_asyncio.fixture
async def dsn(database_dsn: str) -> AsyncIterator[str]:
    """A database with device 1 and the one with the largest number."""
    await register(database_dsn, (1, MAX_DEVICE_ID))
    yield database_dsn


async def test_the_last_numbers_over_tcp(dsn: str) -> None:
    """The largest device, installation and sequence: stored, acked, told at the next greeting; the
    handset then begins a new installation.
    """
    last = [MAX_SEQUENCE - 1, MAX_SEQUENCE]
    identity = (MAX_DEVICE_ID, MAX_INSTALLATION)
    async with served_gateway(dsn) as gateway:
        async with greeted(gateway.tcp, *identity) as client:
            for _ in range(2):
                await client.send(backlog(2, last[0]))
                await client.expect_acks_of(*last)
        # As if all below were stored: the watermark then stands at the end of its type.
        await Look(dsn).rows(
            "INSERT INTO installation (device_id, installation, settled_through)"
            f" VALUES ({MAX_DEVICE_ID}, {MAX_INSTALLATION}, {MAX_SEQUENCE - 2}) RETURNING 1"
        )
        for _ in range(2):
            async with connect(gateway.tcp, *identity) as client:
                welcome = await client.greet(settled_through=MAX_SEQUENCE)
                assert welcome.settled_through == MAX_SEQUENCE
                await client.send(backlog(2, last[0]))
                assert await client.expect(Ack) == Ack(MAX_SEQUENCE)
        async with greeted(gateway.tcp, MAX_DEVICE_ID, 0) as client:
            await client.send(wire(1))
            await client.expect_acks_of(1)
    assert await Look(dsn).reports() == [
        (MAX_DEVICE_ID, 0, 1),
        *((*identity, number) for number in last),
    ]


async def test_the_last_numbers_over_mqtt(dsn: str, nats_broker: Broker) -> None:
    """The same over MQTT."""
    identity = (MAX_DEVICE_ID, MAX_INSTALLATION)
    mqtt = mqtt_settings(nats_broker) | {"shared_group": ""}
    name = f"ends-{next(_numbers)}"
    async with (
        served_gateway(dsn, name, mqtt=mqtt, relay={"enabled": False}) as gateway,
        mqtt_device(nats_broker, *identity) as device,
    ):
        await until_ready(gateway)
        await device.greet()
        assert isinstance(await device.receive(), Welcome)
        await device.publish(backlog(2, MAX_SEQUENCE - 1))
        acked = set[int]()
        while not acked >= {MAX_SEQUENCE - 1, MAX_SEQUENCE}:
            ack = await device.receive()
            assert isinstance(ack, Ack)
            pairs = zip(ack.ranges[::2], ack.ranges[1::2], strict=True)
            acked |= {
                number
                for offset, count in pairs
                for number in range(ack.through + offset, ack.through + offset + count)
            }
    expected = [(*identity, number) for number in (MAX_SEQUENCE - 1, MAX_SEQUENCE)]
    assert await Look(dsn).reports() == expected


async def test_a_clock_that_is_behind(dsn: str) -> None:
    """Ten days ago, and the earliest believable moment: stored with the time that was told."""
    now = int(time.time())
    times = {1: now - 10 * 86_400, 2: MIN_OBSERVED_AT}
    async with served_gateway(dsn) as gateway, greeted(gateway.tcp) as client:
        await client.send(*(wire(number, observed_at=moment) for number, moment in times.items()))
        await client.expect_acks_of(*times)
    query = "SELECT sequence, extract(epoch FROM observed_at)::bigint FROM report"
    assert dict(await Look(dsn).rows(query)) == times


async def test_a_clock_that_is_ahead(dsn: str) -> None:
    """More than a day ahead: kept in quarantine and told why, the neighbours are stored; when the
    clock is right again, new reports go through, and so does the same number with a right time.
    """
    ahead = int(time.time()) + 3 * 86_400
    async with served_gateway(dsn) as gateway, greeted(gateway.tcp) as client:
        await client.send(wire(1), wire(2, observed_at=ahead), wire(3))
        refused, left = [], {1, 2, 3}
        while left:
            event = await client.receive()
            if isinstance(event, Refusal):
                refused.append((event.sequence, event.code))
            else:
                assert isinstance(event, Ack)
                left = {number for number in left if number > event.through}
        assert refused == [(2, RefusalCode.BAD_TIME)]
        await client.send(wire(4), wire(2))
        await client.expect_acks_of(2, 4)
    assert [key[2] for key in await Look(dsn).reports()] == [1, 2, 3, 4]
    kept = await Look(dsn).rows("SELECT sequence, code FROM quarantine")
    assert kept == [(2, 44)]


@pytest.mark.parametrize("jump", [-40 * 86_400, 40 * 86_400], ids=["back", "forth"])
async def test_the_gateways_clock_jumps(
    dsn: str, monkeypatch: pytest.MonkeyPatch, jump: int
) -> None:
    """The session goes on: time-outs hang on another clock. Back, reports seem to come from the
    future and are kept in quarantine; right again, they go through.
    """
    real = time.time
    shift = [0]
    monkeypatch.setattr(time, "time", lambda: real() + shift[0])
    async with served_gateway(dsn) as gateway, greeted(gateway.tcp) as client:
        await client.send(wire(1, observed_at=int(real())))
        await client.expect_acks_of(1)
        shift[0] = jump
        await client.send(wire(2, observed_at=int(real())))
        if jump < -MAX_CLOCK_AHEAD_SECONDS:
            assert (await client.expect(Refusal)).code == RefusalCode.BAD_TIME
        await client.expect_acks_of(2)
        shift[0] = 0
        await client.send(wire(2, observed_at=int(real())), wire(3))
        async with asyncio.timeout(20):
            while (event := await client.receive()) is not None:
                if isinstance(event, Ack) and event.through == 3:
                    break
    assert {key[2] for key in await Look(dsn).reports()} == {1, 2, 3}
