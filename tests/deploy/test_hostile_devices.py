"""What a device with a valid password tries at Mosquitto as we deploy it, besides its own topics.

What brokers of both kinds must refuse stands in test_access_rules.py; here are the tricks that need
MQTT 5, this broker's own settings, or the gateway itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import aiomqtt
import pytest
import pytest_asyncio
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.protocol.messages import Ack
from tests.helpers import access_rules as rules
from tests.helpers.brokers import need_mosquitto
from tests.helpers.mosquitto import Mosquitto
from tests.helpers.mqtt_device import mqtt_device
from tests.helpers.served_gateway import Look, register, served_gateway
from tests.helpers.task_world import until_ready
from tests.helpers.wire import wire

pytestmark = [pytest.mark.asyncio, pytest.mark.mosquitto]

V5 = aiomqtt.ProtocolVersion.V5

REFUSED_SECONDS = 2.0
"""How long a client waits for an answer that this broker does not give: it closes instead."""

ODD_USERS = {
    "+": "plus",
    "#": "hash",
    "2/up": "slash",
    "1/up/7": "deep",
    "%u": "pattern",
    "$SYS": "dollar",
}
"""Names that a careless centre could give, and what a substitution could make of them."""


@pytest.fixture(scope="module")
def mosquitto(place: Path) -> Iterator[Mosquitto]:
    """One broker as deployed, with devices, a gateway, and users with odd names."""
    need_mosquitto()
    broker = Mosquitto(place / "hostile", rules.PASSWORDS | ODD_USERS)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def fresh(place: Path, tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker of the test's own: a gateway that is gone keeps its part of a share."""
    need_mosquitto()
    broker = Mosquitto(place / tmp_path.name, rules.PASSWORDS)
    broker.start()
    yield broker
    broker.stop()


@pytest_asyncio.fixture
async def gateway(mosquitto: Mosquitto) -> AsyncIterator[aiomqtt.Client]:
    """A gateway's client that hears all topics of ours."""
    async with rules.connect(mosquitto, "gateway") as client:
        assert await rules.subscribe(client, "fg/1/#") == "granted"
        yield client


def connect_5(
    broker: Mosquitto, user: str, password: str | None = None, identifier: str | None = None
) -> aiomqtt.Client:
    """A client that speaks MQTT 5."""
    password = rules.PASSWORDS[user] if password is None else password
    return aiomqtt.Client(
        broker.host,
        broker.port,
        username=user,
        password=password,
        protocol=V5,
        timeout=REFUSED_SECONDS,
        identifier=identifier,
    )


async def heard(broker: Mosquitto, gateway: aiomqtt.Client) -> list[str]:
    """Topics that the gateway heard until now."""
    async with rules.connect(broker, "1") as device:
        await device.publish("fg/1/1/up/7", rules.SENTINEL, qos=1)
    return await rules.until_sentinel(gateway)


