"""Tests of the centre at the broker: real brokers, and a scripted one that refuses."""

import contextlib
import itertools
from collections import Counter

import mqtt5
import msgspec
import pytest
import trio
from trio.testing import MockClock

from device_sim import mqtt_codec
from device_sim.centre import Centre
from device_sim.centre_link import (
    RECONNECT_SECONDS,
    SESSION_SECONDS,
    CentreLink,
    CentreRefusedError,
    Login,
)
from device_sim.mqtt_codec import MqttVersion, PacketReader
from device_sim.mqtt_link import Dialect
from device_sim.task_scenario import Posting
from gateway.protocol.topics import TASK_FILTER, TASK_REQUEST, task_topic
from tests.helpers.brokers import Broker
from tests.helpers.builders import NOW
from tests.helpers.errands import build_errand, changed

ERRANDS = [build_errand(f"r{number}") for number in range(50)]


def postings(*, apart: float = 0.0) -> list[Posting]:
    """The requests of all errands."""
    return [
        Posting(NOW + apart * place, TASK_REQUEST, msgspec.json.encode(errand.request))
        for place, errand in enumerate(ERRANDS)
    ]


async def end_tasks_behind(broker: Broker, ready: trio.Event, seen: Counter[str]) -> None:
    """A gateway and relay of a few lines that speaks 3.1.1: each request's task ends at once."""
    version = MqttVersion.V311
    stream = await trio.open_tcp_stream(broker.host, broker.gateway_port)
    reader, packet_ids = PacketReader(version), itertools.count(2)
    connect = mqtt_codec.connect(
        version, "script-relay", "gateway", "", clean_start=True, keep_alive_seconds=60,
        session_expiry_seconds=0,
    )  # fmt: skip
    qos = mqtt5.QoS.AT_LEAST_ONCE
    await stream.send_all(connect + mqtt_codec.subscribe(version, 1, TASK_FILTER, qos=qos))
    async with stream:
        async for data in stream:
            reader.feed(bytes(data))
            while packet := reader.next_packet():
                if isinstance(packet, mqtt5.SubAckPacket):
                    ready.set()
                elif isinstance(packet, mqtt5.PublishPacket) and packet.packet_id is not None:
                    request = msgspec.json.decode(packet.payload)["id"]
                    seen[request] += 1
                    event = changed("answered", request)
                    topic, packet_id = task_topic(1, "answered"), next(packet_ids)
                    await stream.send_all(
                        mqtt_codec.puback(packet.packet_id)
                        + mqtt_codec.publish(version, packet_id, topic, event)
                    )


@pytest.mark.trio
async def test_requests_go_out_and_events_come_back(broker: Broker) -> None:
    """NATS in 3.1.1 after it refused 5, Mosquitto in 5; it ends when everything is over."""
    centre, ready, seen = Centre(ERRANDS), trio.Event(), Counter[str]()
    login = Login(broker.host, broker.gateway_port, "workflow", "")
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(end_tasks_behind, broker, ready, seen)
            await ready.wait()
            await CentreLink(centre, postings(), NOW, login, Dialect()).run()
            nursery.cancel_scope.cancel()
    assert centre.is_done
    assert centre.events == 50
    assert seen == dict.fromkeys((errand.request.id for errand in ERRANDS), 1)


