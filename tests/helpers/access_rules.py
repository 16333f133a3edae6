"""What a broker in front of the gateway must allow and refuse, whichever broker it is.

Each attempt is followed by a permitted message through the same connections, a sentinel: when it
has arrived, everything before it has arrived or never will. So nothing waits for silence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal

import aiomqtt

from tests.helpers.brokers import Broker

PASSWORDS = {
    "1": "first",
    "2": "second",
    "11": "eleventh",
    "gateway": "central",
    "workflow": "service",
}
"""Users of these tests: devices 1, 2 and 11, a gateway, and a workflow service."""

SENTINEL = b"sentinel"

SUBACK_FAILURE = 0x80

CONNACK_ACCEPTED = bytes([0x20, 2, 0, 0])

FOREIGN_TO_READ = (
    "fg/1/2/down/7", "fg/1/+/down/7", "fg/1/+/down/+", "fg/1/2/#", "fg/1/#", "fg/#", "#",
    "+/+/+/+/+", "fg/1/+/up/+", "fg/1/1/up/7", "/fg/1/2/down/7", "fg.1.2.down.7", "fg/1/2.down.7",
    "$share/gateway/fg/1/+/up/+", "$share/g/fg/1/2/down/7", "$queue/fg/1/2/down/7", "$SYS/#",
    "$MQTT/#", "$MQTT/sub/#", "$JS/#", "fg/1/event/#", "fg/1/event/+", "fg/1/task/+",
    "fg/1/task/request", "fg/1/+/down/#", "fg/1/1/../2/down/7", "fg/1/11/down/7",
    "$share/gateway/fg/1/task/+", "$share/+/fg/1/+/up/+",
    "$CONTROL/#",
)  # fmt: skip
"""Filters with which device 1 tries to read what is not its own."""

FOREIGN_TO_WRITE = (
    "fg/1/2/up/7", "fg/1/2/down/7", "fg/1/1/down/7", "fg/1/1/up/7/8", "fg/1/1/up", "fg/1/01/up/7",
    "fg/1//up/7", "fg/1/1/up/7/../../../2/up/7", "fg.1.2.up.7", "fg/1/2.up.7",
    "fg/1/task/request", "fg/1/task/cancel", "fg/1/event/task/1/sent", "fg/1/11/up/7",
    "fg/1/1/UP/7", "FG/1/1/up/7", "fg/1/event/device/2",
    "$share/gateway/fg/1/2/up/7", "$CONTROL/dynamic-security/v1", "$SYS/broker/log/N",
)  # fmt: skip
"""Topics on which device 1 tries to speak as somebody else."""

FOREIGN_TO_WORKFLOW = (
    "fg/1/#", "fg/#", "#", "fg/1/+/up/+", "fg/1/+/down/+", "fg/1/2/down/7", "fg/1/task/+",
    "fg/1/task/request", "fg/1/workflow/down/7",
)  # fmt: skip
"""Filters with which a workflow service tries to read what is not for it."""

NOT_FOR_WORKFLOW = (
    "fg/1/1/up/7", "fg/1/2/up/7", "fg/1/2/down/7", "fg/1/workflow/up/7", "fg/1/event/task/1/sent",
    "fg/1/event/gateway/one", "fg/1/task", "fg/1/task/request/more",
)  # fmt: skip
"""Topics on which a workflow service tries to speak as somebody else."""


def connect(
    broker: Broker,
    user: str,
    *,
    client_id: str = "",
    password: str | None = None,
    will: aiomqtt.Will | None = None,
) -> aiomqtt.Client:
    """A client of this user; its session ends with it, unless it states a client id."""
    return aiomqtt.Client(
        broker.host,
        broker.gateway_port if user == "gateway" else broker.port,
        username=user,
        password=PASSWORDS[user] if password is None else password,
        identifier=client_id or None,
        protocol=aiomqtt.ProtocolVersion.V311,
        clean_session=not client_id,
        will=will,
    )


async def subscribe(client: aiomqtt.Client, topic_filter: str) -> Literal["granted", "refused"]:
    """Subscribe at QoS 1 and say what the SUBACK said."""
    (code,) = await client.subscribe(topic_filter, qos=1)
    # aiomqtt types it as a number too, for the paho of old.
    failed = code >= SUBACK_FAILURE if isinstance(code, int) else code.is_failure
    return "refused" if failed else "granted"


async def until_sentinel(client: aiomqtt.Client) -> list[str]:
    """Topics of the messages that arrive before the sentinel."""
    topics: list[str] = []
    async for message in client.messages:
        if message.payload == SENTINEL:
            break
        topics.append(message.topic.value)
    return topics


async def attempt_to_read(broker: Broker, topic_filter: str) -> Sequence[str]:
    """Topics of what device 1 gets to see of others' traffic through this filter."""
    async with connect(broker, "gateway") as gateway, connect(broker, "1") as device:
        assert await subscribe(device, "fg/1/1/down/7") == "granted"
        await subscribe(device, topic_filter)
        async with connect(broker, "2") as other:
            await other.publish("fg/1/2/up/7", b"for the gateway alone", qos=1)
        for topic in ("fg/1/2/down/7", "fg/1/11/down/7"):
            await gateway.publish(topic, b"for another device alone", qos=1)
        await gateway.publish("fg/1/event/device/2", b"for workflow services", qos=1)
        async with connect(broker, "workflow") as service:
            await service.publish("fg/1/task/request", b"for the gateway alone", qos=1)
        await gateway.publish("fg/1/1/down/7", SENTINEL, qos=1)
        return await until_sentinel(device)