def alias(number: int) -> Properties:
    """The properties of a publication with a short name for its topic."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # of paho
    properties.TopicAlias = number
    return properties


# The share.


@pytest.mark.parametrize("group, all_arrive", [("gateway", False), ("auto", True)])
@pytest.mark.parametrize("protocol", [V5, aiomqtt.ProtocolVersion.V311])
async def test_a_device_that_joins_the_gateways_share(
    database_dsn: str,
    fresh: Mosquitto,
    group: str,
    all_arrive: bool,  # noqa: FBT001 - of a parametrisation
    protocol: aiomqtt.ProtocolVersion,
) -> None:
    """Under a name that everybody knows it is chosen for its part of others' reports, which come to
    nobody until they are sent again. Under the name that only gateways know all arrive.
    """
    await register(database_dsn)
    mqtt = _mqtt(fresh, group)
    async with served_gateway(database_dsn, f"share-{group}", mqtt=mqtt) as one:
        await until_ready(one)
        async with mqtt_device(fresh, 2, password=rules.PASSWORDS["2"]) as honest:
            thief = aiomqtt.Client(
                fresh.host,
                fresh.port,
                username="1",
                password=rules.PASSWORDS["1"],
                protocol=protocol,
            )
            async with thief:
                for share in ("gateway", "auto", "+", "fg"):
                    with suppress(aiomqtt.MqttError, ValueError):
                        await thief.subscribe(f"$share/{share}/fg/1/+/up/+", qos=1)
                for sequence in range(1, 21):
                    await honest.publish(wire(sequence))
            await honest.publish(wire(21))
            while 21 not in (stored := await _stored(database_dsn)):
                await honest.receive()
    assert (stored == list(range(1, 22))) == all_arrive


async def test_the_share_of_an_older_version_is_left(database_dsn: str, fresh: Mosquitto) -> None:
    """The broker remembers it with the gateway's session: each message would come twice."""
    await register(database_dsn)
    for group, first in (("gateway", 1), ("auto", 2)):
        mqtt = _mqtt(fresh, group)
        async with (
            served_gateway(database_dsn, "left", mqtt=mqtt) as one,
            mqtt_device(fresh, 2, password=rules.PASSWORDS["2"]) as device,
        ):
            await until_ready(one)
            await device.publish(wire(first))
            while await device.receive() != Ack(first):
                pass
    assert (await Look(database_dsn).ledger())[0][:3] == (2, 2, 0)


async def test_two_gateways_meet_in_the_secret_share(database_dsn: str, fresh: Mosquitto) -> None:
    """With the same password they divide the messages: none is written twice."""
    await register(database_dsn)
    mqtt = _mqtt(fresh, "auto")
    async with (
        served_gateway(database_dsn, "meet-1", mqtt=mqtt) as one,
        served_gateway(database_dsn, "meet-2", mqtt=mqtt) as two,
        mqtt_device(fresh, 2, password=rules.PASSWORDS["2"]) as device,
    ):
        await until_ready(one)
        await until_ready(two)
        for sequence in range(1, 21):
            await device.publish(wire(sequence))
        while len(await _stored(database_dsn)) < 20:
            await device.receive()
    ledger = await Look(database_dsn).rows(
        "SELECT gateway, sum(stored)::int, sum(duplicate)::int FROM ledger GROUP BY 1 ORDER BY 1"
    )
    assert [gateway for gateway, *_ in ledger] == ["meet-1", "meet-2"]
    assert (sum(row[1] for row in ledger), sum(row[2] for row in ledger)) == (20, 0)


# Names.


@pytest.mark.parametrize("user", ODD_USERS)
async def test_an_odd_name_opens_no_other_topic(
    mosquitto: Mosquitto, gateway: aiomqtt.Client, user: str
) -> None:
    """What the rules make of it is no device's topic: nobody hears it, and it hears nobody."""
    with suppress(aiomqtt.MqttError):
        async with connect_5(mosquitto, user, ODD_USERS[user]) as odd:
            for topic_filter in ("fg/1/+/up/+", "fg/1/+/down/+", "fg/1/2/down/7", "fg/1/#", "#"):
                await odd.subscribe(topic_filter, qos=1)
            for topic in ("fg/1/2/up/7", "fg/1/1/up/7", "fg/1/2/down/7", "fg/1/1/down/7"):
                await odd.publish(topic, b"forged", qos=1, retain=True)
            async with rules.connect(mosquitto, "2") as other:
                await other.publish("fg/1/2/up/7", b"for the gateway alone", qos=1)
            await gateway.publish("fg/1/2/down/7", b"for device 2 alone", qos=1)
            with suppress(TimeoutError):
                # What it was to hear was sent before this answer.
                await odd.publish("fg/1/none", b"", qos=1)
            assert odd.messages is not None
            assert len(odd.messages) == 0
    topics = await heard(mosquitto, gateway)
    assert sorted(topics) in (["fg/1/2/down/7", "fg/1/2/up/7"], [])


