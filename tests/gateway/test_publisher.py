"""The connection that events go out on: acks, room, loss, and what it says of the gateway."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from gateway.event_rows import Published, gateway_presence
from gateway.mqtt_client import MAX_UNACKED
from gateway.protocol.topics import gateway_topic
from gateway.publisher import RESERVED_SHARE, BrokerGoneError, Flight, Publisher
from gateway.settings import MqttSettings
from tests.helpers.brokers import Broker
from tests.helpers.event_collector import Collector, collector
from tests.helpers.fault_proxy import fault_proxy
from tests.helpers.scripted_broker import NOT_AUTHORIZED, ScriptedBroker, scripted_broker
from tests.helpers.tcp_gateway import until

pytestmark = pytest.mark.asyncio

WITHIN_SECONDS = 30.0
PRESENCE = "field-gateway.gateway.presence.v1"

_numbers = itertools.count()


@pytest.fixture
def name() -> str:
    """A name of its own for each gateway: brokers are shared."""
    return f"publisher-{next(_numbers)}"


def settings_of(broker: Broker | ScriptedBroker, version: str = "auto") -> MqttSettings:
    """To connect to this broker."""
    port = broker.port if isinstance(broker, ScriptedBroker) else broker.gateway_port
    return MqttSettings(host=broker.host, port=port, version=version)  # type: ignore[arg-type] # a word


@asynccontextmanager
async def running(settings: MqttSettings, name: str) -> AsyncIterator[Publisher]:
    """A connected publisher; cancelled at the end unless it was closed."""
    publisher = Publisher(settings, name)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(publisher.run())
        async with asyncio.timeout(WITHIN_SECONDS):
            await publisher.connected.wait()
            yield publisher
        task.cancel()


def event(name: str, number: int) -> Published:
    """A real one, as others read the same broker: of a gateway that nobody has, at that second."""
    return gateway_presence(f"{name}-event", online=True, time=datetime.fromtimestamp(number, UTC))


def numbers_of(collected: Collector, name: str) -> list[int]:
    """What has come of `event`, in order."""
    return [
        int(e["sequence"]) // 1_000_000
        for topic, e in collected.all
        if topic == gateway_topic(f"{name}-event")
    ]


def presence_of(collected: Collector, name: str) -> list[bool]:
    """What has come of a gateway, in order."""
    return [
        e["data"]["online"]
        for _, e in collected.all
        if e["type"] == PRESENCE and e["data"]["gateway"] == name
    ]


async def test_what_has_landed_is_with_the_broker(broker: Broker, name: str) -> None:
    """In the order in which it was published, more than are under way at once."""
    count = 2 * MAX_UNACKED
    async with (
        collector(broker, f"{name}-subscriber") as collected,
        running(settings_of(broker), name) as publisher,
    ):
        flight = publisher.flight()
        for number in range(count):
            await flight.publish(event(name, number))
        await flight.landed()
        assert publisher.statistics() == 0
        await collected.until(lambda: len(numbers_of(collected, name)) >= count)
    assert numbers_of(collected, name) == list(range(count))


async def test_an_empty_flight_has_landed(nats_broker: Broker, name: str) -> None:
    """Nothing to wait for."""
    async with running(settings_of(nats_broker), name) as publisher:
        await publisher.flight().landed()


async def fill(flight: Flight, name: str, count: int) -> None:
    """Publish so many."""
    for number in range(count):
        await flight.publish(event(name, number))


@pytest.mark.parametrize("limit, ordinary", [(1, 1), (2, 1), (8, 6), (None, 384)])
async def test_the_window_is_kept_and_a_part_of_it_for_emergencies(
    name: str, limit: int | None, ordinary: int
) -> None:
    """A broker's Receive Maximum is heeded; a quarter of the places waits for what is urgent."""
    most = limit or MAX_UNACKED
    assert ordinary == max(1, most - max(1, most // RESERVED_SHARE))
    async with (
        scripted_broker(limit) as broker,
        running(settings_of(broker, "5"), name) as publisher,
    ):
        await until(lambda: publisher.statistics() == 0)
        broker.holds_acks = True
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fill(publisher.flight(), name, most + 10))
            await until(lambda: broker.unacked == ordinary)
            tasks.create_task(fill(publisher.flight(urgent=True), name, most - ordinary))
            await until(lambda: broker.unacked == most)
            assert publisher.statistics() == most
            # The ordinary ones go on only when less than their share is under way.
            broker.ack(most - ordinary)
            await until(lambda: publisher.statistics() == ordinary)
            assert broker.unacked == ordinary
            broker.ack(1)
            await until(lambda: broker.unacked == ordinary)
            broker.holds_acks = False
            broker.ack(broker.unacked)
        await until(lambda: publisher.statistics() == 0)


async def test_a_flight_waits_for_its_own_acks_alone(name: str) -> None:
    """Another flight on the same connection may still be under way."""
    async with (
        scripted_broker() as broker,
        running(settings_of(broker, "3.1.1"), name) as publisher,
    ):
        await until(lambda: publisher.statistics() == 0)
        broker.holds_acks = True
        first, second = publisher.flight(), publisher.flight()
        await first.publish(event(name, 1))
        await second.publish(event(name, 2))
        await until(lambda: broker.unacked == 2)
        broker.ack(1)
        await first.landed()
        async with asyncio.TaskGroup() as tasks:
            landing = tasks.create_task(second.landed())
            await asyncio.sleep(0)
            assert not landing.done()
            broker.ack(1)


async def test_a_broker_that_is_killed(own_broker: Broker, name: str) -> None:
    """Who has publications under way is told; a flight begun now fails; then it connects again."""
    async with running(settings_of(own_broker), name) as publisher:
        flight = publisher.flight()
        await fill(flight, name, 100)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.to_thread(own_broker.kill))
            with suppress(BrokerGoneError):
                await fill(flight, name, 10**9)
        with pytest.raises(BrokerGoneError):
            await flight.landed()
        await until(lambda: not publisher.connected.is_set())
        with pytest.raises(BrokerGoneError):
            publisher.flight()
        assert publisher.statistics() == 0
        reconnected = asyncio.Event()
        publisher.when_connected(reconnected.set)
        await asyncio.to_thread(own_broker.start)
        await reconnected.wait()
        flight = publisher.flight()
        await flight.publish(event(name, 1))
        await flight.landed()


