"""Frames over a real broker, and what happens when it goes away."""

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from gateway.admission import NOT_ADMITTED_RETRY_SECONDS, Admission, Registry
from gateway.batcher import Batcher
from gateway.devices import Registration
from gateway.embedded_broker import EmbeddedBroker
from gateway.mqtt_client import ManualAcks
from gateway.mqtt_source import MqttSource, decode_payload, give_up_request
from gateway.parcel import Transport
from gateway.protocol import topics
from gateway.protocol.errors import RefusalCode, Resend
from gateway.protocol.limits import MAX_FRAME_BYTES
from gateway.protocol.messages import Ack, BadFrame, Ping, Pong, Refusal, Welcome, encode
from gateway.protocol.wire_report import pack_report
from gateway.session import Station
from gateway.settings import BatchSettings, MqttSettings
from gateway.task_request import Action
from tests.helpers.brokers import Broker
from tests.helpers.builders import EDITION_2007, NOW, TABLES, build_report
from tests.helpers.memory_store import MemoryStore
from tests.helpers.mqtt_device import REPLY_WITHIN_SECONDS, mqtt_device

pytestmark = pytest.mark.asyncio

_devices = itertools.count(1_000)


class EverybodyIsKnown:
    """A registry that knows all devices but those in `revoked`."""

    def __init__(self) -> None:
        self.revoked: set[int] = set()
        self.lookups = 0

    async def lookup(self, greetings: Any) -> dict[tuple[int, int], Registration]:
        """See `Devices.lookup`."""
        self.lookups += 1
        return {
            (device, installation): Registration(
                bytes(16), bytes(16), device in self.revoked, 0, ()
            )
            for device, installation, _ in greetings
        }


class Rig:
    """A source with everything behind it but the database."""

    def __init__(self, broker: Broker, **settings: Any) -> None:
        self.store = MemoryStore()
        self.registry = EverybodyIsKnown()
        self.refused: list[tuple[Transport, int]] = []
        self.asked: list[tuple[Action, bytes, Callable[[], None], Callable[[], None]]] = []
        self.batcher = Batcher(self.store, BatchSettings(linger_seconds=0))
        registry: Registry = self.registry
        self.admission = Admission(registry)
        loop = asyncio.get_running_loop()
        station = Station(
            tables=TABLES,
            offer=self.batcher.offer,
            refused=lambda transport, items: self.refused.append((transport, items)),
            unix_time=lambda: float(NOW),
            monotonic=loop.time,
            call_soon=loop.call_soon,
        )
        values = {"shared_group": f"group-{uuid.uuid4()}", **settings}
        self.source = MqttSource(
            MqttSettings(host=broker.host, port=broker.gateway_port, **values),
            str(uuid.uuid4()),
            station,
            self.admission,
            self.batcher,
            lambda *asked: self.asked.append(asked),
        )


async def until(condition: Callable[[], bool]) -> None:
    """Give the loop turns until the condition holds."""
    async with asyncio.timeout(REPLY_WITHIN_SECONDS):
        while not condition():  # noqa: ASYNC110 -- the conditions are facts of three processes
            await asyncio.sleep(0.005)