@pytest.mark.parametrize("client_id", ["gateway-1", "2", "handset-2", "x" * 60_000, "", "+", "#/$"])
async def test_a_client_id_means_nothing(
    mosquitto: Mosquitto, gateway: aiomqtt.Client, client_id: str
) -> None:
    """Whatever id it states, the sessions of a gateway and of device 2 go on and lose nothing."""
    owner = aiomqtt.Client(
        mosquitto.host,
        mosquitto.gateway_port,
        username="gateway",
        password=rules.PASSWORDS["gateway"],
        identifier="gateway-1",
    )
    async with owner, rules.connect(mosquitto, "2", client_id="handset-2") as other:
        await rules.subscribe(owner, "fg/1/+/up/+")
        await rules.subscribe(other, "fg/1/2/down/7")
        with suppress(aiomqtt.MqttError):
            async with connect_5(mosquitto, "1", identifier=client_id) as thief:
                await thief.subscribe("fg/1/+/up/+", qos=1)
        await gateway.publish("fg/1/2/down/7", rules.SENTINEL, qos=1)
        assert await rules.until_sentinel(other) == []
        async with rules.connect(mosquitto, "1") as device:
            await device.publish("fg/1/1/up/7", rules.SENTINEL, qos=1)
        assert await rules.until_sentinel(owner) == []


# Messages.


async def test_an_alias_is_no_way_around(mosquitto: Mosquitto, gateway: aiomqtt.Client) -> None:
    """A topic that is stated by its short name is judged like one that is written out."""
    async with connect_5(mosquitto, "1") as device:
        await device.publish("fg/1/1/up/7", b"own", qos=1, properties=alias(1))
        with suppress(aiomqtt.MqttError):
            await device.publish("fg/1/2/up/7", b"forged", qos=1, properties=alias(2))
        for number in (2, 1):
            with suppress(aiomqtt.MqttError):
                await publish_by_alias(device, number)
    assert set(await heard(mosquitto, gateway)) == {"fg/1/1/up/7"}


async def publish_by_alias(device: aiomqtt.Client, number: int) -> None:
    """Publish without a topic."""
    await device.publish("", b"by alias", qos=1, properties=alias(number))


async def test_what_is_retained_stays_as_it_is(
    mosquitto: Mosquitto, gateway: aiomqtt.Client
) -> None:
    """A device can neither leave a message on another's topic nor wipe out what a gateway left."""
    await gateway.publish("fg/1/event/device/2", b"online", qos=1, retain=True)
    async with rules.connect(mosquitto, "1") as device:
        for topic in ("fg/1/event/device/2", "fg/1/2/down/7", "fg/1/2/up/7"):
            await device.publish(topic, b"", qos=1, retain=True)
            await device.publish(topic, b"forged", qos=1, retain=True)
        await device.publish("fg/1/event/device/2", b"", qos=1, retain=True)
    async with rules.connect(mosquitto, "gateway") as later:
        await rules.subscribe(later, "fg/1/#")
        message = await anext(later.messages)
        assert (message.topic.value, message.payload) == ("fg/1/event/device/2", b"online")
        assert await heard(mosquitto, later) == []
    await gateway.publish("fg/1/event/device/2", b"", qos=1, retain=True)


@pytest.mark.parametrize("protocol", [V5, aiomqtt.ProtocolVersion.V311])
async def test_qos_2_is_refused(
    mosquitto: Mosquitto, gateway: aiomqtt.Client, protocol: aiomqtt.ProtocolVersion
) -> None:
    """The broker keeps no state for it; whoever tries is disconnected."""
    client = aiomqtt.Client(
        mosquitto.host,
        mosquitto.port,
        username="1",
        password=rules.PASSWORDS["1"],
        protocol=protocol,
        timeout=REFUSED_SECONDS,
    )
    with pytest.raises((aiomqtt.MqttError, ValueError)):
        async with client:
            await client.publish("fg/1/1/up/7", b"twice as sure", qos=2)
    assert await heard(mosquitto, gateway) == []