async def test_who_waits_is_told_of_the_loss(name: str) -> None:
    """For room or for acks: nobody waits for ever."""
    async with (
        scripted_broker(4) as broker,
        running(settings_of(broker, "5"), name) as publisher,
    ):
        await until(lambda: publisher.statistics() == 0)
        broker.holds_acks = True
        flight = publisher.flight()
        await fill(flight, name, 3)
        results: list[BaseException] = []

        async def expect_loss(waits_for_room: bool) -> None:  # noqa: FBT001 -- two of a kind
            try:
                await (flight.publish(event(name, 9)) if waits_for_room else flight.landed())
            except BrokerGoneError as error:
                results.append(error)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(expect_loss(waits_for_room=True))
            tasks.create_task(expect_loss(waits_for_room=False))
            await until(lambda: broker.unacked == 3)
            broker.reset()
        assert len(results) == 2


async def test_a_broker_that_hangs_up_at_once(name: str) -> None:
    """It is tried again, and with longer and longer waits; the gateway lives on."""
    with capture_logs() as logs:
        async with scripted_broker() as broker, asyncio.TaskGroup() as tasks:
            broker.hangs_up = True
            publisher = Publisher(settings_of(broker, "5"), name)
            task = tasks.create_task(publisher.run())
            await until(lambda: broker.connections >= 3)
            broker.hangs_up = False
            async with asyncio.timeout(WITHIN_SECONDS):
                await publisher.connected.wait()
            task.cancel()
    assert len([line for line in logs if line["event"] == "events_stopped"]) >= 2