class ScriptedBroker:
    """A broker of MQTT 5 that answers as told, and ends each task that is asked for."""

    def __init__(self) -> None:
        self.connack = mqtt5.ConnAckPacket(receive_max=20).write()
        self.granted = mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE
        self.puback = mqtt5.PubAckReasonCode.SUCCESS
        self.connects: list[mqtt5.ConnectPacket] = []
        self.published: list[tuple[float, str]] = []
        self.hangs_up_after: int | None = None
        """Once, after so many publications, and without having acknowledged any of them."""

    async def serve(self, stream: trio.SocketStream) -> None:
        """One connection."""
        data = bytearray()
        async for received in stream:
            data += received
            while data:
                try:
                    packet, size = mqtt5.read(memoryview(bytes(data)))
                except IndexError:
                    break
                del data[:size]
                await self._take(stream, packet)
                if len(self.published) == self.hangs_up_after:
                    self.hangs_up_after = None
                    return

    async def _take(self, stream: trio.SocketStream, packet: mqtt5.Packet) -> None:
        match packet:
            case mqtt5.ConnectPacket():
                self.connects.append(packet)
                await stream.send_all(self.connack)
            case mqtt5.SubscribePacket():
                codes = [self.granted for _ in packet.topic_filters]
                await stream.send_all(mqtt5.SubAckPacket(packet.packet_id, codes).write())
            case mqtt5.PublishPacket():
                await self._published(stream, packet)

    async def _published(self, stream: trio.SocketStream, packet: mqtt5.PublishPacket) -> None:
        assert packet.packet_id is not None
        request = msgspec.json.decode(packet.payload)["id"]
        self.published.append((trio.current_time(), request))
        if self.hangs_up_after is None:
            ack = mqtt5.PubAckPacket(packet.packet_id, reason_code=self.puback)
            await stream.send_all(ack.write())
            event = changed("answered", request)
            await stream.send_all(mqtt5.PublishPacket(task_topic(1, "answered"), event).write())


async def run_against(script: ScriptedBroker, sent: list[Posting]) -> Centre:
    """Run a centre against it until it ends."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    centre = Centre(ERRANDS[: len(sent)])
    host, port, *_ = listener.socket.getsockname()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, script.serve, [listener])
        link = CentreLink(centre, sent, NOW, Login(host, port, "workflow", "secret"), Dialect())
        try:
            await link.run()
        except CentreRefusedError as error:
            centre.failure = str(error)
        nursery.cancel_scope.cancel()
    return centre


@pytest.mark.trio
async def test_a_request_goes_when_its_time_has_come() -> None:
    """Not before; and the session is left clean."""
    script = ScriptedBroker()
    began = trio.current_time()
    await run_against(script, postings(apart=0.1)[:3])
    times = [at - began for at, _ in script.published]
    assert times[1] >= 0.1
    assert times[2] >= 0.2
    assert [connect.clean_start for connect in script.connects] == [True, False, True]
    kept = [connect.session_expiry_interval for connect in script.connects]
    assert kept == [0, SESSION_SECONDS, 0]
    assert script.connects[0].username == "workflow"
    assert script.connects[0].password == b"secret"


@pytest.mark.trio
async def test_what_was_not_acknowledged_goes_again_on_the_next_connection() -> None:
    """In its order, in the same session."""
    script = ScriptedBroker()
    script.hangs_up_after = 2
    with trio.fail_after(RECONNECT_SECONDS + 10):
        centre = await run_against(script, postings()[:2])
    assert centre.is_done
    assert [request for _, request in script.published] == ["r0", "r1", "r0", "r1"]
    assert [connect.clean_start for connect in script.connects] == [True, False, False, True]
    assert centre.sessions == 2


class ListeningCentre(Centre):
    """Tells the test that an event came."""

    def __init__(self) -> None:
        super().__init__(ERRANDS[:2])
        self.heard = trio.Event()

    def receive(self, payload: bytes) -> None:
        """Take an event."""
        super().receive(payload)
        self.heard.set()


class Hop:
    """A way to a broker that can be cut."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._scopes: list[trio.CancelScope] = []
        self.closed = trio.Event()

    async def carry(self, ours: trio.SocketStream) -> None:
        """One connection."""
        theirs = await trio.open_tcp_stream(self._broker.host, self._broker.gateway_port)
        async with ours, theirs, trio.open_nursery() as nursery:
            self._scopes.append(nursery.cancel_scope)
            nursery.start_soon(self._pipe, ours, theirs, nursery.cancel_scope)
            nursery.start_soon(self._pipe, theirs, ours, nursery.cancel_scope)
        self.closed.set()

    async def _pipe(
        self, source: trio.SocketStream, sink: trio.SocketStream, scope: trio.CancelScope
    ) -> None:
        with contextlib.suppress(trio.BrokenResourceError):
            async for data in source:
                await sink.send_all(data)
        scope.cancel()

    async def cut(self) -> None:
        """Cut the newest connection; when this returns it is closed."""
        self.closed = trio.Event()
        self._scopes[-1].cancel()
        await self.closed.wait()