@pytest.mark.parametrize("size, arrives", [(32_768, True), (32_769, False), (70_000, False)])
async def test_a_large_message(
    mosquitto: Mosquitto,
    gateway: aiomqtt.Client,
    size: int,
    arrives: bool,  # noqa: FBT001 - of a parametrisation
) -> None:
    """Up to `message_size_limit`; what is larger nobody hears, and the broker serves the others."""
    client = aiomqtt.Client(
        mosquitto.host,
        mosquitto.port,
        username="1",
        password=rules.PASSWORDS["1"],
        protocol=aiomqtt.ProtocolVersion.V311,
        timeout=REFUSED_SECONDS,
    )
    with suppress(aiomqtt.MqttError):
        async with client:
            await client.publish("fg/1/1/up/7", bytes(size), qos=1)
    assert await heard(mosquitto, gateway) == (["fg/1/1/up/7"] if arrives else [])


async def test_a_packet_that_says_it_is_huge(mosquitto: Mosquitto) -> None:
    """It ends the connection before it is read."""
    async with packet_writer(mosquitto) as (reader, writer):
        writer.write(b"\x32\xff\xff\xff\x7f")  # a PUBLISH of 256 MB
        async with asyncio.timeout(10):
            assert await reader.read() == b""


@asynccontextmanager
async def packet_writer(
    broker: Mosquitto,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Device 1 on a bare connection, accepted."""
    reader, writer = await asyncio.open_connection(broker.host, broker.port)
    try:
        body = b"\x00\x04MQTT\x04\xc2\x00\x3c" + b"".join(
            len(field).to_bytes(2, "big") + field
            for field in (b"x", b"1", rules.PASSWORDS["1"].encode())
        )
        writer.write(bytes([0x10, len(body)]) + body)
        assert await reader.readexactly(4) == rules.CONNACK_ACCEPTED
        yield reader, writer
    finally:
        writer.close()


async def test_a_flood_of_connections_leaves_room_for_gateways(place: Path) -> None:
    """Handsets fill their own listener alone. Mosquitto 2.0 lets one in beyond the number."""
    need_mosquitto()
    changes = {"max_connections 10000": "max_connections 1"}
    broker = Mosquitto(place / "crowded", rules.PASSWORDS, changes=changes)
    broker.start()
    try:
        async with AsyncExitStack() as stack:
            inside = 0
            for user in ("1", "2", "11"):
                with suppress(aiomqtt.MqttError):
                    await stack.enter_async_context(connect_5(broker, user))
                    inside += 1
            assert 1 <= inside <= 2
            async with rules.connect(broker, "gateway") as gateway:
                assert await rules.subscribe(gateway, "fg/1/+/up/+") == "granted"
    finally:
        broker.stop()


async def test_a_password_that_was_taken_out(fresh: Mosquitto) -> None:
    """A connection that is open ends when the broker reads its passwords again, and none is let in
    after it. Others stay.
    """
    async with rules.connect(fresh, "2") as other, rules.connect(fresh, "gateway") as gateway:
        await rules.subscribe(other, "fg/1/2/down/7")
        with suppress(aiomqtt.MqttError):  # leaving a connection that has ended
            async with rules.connect(fresh, "1") as device:
                fresh.forget_user("1")
                async with asyncio.timeout(10):
                    with pytest.raises(aiomqtt.MqttError):
                        await anext(device.messages)
        with pytest.raises(aiomqtt.MqttError):
            async with connect_5(fresh, "1"):
                pass
        await gateway.publish("fg/1/2/down/7", rules.SENTINEL, qos=1)
        assert await rules.until_sentinel(other) == []


def _mqtt(broker: Mosquitto, group: str) -> dict[str, object]:
    return {
        "enabled": True,
        "host": broker.host,
        "port": broker.gateway_port,
        "username": "gateway",
        "password": rules.PASSWORDS["gateway"],
        "version": "5",
        "shared_group": group,
        "session_expiry_seconds": 60,
    }


async def _stored(dsn: str) -> list[int]:
    return [sequence for _, _, sequence in await Look(dsn).reports()]