@asynccontextmanager
async def running(rig: Rig) -> AsyncIterator[Rig]:
    """Run the source until the block ends, then drain it."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(rig.batcher.run())
        admission = tasks.create_task(rig.admission.run())
        source = tasks.create_task(rig.source.run())
        await until(lambda: rig.source.is_connected)
        yield rig
        rig.source.stop_receiving()
        await rig.batcher.drain(5)
        await rig.source.close()
        admission.cancel()
        source.cancel()


def wire(sequence: int, **changes: Any) -> Any:
    """A valid report on the wire."""
    return pack_report(build_report(sequence=sequence, **changes), EDITION_2007)


async def test_build_report_is_acked_after_the_commit(broker: Broker) -> None:
    """Hello is welcomed; a report is acked when it is stored, and once more when repeated."""
    async with running(Rig(broker)) as rig, mqtt_device(broker, next(_devices)) as device:
        await device.greet()
        welcome = await device.receive()
        assert isinstance(welcome, Welcome)
        assert welcome.settled_through == 0
        await device.publish(wire(1))
        assert await device.receive() == Ack(1)
        await device.publish(wire(1))
        assert await device.receive() == Ack(1)
        assert list(rig.store.reports) == [(device.device, 1, 1)]


async def test_without_a_commit_there_is_no_ack(broker: Broker) -> None:
    """While the store is held nothing is acked, neither to the device nor to the broker."""
    async with running(Rig(broker)) as rig, mqtt_device(broker, next(_devices)) as device:
        rig.store.go_on.clear()
        await device.publish(wire(1))
        await until(lambda: len(rig.store.batches) == 1)
        assert rig.source.statistics() == (1, 0)
        rig.store.go_on.set()
        assert await device.receive() == Ack(1)
        assert rig.source.statistics()[0] == 0


async def test_no_hello_is_needed(broker: Broker) -> None:
    """Any gateway may take any message: the device is looked up when it is not known yet."""
    async with running(Rig(broker)) as rig, mqtt_device(broker, next(_devices)) as device:
        for sequence in (5, 6, 7):
            await device.publish(wire(sequence))
        ranges: set[int] = set()
        while len(ranges) < 3:
            ack = await device.receive()
            assert isinstance(ack, Ack)
            assert ack.through == 0
            for first, count in zip(ack.ranges[::2], ack.ranges[1::2], strict=True):
                ranges.update(range(first, first + count))
        assert ranges == {5, 6, 7}
        assert rig.registry.lookups == 1


async def test_a_device_is_looked_up_again_after_a_while(broker: Broker) -> None:
    """A device that was revoked meanwhile is refused, and its messages do not block the others."""
    rig = Rig(broker, recheck_device_seconds=1e-9)
    async with running(rig), mqtt_device(broker, next(_devices)) as device:
        await device.publish(wire(1))
        assert await device.receive() == Ack(1)
        rig.registry.revoked.add(device.device)
        await device.publish(wire(2))
        assert await device.receive() == Refusal(
            RefusalCode.NOT_ADMITTED, Resend.LATER, retry_after_seconds=NOT_ADMITTED_RETRY_SECONDS
        )
        assert rig.refused == [(Transport.MQTT, 1)]
        await until(lambda: rig.source.statistics()[0] == 0)
        assert list(rig.store.reports) == [(device.device, 1, 1)]


@pytest.mark.parametrize(
    "body, code",
    [
        (b"\xc1", RefusalCode.MALFORMED_MESSAGE),
        (b"", RefusalCode.MALFORMED_MESSAGE),
        (b"\x91\x64", RefusalCode.UNKNOWN_MESSAGE),
        (bytes(MAX_FRAME_BYTES + 1), RefusalCode.BAD_FRAME),
    ],
    ids=["nonsense", "nothing", "unknown", "too large"],
)
async def test_a_bad_frame_is_kept_whole_and_refused(
    broker: Broker, body: bytes, code: RefusalCode
) -> None:
    """What is no message goes to quarantine as it came, and its device is told."""
    async with running(Rig(broker)) as rig, mqtt_device(broker, next(_devices)) as device:
        await device.publish_body(body)
        assert await device.receive() == Refusal(code, Resend.NEVER)
        assert rig.store.quarantine == [(device.device, 1, None, code, body)]


async def test_a_ping_is_answered(broker: Broker) -> None:
    """A device may ask whether a gateway is behind the broker."""
    async with running(Rig(broker)), mqtt_device(broker, next(_devices)) as device:
        await device.publish(Ping())
        assert await device.receive() == Pong()


async def test_the_source_comes_back_after_the_broker(own_broker: Broker) -> None:
    """A broker that is restarted is connected again without help, and reports go on."""
    async with running(Rig(own_broker)) as rig:
        async with mqtt_device(own_broker, 1) as device:
            await device.publish(wire(1))
            assert await device.receive() == Ack(1)
        await asyncio.to_thread(own_broker.stop)
        await until(lambda: not rig.source.is_connected)
        await asyncio.to_thread(own_broker.start)
        await until(lambda: rig.source.is_connected)
        async with mqtt_device(own_broker, 1) as device:
            await device.publish(wire(2))
            assert await device.receive() == Ack(2)


@pytest.mark.mosquitto
async def test_a_message_of_a_dead_gateway_comes_to_the_next(mosquitto_broker: Broker) -> None:
    """What a gateway took and did not commit the broker gives to it again when it is back."""
    first = Rig(mosquitto_broker, client_id=f"same-{uuid.uuid4()}", shared_group="")
    device_id = next(_devices)
    async with mqtt_device(mosquitto_broker, device_id) as device:
        first.store.go_on.clear()
        async with asyncio.TaskGroup() as tasks:
            work = [
                tasks.create_task(part)
                for part in (first.batcher.run(), first.admission.run(), first.source.run())
            ]
            await until(lambda: first.source.is_connected)
            await device.publish(wire(1))
            await until(lambda: len(first.store.batches) == 1)
            for task in work:
                task.cancel()
        assert first.store.reports == {}
        second = Rig(mosquitto_broker, client_id=first.source._client_id, shared_group="")
        async with running(second):
            assert await device.receive() == Ack(1)
            assert list(second.store.reports) == [(device_id, 1, 1)]


@pytest.mark.mosquitto
async def test_two_gateways_divide_the_messages(mosquitto_broker: Broker) -> None:
    """With MQTT 5 each message goes to one gateway of the group, and both get some."""
    group = f"group-{uuid.uuid4()}"
    one, two = (Rig(mosquitto_broker, shared_group=group, version="5") for _ in range(2))
    async with (
        running(one),
        running(two),
        mqtt_device(mosquitto_broker, next(_devices)) as device,
    ):
        for sequence in range(1, 41):
            await device.publish(wire(sequence))
        await until(lambda: len(one.store.reports) + len(two.store.reports) == 40)
        assert one.store.reports
        assert two.store.reports
        assert not set(one.store.reports) & set(two.store.reports)


async def test_a_topic_of_nobody_blocks_nothing(broker: Broker) -> None:
    """A message on a topic that names no device is acked to the broker and passed over."""
    async with running(Rig(broker)), mqtt_device(broker, next(_devices)) as device:
        await device._client.publish(f"{topics.PREFIX}/nobody/up/1", encode(Ping()), qos=1)
        await device.publish(wire(1))
        assert await device.receive() == Ack(1)


async def test_too_many_unsettled_messages_make_it_leave_and_come_back(broker: Broker) -> None:
    """A broker that sends more than may be pending is left; nothing is lost by that."""
    rig = Rig(broker, max_pending_messages=10)
    async with running(rig), mqtt_device(broker, next(_devices)) as device:
        rig.store.go_on.clear()
        for sequence in range(1, 15):
            await device.publish(wire(sequence))
        await until(lambda: not rig.source.is_connected)
        rig.store.go_on.set()
        await until(lambda: len(rig.store.reports) == 14 or rig.source.is_connected)
        await device.publish(wire(15))
        await until(lambda: (device.device, 1, 15) in rig.store.reports)


async def test_a_payload_beyond_a_frame_is_cut() -> None:
    """A frame of the largest size is read; beyond it little is kept, whatever the broker takes."""
    for size, kept in ((MAX_FRAME_BYTES + 1, MAX_FRAME_BYTES + 1), (10**6, 65_536)):
        bad = decode_payload(bytes(size))
        assert isinstance(bad, BadFrame)
        assert (bad.code, len(bad.body)) == (RefusalCode.BAD_FRAME, kept)
    largest = decode_payload(bytes(MAX_FRAME_BYTES))
    assert isinstance(largest, BadFrame)
    assert largest.code is RefusalCode.MALFORMED_MESSAGE


async def test_what_workflow_services_ask_is_acked_after_the_commit(broker: Broker) -> None:
    """By topic, with the body as it came; until the desk says so the broker gets no PUBACK."""
    async with running(Rig(broker)) as rig, mqtt_device(broker, next(_devices)) as service:
        await service._client.publish(topics.TASK_REQUEST, b"request", qos=1)
        await service._client.publish(topics.TASK_CANCEL, b"", qos=1)
        await until(lambda: len(rig.asked) == 2)
        assert [asked[:2] for asked in rig.asked] == [
            (Action.REQUEST, b"request"),
            (Action.CANCEL, b""),
        ]
        assert rig.source.statistics()[0] == 2
        rig.asked[0][2]()
        assert rig.source.statistics()[0] == 1
        rig.asked[1][3]()
        assert rig.source.statistics()[0] == 0
        await service._client.publish(f"{topics.PREFIX}/task/other", b"?", qos=1)
        await service.publish(wire(1))
        assert await service.receive() == Ack(1)
        assert len(rig.asked) == 2


async def test_what_a_broker_sends_again_meanwhile_is_taken_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NATS goes by the time since it delivered: while a commit takes longer, it sends the same
    again and again. Each would be one more piece of work before the ack of the first.
    """
    again: list[int] = []
    is_under_way = ManualAcks.is_under_way

    def watched(acks: ManualAcks, message: aiomqtt.Message) -> bool:
        found = is_under_way(acks, message)
        again.extend([message.mid] * found)
        return found

    monkeypatch.setattr(ManualAcks, "is_under_way", watched)
    impatient = EmbeddedBroker(tmp_path / "broker", ack_wait_seconds=1)
    await asyncio.to_thread(impatient.start)
    try:
        async with running(Rig(impatient)) as rig, mqtt_device(impatient, 1) as service:
            await service._client.publish(topics.TASK_REQUEST, b"request", qos=1)
            await until(lambda: len(again) > 1)
            assert len(rig.asked) == 1
            rig.asked[0][2]()
            assert rig.source.statistics()[0] == 0
    finally:
        await asyncio.to_thread(impatient.stop)


async def test_without_a_desk_requests_are_given_up() -> None:
    """They hold up nothing that came behind them."""
    told: list[str] = []
    give_up_request(
        Action.CANCEL, b"", lambda: told.append("settled"), lambda: told.append("given up")
    )
    assert told == ["given up"]
