"""The PUBACK that waits for the commit."""

import asyncio
import uuid
from collections.abc import Callable

import aiomqtt
import pytest

from gateway.events import CONTENT_TYPE
from gateway.mqtt_client import (
    MAX_UNACKED,
    ManualAcks,
    content_type_properties,
    open_client,
    open_publisher,
    until_lost,
    versions,
)
from gateway.settings import MqttSettings
from tests.helpers.brokers import Broker
from tests.helpers.scripted_broker import NOT_AUTHORIZED, scripted_broker
from tests.helpers.tcp_gateway import until

pytestmark = pytest.mark.asyncio

V311, V5 = aiomqtt.ProtocolVersion.V311, aiomqtt.ProtocolVersion.V5
WILL = aiomqtt.Will("will", b"gone", qos=1, retain=True)


def message(mid: int) -> aiomqtt.Message:
    """A message of QoS 1 with this packet identifier."""
    return aiomqtt.Message("a", b"", 1, False, mid, None)


async def test_acks_go_out_in_order_of_receipt() -> None:
    """A message is acked only when all received before it are settled, as MQTT demands."""
    acked: list[int] = []
    acks = ManualAcks(lambda mid, _qos: acked.append(mid))
    first, second, third = (acks.received(message(mid)) for mid in (7, 3, 9))
    acks.settled(second)
    assert (acked, len(acks)) == ([], 3)
    acks.settled(first)
    assert (acked, len(acks)) == ([7, 3], 1)
    acks.settled(third)
    assert (acked, len(acks)) == ([7, 3, 9], 0)


async def test_a_repetition_of_what_is_not_acked_is_known() -> None:
    """By its packet identifier, which is free again once it is acked; QoS 0 has none."""
    acks = ManualAcks(lambda _mid, _qos: None)
    first, second = (acks.received(message(mid)) for mid in (7, 3))
    acks.received(aiomqtt.Message("a", b"", 0, False, 0, None))
    acks.settled(second)
    assert acks.is_under_way(message(3)), "settled, and not acked before the first"
    assert not acks.is_under_way(message(4))
    assert not acks.is_under_way(aiomqtt.Message("a", b"", 0, False, 0, None))
    acks.settled(first)
    assert not acks.is_under_way(message(7))
    assert not acks.is_under_way(message(3))


async def test_what_is_given_up_goes_back_to_a_broker_that_is_left() -> None:
    """While the connection lasts it is acked, so that it holds up nothing; at its end it is not."""
    acked: list[int] = []
    acks = ManualAcks(lambda mid, _qos: acked.append(mid))
    first, second, third = (acks.received(message(mid)) for mid in (7, 3, 9))
    acks.given_up(first)
    assert acked == [7]
    acks.is_ending = True
    acks.given_up(second)
    acks.settled(third)
    assert (acked, len(acks)) == ([7], 2)


async def test_the_private_parts_we_use_are_still_there() -> None:
    """A new aiomqtt or paho that moves what manual acks need is noticed here."""
    client, _ = open_client(MqttSettings(), "x", V311, lambda _message: None)
    paho = client._client
    assert callable(paho.ack)
    assert paho._manual_ack is True
    assert client._queue.maxsize == 0, "a bounded queue throws away messages it has acked"


@pytest.mark.parametrize("version", [V311, V5])
async def test_the_session_at_the_broker_is_never_wiped(version: aiomqtt.ProtocolVersion) -> None:
    """Neither version of MQTT asks for a clean session."""
    client, _ = open_client(MqttSettings(), "x", version, lambda _message: None)
    if version is V5:
        assert client._clean_start is False
    else:
        assert client._client._clean_session is False


async def test_the_content_type_is_stated() -> None:
    """With MQTT 5 a reply says that it is msgpack."""
    assert "application/msgpack" in str(content_type_properties())


async def _receive_one(
    broker: Broker, client_id: str, topic: str, *, settle: bool, publish: Callable[[], object]
) -> bytes:
    """Connect, wait for one message, ack it or not, and leave."""
    inbox: asyncio.Queue[aiomqtt.Message] = asyncio.Queue()
    settings = MqttSettings(host=broker.host, port=broker.gateway_port)
    client, acks = open_client(settings, client_id, V311, inbox.put_nowait)
    async with client, asyncio.timeout(20):
        await client.subscribe(topic, qos=1)
        publish()
        received = await inbox.get()
        delivery = acks.received(received)
        if settle:
            acks.settled(delivery)
        # A round trip on the same connection: the PUBACK, if any, is with the broker then.
        await client.subscribe(f"{topic}/none", qos=1)
    assert isinstance(received.payload, bytes)
    return received.payload