async def publish_to(broker: Broker, topic: str, payload: bytes) -> None:
    """Publish one message in 3.1.1; when this returns the broker has it."""
    version = MqttVersion.V311
    connect = mqtt_codec.connect(
        version, "script-once", "gateway", "", clean_start=True, keep_alive_seconds=60,
        session_expiry_seconds=0,
    )  # fmt: skip
    async with await trio.open_tcp_stream(broker.host, broker.gateway_port) as stream:
        await stream.send_all(connect + mqtt_codec.publish(version, 1, topic, payload))
        reader = PacketReader(version)
        async for data in stream:
            reader.feed(bytes(data))
            while packet := reader.next_packet():
                if isinstance(packet, mqtt5.PubAckPacket):
                    return


@pytest.mark.trio
@pytest.mark.mosquitto
@pytest.mark.parametrize("version", MqttVersion)
async def test_events_wait_for_a_centre_whose_connection_was_lost(
    mosquitto_broker: Broker, version: MqttVersion
) -> None:
    """Its session outlives the connection, in both versions: nothing is missed meanwhile.

    Not tested with NATS, which sends again only after 30 s what it sent to a lost connection.
    """
    broker, dialect = mosquitto_broker, Dialect(version)
    centre, hop, ready = ListeningCentre(), Hop(broker), trio.Event()
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    host, port, *_ = listener.socket.getsockname()
    login = Login(host, port, "workflow-absent", "")
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, hop.carry, [listener])
            nursery.start_soon(end_tasks_behind, broker, ready, Counter[str]())
            await ready.wait()
            async with trio.open_nursery() as running:
                running.start_soon(CentreLink(centre, postings()[:1], NOW, login, dialect).run)
                await centre.heard.wait()
                await trio.testing.wait_all_tasks_blocked()
                await hop.cut()
                await publish_to(broker, task_topic(1, "answered"), changed("answered", "r1"))
            nursery.cancel_scope.cancel()
    assert centre.is_done
    assert centre.sessions == 1


@pytest.mark.trio
async def test_a_centre_that_is_not_let_in_gives_up() -> None:
    """By the broker at all, to read, or to publish; each has its words."""
    refused = mqtt5.ConnAckReasonCode.NOT_AUTHORIZED
    script = ScriptedBroker()
    script.connack = mqtt5.ConnAckPacket(reason_code=refused).write()
    centre = await run_against(script, postings()[:1])
    assert centre.failure == "the broker refuses the user workflow: code 135"
    script = ScriptedBroker()
    script.granted = mqtt5.SubAckReasonCode.NOT_AUTHORIZED
    centre = await run_against(script, postings()[:1])
    assert centre.failure == "the broker does not let it read the events of tasks"
    script = ScriptedBroker()
    script.puback = mqtt5.PubAckReasonCode.NOT_AUTHORIZED
    centre = await run_against(script, postings()[:1])
    assert centre.failure == "the broker does not let it publish requests for tasks"


@pytest.mark.trio
async def test_a_broker_that_is_away_is_tried_again(autojump_clock: MockClock) -> None:
    """Once a second, until the run's time-out ends it."""
    link = CentreLink(
        Centre(ERRANDS), postings(), NOW, Login("127.0.0.1", 1, "workflow", ""), Dialect()
    )
    with trio.move_on_after(5 * RECONNECT_SECONDS) as scope:
        await link.run()
    assert scope.cancelled_caught