async def attempt_to_write(broker: Broker, topic: str) -> Sequence[str]:
    """Topics on which a gateway or device 2 hears what device 1 publishes on this topic."""
    async with connect(broker, "gateway") as gateway, connect(broker, "2") as other:
        await subscribe(gateway, "fg/1/#")
        await subscribe(other, "fg/1/2/down/7")
        async with connect(broker, "1") as device:
            await device.publish(topic, b"forged", qos=1, retain=True)
            await device.publish("fg/1/1/up/7", SENTINEL, qos=1)
        heard = await until_sentinel(gateway)
        await gateway.publish("fg/1/2/down/7", SENTINEL, qos=1)
        return heard + await until_sentinel(other)


async def attempt_of_workflow_to_read(broker: Broker, topic_filter: str) -> Sequence[str]:
    """Topics of what a workflow service gets to see through this filter."""
    async with connect(broker, "gateway") as gateway, connect(broker, "workflow") as service:
        assert await subscribe(service, "fg/1/event/#") == "granted"
        await subscribe(service, topic_filter)
        async with connect(broker, "2") as device:
            await device.publish("fg/1/2/up/7", b"for the gateway alone", qos=1)
        await service.publish("fg/1/task/request", b"for the gateway alone", qos=1)
        for topic in ("fg/1/2/down/7", "fg/1/workflow/down/7"):
            await gateway.publish(topic, b"for a device alone", qos=1)
        await gateway.publish("fg/1/event/device/2", SENTINEL, qos=1)
        return await until_sentinel(service)


async def attempt_of_workflow_to_write(broker: Broker, topic: str) -> Sequence[str]:
    """Topics on which a gateway or device 2 hears what a workflow service publishes on this."""
    async with connect(broker, "gateway") as gateway, connect(broker, "2") as device:
        await subscribe(gateway, "fg/1/#")
        await subscribe(device, "fg/1/2/down/7")
        async with connect(broker, "workflow") as service:
            await service.publish(topic, b"forged", qos=1, retain=True)
            await service.publish("fg/1/task/request", SENTINEL, qos=1)
        heard = await until_sentinel(gateway)
        await gateway.publish("fg/1/2/down/7", SENTINEL, qos=1)
        return heard + await until_sentinel(device)


async def break_off(broker: Broker, user: str, will: aiomqtt.Will) -> None:
    """Connect with a will and close the socket without a DISCONNECT: the broker sends the will.

    By hand, in MQTT 3.1.1: a client library takes care not to break off.
    """
    reader, writer = await asyncio.open_connection(broker.host, broker.port)
    assert isinstance(will.payload, bytes)
    will_qos_1_user_and_password = 0b1100_1110  # and a clean session
    content = bytes([0, 4, *b"MQTT", 4, will_qos_1_user_and_password, 0, 60])
    for field in (b"", will.topic.encode(), will.payload, user.encode(), PASSWORDS[user].encode()):
        content += len(field).to_bytes(2, "big") + field
    writer.write(bytes([0x10, len(content)]) + content)
    answer = await reader.read(4)
    assert answer in (CONNACK_ACCEPTED, b""), "a broker may also refuse the connection for its will"
    writer.transport.abort()
    await writer.wait_closed()