@pytest.mark.mosquitto
async def test_what_was_not_committed_comes_again(mosquitto_broker: Broker) -> None:
    """The broker delivers an unsettled message again at the next connect, a settled one never."""
    client_id, topic = f"gateway-{uuid.uuid4()}", f"test/{uuid.uuid4()}"
    settings = MqttSettings(host=mosquitto_broker.host, port=mosquitto_broker.gateway_port)
    sender, _ = open_client(settings, f"sender-{client_id}", V311, lambda _message: None)
    async with sender:

        def send(body: bytes) -> Callable[[], object]:
            return lambda: sender._client.publish(topic, body, qos=1)

        async def receive(*, settle: bool, publish: Callable[[], object]) -> bytes:
            return await _receive_one(
                mosquitto_broker, client_id, topic, settle=settle, publish=publish
            )

        assert await receive(settle=False, publish=send(b"one")) == b"one"
        assert await receive(settle=True, publish=lambda: None) == b"one"
        assert await receive(settle=True, publish=send(b"two")) == b"two"


# The publisher.


@pytest.mark.parametrize("version", [V311, V5])
async def test_the_private_parts_that_publishing_uses_are_still_there(
    version: aiomqtt.ProtocolVersion,
) -> None:
    """The callbacks that it takes over, and the wish for no session."""
    client, direct = open_publisher(MqttSettings(), "x", version, WILL, CONTENT_TYPE)
    paho = client._client
    assert paho.on_connect == direct._on_connect
    assert paho.on_publish == direct._on_publish
    assert direct._connected == client._on_connect
    assert paho.max_inflight_messages == MAX_UNACKED
    if version is V5:
        assert client._clean_start is True
    else:
        assert paho._clean_session is True


@pytest.mark.parametrize(
    "limit, most",
    [(None, MAX_UNACKED), (7, 7), (65_535, MAX_UNACKED), (MAX_UNACKED + 1, MAX_UNACKED)],
)
async def test_how_many_may_be_under_way(limit: int | None, most: int) -> None:
    """What the broker allows, and never more than our own bound."""
    async with scripted_broker(limit) as broker, asyncio.timeout(20):
        settings = MqttSettings(host=broker.host, port=broker.port)
        client, direct = open_publisher(settings, "x", V5, WILL, CONTENT_TYPE)
        async with client:
            assert direct.most_unacked == most


async def test_each_ack_reaches_its_publication() -> None:
    """However many are under way, and once."""
    async with scripted_broker() as broker, asyncio.timeout(20):
        settings = MqttSettings(host=broker.host, port=broker.port)
        client, direct = open_publisher(settings, "x", V311, WILL, CONTENT_TYPE)
        acked: list[int] = []
        async with client:
            broker.holds_acks = True
            for number in range(3):
                direct.publish(f"t/{number}", b"", lambda number=number: acked.append(number))  # type: ignore[misc] # binds it now
            await until(lambda: broker.unacked == 3)
            assert acked == []
            broker.ack(2)
            await until(lambda: acked == [0, 1])
            broker.ack(1)
            await until(lambda: acked == [0, 1, 2])
        assert broker.published == ["t/0", "t/1", "t/2"]


async def test_a_failure_in_an_ack_is_no_ack() -> None:
    """MQTT 5 can say that a publication was not taken."""
    async with scripted_broker() as broker, asyncio.timeout(20):
        broker.reason = NOT_AUTHORIZED
        settings = MqttSettings(host=broker.host, port=broker.port)
        client, direct = open_publisher(settings, "x", V5, WILL, CONTENT_TYPE)
        acked: list[None] = []
        refused: list[str] = []
        direct.refused = refused.append
        async with client:
            direct.publish("t", b"", lambda: acked.append(None))
            await until(lambda: bool(refused))
        assert (refused, acked) == (["Not authorized"], [])


async def test_publishing_without_a_connection() -> None:
    """Says so at once, and so does whoever waits for the loss."""
    async with scripted_broker() as broker, asyncio.timeout(20):
        settings = MqttSettings(host=broker.host, port=broker.port)
        client, direct = open_publisher(settings, "x", V311, WILL, CONTENT_TYPE)
        with pytest.raises(aiomqtt.MqttError):
            direct.publish("t", b"", lambda: None)
        async with client:
            broker.reset()
            with pytest.raises(aiomqtt.MqttError):
                await until_lost(client)
            with pytest.raises(aiomqtt.MqttError):
                direct.publish("t", b"", lambda: None)


@pytest.mark.parametrize(
    "setting, worked, tried",
    [
        ("5", [False, True, False], [V5, V5, V5, V5]),
        ("3.1.1", [False, True, False], [V311, V311, V311, V311]),
        ("auto", [False, False, False], [V5, V311, V5, V311]),
        ("auto", [True, False, True], [V5, V5, V311, V5]),
    ],
)
async def test_which_version_is_tried(
    setting: str, worked: list[bool], tried: list[aiomqtt.ProtocolVersion]
) -> None:
    """`auto` tries the other one after a try that came to nothing, and 5 after a loss."""
    outcomes = iter(worked)
    trying = versions(setting, lambda: next(outcomes))
    assert [next(trying) for _ in tried] == tried
