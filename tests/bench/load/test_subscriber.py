"""The bench's subscriber, against the broker that the bench uses."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import pytest

from bench.load import subscriber as module
from bench.load.fleet import LoadError
from bench.load.plan import Subscriber
from bench.load.subscriber import EmergencyReader
from gateway.embedded_broker import BrokerUser, EmbeddedBroker
from gateway.protocol.topics import emergency_topic

pytestmark = pytest.mark.asyncio

EVENT = b'{"id":"1","data":{"device":%d,"installation":2,"sequence":3,"description":"x"}}'


USER = BrokerUser("gateway", "no secret of a test")


@pytest.fixture
def events_broker(place: Path) -> Iterator[EmbeddedBroker]:
    """As the bench has it: for those with a password."""
    broker = EmbeddedBroker(place / "events", [USER])
    broker.start()
    yield broker
    broker.stop()


@asynccontextmanager
async def connected(subscriber: Subscriber) -> AsyncIterator[EmergencyReader]:
    """A reader that has subscribed; cut at the end of the block."""
    make = lambda: EmergencyReader(subscriber)  # noqa: E731 - it is what create_connection wants
    loop = asyncio.get_running_loop()
    transport, reader = await loop.create_connection(make, "127.0.0.1", subscriber.port)
    try:
        await reader.ready
        yield reader
    finally:
        transport.abort()
        await asyncio.sleep(0)  # the transport closes its socket in the next turn


async def test_it_notes_each_emergency_once(
    events_broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first receipt counts; one that never comes is an error."""
    me = Subscriber(events_broker.port, USER.name, USER.password)
    async with (
        connected(me) as reader,
        aiomqtt.Client("127.0.0.1", me.port, username=me.user, password=me.password) as client,
    ):
        for device in (1, 1, 2):
            topic = emergency_topic(440307003, "event", "0203")
            await client.publish(topic, EVENT % device, qos=1)
        await reader.wait_for({(1, 2, 3), (2, 2, 3)})
        assert list(reader.received_at) == [(1, 2, 3), (2, 2, 3)]
        monkeypatch.setattr(module, "LAST_RECEIPTS_SECONDS", 0.01)
        with pytest.raises(LoadError, match="1 emergencies"):
            await reader.wait_for({(1, 2, 3), (9, 2, 3)})


async def test_a_subscriber_that_is_not_let_in(events_broker: EmbeddedBroker) -> None:
    """The run does not begin."""
    with pytest.raises(LoadError):
        async with connected(Subscriber(events_broker.port, USER.name, "another password")):
            pytest.fail("it was let in")