async def test_a_connection_that_is_gone_before_the_first_event(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the broker's welcome and ours: tried again like every other loss."""
    async with scripted_broker() as broker, asyncio.TaskGroup() as tasks:
        publisher = Publisher(settings_of(broker, "5"), name)
        with monkeypatch.context() as patched:

            def fail(*_: object, **__: object) -> None:
                raise BrokerGoneError("of this test")

            patched.setattr("gateway.publisher.Link.publish", fail)
            task = tasks.create_task(publisher.run())
            await until(lambda: broker.connections >= 2)
            assert not publisher.connected.is_set()
            with pytest.raises(BrokerGoneError):
                publisher.flight()
        async with asyncio.timeout(WITHIN_SECONDS):
            await publisher.connected.wait()
        task.cancel()


async def test_a_broker_that_refuses_events(name: str) -> None:
    """Its reason is logged, what is under way fails, and it is asked less and less often."""
    with capture_logs() as logs:
        async with scripted_broker() as broker, asyncio.TaskGroup() as tasks:
            broker.reason = NOT_AUTHORIZED
            publisher = Publisher(settings_of(broker, "5"), name)
            task = tasks.create_task(publisher.run())
            await until(lambda: broker.connections >= 4)
            task.cancel()
    waits = [line["delay_seconds"] for line in logs if line["event"] == "events_stopped"]
    errors = {line["error"] for line in logs if line["event"] == "events_stopped"}
    assert errors == {"the broker refuses events: Not authorized"}
    assert waits[2] >= 0.2


async def test_online_and_the_last_will(broker: Broker, name: str) -> None:
    """Both are retained: who subscribes later learns of the present state."""
    async with fault_proxy(f"mqtt://{broker.host}:{broker.gateway_port}") as proxy:
        settings = MqttSettings(host="127.0.0.1", port=proxy.port)
        async with running(settings, name) as publisher:
            await until(lambda: publisher.statistics() == 0)
            async with collector(broker, f"{name}-early") as collected:
                await collected.until(lambda: presence_of(collected, name) == [True])
                proxy.cut()
                await collected.until(lambda: presence_of(collected, name) == [True, False])
            async with collector(broker, f"{name}-late") as collected:
                await collected.until(lambda: presence_of(collected, name) == [False])
            proxy.flow()
            async with collector(broker, f"{name}-later") as collected:
                await collected.until(lambda: presence_of(collected, name)[-1:] == [True])


@pytest.mark.parametrize("closed", [True, False])
async def test_a_farewell_on_every_way_out(broker: Broker, name: str, closed: bool) -> None:  # noqa: FBT001 -- a table
    """Closed in order or cancelled by a failure beside it: a DISCONNECT forbids the last will."""
    async with collector(broker, f"{name}-subscriber") as collected:
        async with running(settings_of(broker), name) as publisher:
            await collected.until(lambda: presence_of(collected, name) == [True])
            if closed:
                publisher.close()
                await until(lambda: not publisher.connected.is_set())
        await collected.until(lambda: presence_of(collected, name) == [True, False])


async def test_closing_while_the_broker_is_away(name: str) -> None:
    """Ends at once, not after the wait for the next try."""
    async with scripted_broker() as broker:
        settings = settings_of(broker)
    publisher = Publisher(settings, name)
    with capture_logs() as logs:
        async with asyncio.timeout(WITHIN_SECONDS), asyncio.TaskGroup() as tasks:
            tasks.create_task(publisher.run())
            await until(lambda: len(logs) >= 3)
            publisher.close()


async def test_a_broker_that_never_acks_is_left(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection lives, and yet nothing lands: it is tried anew instead of waited for."""
    monkeypatch.setattr("gateway.publisher.ACK_WITHIN_SECONDS", 0.05)
    async with (
        scripted_broker(None) as broker,
        running(settings_of(broker, "5"), name) as publisher,
    ):
        broker.holds_acks = True
        flight = publisher.flight()
        await flight.publish(event(name, 1))
        with pytest.raises(BrokerGoneError, match="does not ack"):
            await flight.landed()
        await until(lambda: not publisher.connected.is_set())
