"""The access rules of both brokers make it true that a device is who its topic says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import aiomqtt
import pytest

from gateway.embedded_broker import BrokerUser, EmbeddedBroker
from tests.helpers import access_rules as rules
from tests.helpers.brokers import Broker, need_mosquitto
from tests.helpers.mosquitto import Mosquitto

pytestmark = pytest.mark.asyncio


@pytest.fixture(
    scope="module", params=["nats", pytest.param("mosquitto", marks=pytest.mark.mosquitto)]
)
def guarded(request: pytest.FixtureRequest, place: Path) -> Iterator[Broker]:
    """Each broker in turn, as deployed, with devices 1 and 2, a gateway and a workflow service."""
    directory = place / f"guarded-{request.param}"
    broker: Broker
    if request.param == "mosquitto":
        need_mosquitto()
        broker = Mosquitto(directory, rules.PASSWORDS)
    else:
        users = [
            BrokerUser(
                name,
                password,
                int(name) if name.isdecimal() else None,
                is_workflow=name == "workflow",
            )
            for name, password in rules.PASSWORDS.items()
        ]
        broker = EmbeddedBroker(directory, users)
    broker.start()
    yield broker
    broker.stop()


async def test_a_device_speaks_and_reads_under_its_own_id(guarded: Broker) -> None:
    """Up to the gateway and down to the device, QoS 1 both ways."""
    async with rules.connect(guarded, "gateway") as gateway, rules.connect(guarded, "1") as device:
        assert await rules.subscribe(gateway, "fg/1/+/up/+") == "granted"
        assert await rules.subscribe(device, "fg/1/1/down/7") == "granted"
        await device.publish("fg/1/1/up/7", b"report", qos=1)
        up = await anext(gateway.messages)
        await gateway.publish("fg/1/1/down/7", b"ack", qos=1)
        down = await anext(device.messages)
    assert (up.topic.value, up.payload, up.qos) == ("fg/1/1/up/7", b"report", 1)
    assert (down.topic.value, down.payload, down.qos) == ("fg/1/1/down/7", b"ack", 1)


@pytest.mark.parametrize("topic_filter", rules.FOREIGN_TO_READ)
async def test_a_device_reads_nothing_of_others(guarded: Broker, topic_filter: str) -> None:
    """Whatever it subscribes to, it sees no topic but its own down topics."""
    seen = await rules.attempt_to_read(guarded, topic_filter)
    assert [topic for topic in seen if not topic.startswith("fg/1/1/down/")] == []


@pytest.mark.parametrize("topic", rules.FOREIGN_TO_WRITE)
async def test_a_device_cannot_speak_as_another(guarded: Broker, topic: str) -> None:
    """Nobody hears what it publishes on a topic that is not its own."""
    assert await rules.attempt_to_write(guarded, topic) == []


async def test_a_workflow_service_asks_and_reads_events(guarded: Broker) -> None:
    """Its two things, QoS 1 both ways."""
    async with (
        rules.connect(guarded, "gateway") as gateway,
        rules.connect(guarded, "workflow") as service,
    ):
        assert await rules.subscribe(gateway, "fg/1/task/+") == "granted"
        assert await rules.subscribe(service, "fg/1/event/#") == "granted"
        for topic in ("fg/1/task/request", "fg/1/task/cancel"):
            await service.publish(topic, b"asked", qos=1)
            assert (await anext(gateway.messages)).topic.value == topic
        await gateway.publish("fg/1/event/report/440307003/event/0203/ordinary", b"{}", qos=1)
        event = await anext(service.messages)
    assert (event.payload, event.qos) == (b"{}", 1)


@pytest.mark.parametrize("topic_filter", rules.FOREIGN_TO_WORKFLOW)
async def test_a_workflow_service_reads_events_alone(guarded: Broker, topic_filter: str) -> None:
    """Neither what devices and gateways say to each other nor what others ask."""
    seen = await rules.attempt_of_workflow_to_read(guarded, topic_filter)
    assert [topic for topic in seen if not topic.startswith("fg/1/event/")] == []


@pytest.mark.parametrize("topic", rules.NOT_FOR_WORKFLOW)
async def test_a_workflow_service_asks_alone(guarded: Broker, topic: str) -> None:
    """Nobody hears it as a device or a gateway, nor events of its own."""
    assert await rules.attempt_of_workflow_to_write(guarded, topic) == []


async def test_a_will_cannot_speak_as_another(guarded: Broker) -> None:
    """The message a broker sends for a device that broke off obeys the same rules."""
    forged = aiomqtt.Will("fg/1/2/up/7", b"forged", qos=1)
    own = aiomqtt.Will("fg/1/1/up/7", rules.SENTINEL, qos=1)
    async with rules.connect(guarded, "gateway") as gateway:
        await rules.subscribe(gateway, "fg/1/+/up/+")
        for will in (forged, own):
            await rules.break_off(guarded, "1", will)
        assert await rules.until_sentinel(gateway) == []


async def test_anothers_session_is_not_handed_over(guarded: Broker) -> None:
    """Who connects under another device's client id gets none of what waits for that device."""
    async with rules.connect(guarded, "2", client_id="handset-2") as other:
        await rules.subscribe(other, "fg/1/2/down/9")
    async with rules.connect(guarded, "gateway") as gateway:
        await gateway.publish("fg/1/2/down/9", b"for device 2 alone", qos=1)
        async with rules.connect(guarded, "1", client_id="handset-2") as thief:
            await rules.subscribe(thief, "fg/1/1/down/7")
            await gateway.publish("fg/1/1/down/7", rules.SENTINEL, qos=1)
            assert await rules.until_sentinel(thief) == []


@pytest.mark.parametrize("user, password", [("1", "second"), ("1", ""), ("gateway", "first")])
async def test_a_wrong_password_is_refused(guarded: Broker, user: str, password: str) -> None:
    """Nobody connects as another."""
    with pytest.raises(aiomqtt.MqttError):
        async with rules.connect(guarded, user, password=password):
            pass
