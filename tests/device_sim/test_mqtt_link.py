"""Tests of a session over MQTT: against a broker on a memory stream, and against real ones."""

import itertools
from pathlib import Path

import mqtt5
import pytest
import trio
from trio.testing import MockClock

from device_sim import mqtt_codec
from device_sim.courier import Courier, NotAdmittedError
from device_sim.faults import Circumstance
from device_sim.mqtt_codec import MqttVersion, PacketReader
from device_sim.mqtt_link import KEEP_ALIVE_SECONDS, PING_SECONDS, Dialect, MqttSession
from device_sim.session import Ending
from device_sim.streams import CountedLink
from gateway.protocol.errors import GoodbyeReason
from gateway.protocol.limits import REPLY_TIMEOUT_SECONDS
from gateway.protocol.messages import Ack, Goodbye, Hello, Message, decode, encode
from gateway.protocol.proof import mqtt_password
from gateway.protocol.task_messages import TaskAnswer, TaskNoted
from gateway.protocol.topics import UP_FILTER, down_topic, up_topic
from tests.helpers.brokers import Broker
from tests.helpers.builders import build_reports, build_task
from tests.helpers.couriers import (
    DEVICE,
    INSTALLATION,
    SECRET,
    build_courier,
    open_outbox,
    welcome_to,
    write_all,
)
from tests.helpers.scripted_gateway import ScriptedBroker, link_pair, run_against, sequences

DOWN = down_topic(DEVICE, INSTALLATION)


@pytest.fixture
def courier(tmp_path: Path) -> Courier:
    """A courier without faults."""
    return build_courier(open_outbox(tmp_path))


def session_with(
    courier: Courier, dialect: Dialect | None = None
) -> tuple[MqttSession, ScriptedBroker]:
    """A session and the broker at the other end."""
    link, theirs = link_pair(courier)
    session = MqttSession(link, courier, SECRET, dialect or Dialect(MqttVersion.V5))
    return session, ScriptedBroker(theirs)


@pytest.mark.trio
async def test_connect_subscribe_greet_report(courier: Courier) -> None:
    """In this order, on the device's own topics, with the derived password."""
    write_all(courier, build_reports(30))
    session, broker = session_with(courier)
    assert await run_against(session, broker) is Ending.FINISHED
    connect, subscribe, hello, *_, goodbye, disconnect = broker.packets
    assert isinstance(connect, mqtt5.ConnectPacket)
    assert (connect.client_id, connect.username) == (f"fg-{DEVICE}", str(DEVICE))
    assert connect.password == mqtt_password(SECRET).encode()
    assert connect.clean_start
    assert connect.keep_alive == KEEP_ALIVE_SECONDS
    assert isinstance(subscribe, mqtt5.SubscribePacket)
    (wanted,) = subscribe.topic_filters
    assert (wanted.pattern, wanted.max_qos) == (DOWN, mqtt5.QoS.AT_MOST_ONCE)
    assert isinstance(hello, mqtt5.PublishPacket)
    assert hello.topic == up_topic(DEVICE, INSTALLATION)
    assert hello.content_type == "application/msgpack"
    assert isinstance(goodbye, mqtt5.PublishPacket)
    assert decode(goodbye.payload) == Goodbye(GoodbyeReason.NORMAL)
    assert isinstance(disconnect, mqtt5.DisconnectPacket)
    assert broker.numbers == list(range(1, 31))


@pytest.mark.trio
async def test_a_link_that_breaks_says_goodbye_by_its_will(courier: Courier) -> None:
    """The same goodbye, on the same topic, with QoS 1, and not kept for later readers."""
    write_all(courier, build_reports(1))
    session, broker = session_with(courier)
    assert await run_against(session, broker) is Ending.FINISHED
    connect, *_, goodbye, _ = broker.packets
    assert isinstance(connect, mqtt5.ConnectPacket)
    assert isinstance(goodbye, mqtt5.PublishPacket)
    will = connect.will
    assert will is not None
    assert (will.topic, will.payload) == (goodbye.topic, goodbye.payload)
    assert (will.qos, will.retain) == (mqtt5.QoS.AT_LEAST_ONCE, False)


@pytest.mark.trio
async def test_a_goodbye_that_the_broker_has_no_room_for_is_left_to_the_will(
    courier: Courier,
) -> None:
    """No DISCONNECT then, for it would take the will away."""
    write_all(courier, build_reports(1))
    session, broker = session_with(courier)
    broker.receive_max, broker.pubacks = 2, False
    assert await run_against(session, broker) is Ending.FINISHED
    kinds = [type(packet) for packet in broker.packets[2:]]
    assert kinds == [mqtt5.PublishPacket, mqtt5.PublishPacket, mqtt5.PubAckPacket]


@pytest.mark.trio
async def test_the_session_is_kept_from_the_second_connection_on(courier: Courier) -> None:
    """A clean one only begins an installation."""
    session, broker = session_with(courier)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(session.run, lambda: None)
        nursery.start_soon(broker.run)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    courier.link_lost()
    write_all(courier, build_reports(1))
    session, broker = session_with(courier)
    await run_against(session, broker)
    assert isinstance(broker.packets[0], mqtt5.ConnectPacket)
    assert not broker.packets[0].clean_start


@pytest.mark.trio
async def test_the_brokers_receive_maximum_is_kept(courier: Courier) -> None:
    """Mosquitto takes 20 publications at once; here three, the hello included."""
    write_all(courier, build_reports(10))
    session, broker = session_with(courier)
    broker.receive_max = 3
    broker.pubacks = broker.acks = False
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_against, session, broker)
        await trio.testing.wait_all_tasks_blocked()
        assert broker.numbers == [1, 2]
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_hello_that_gets_no_welcome_is_repeated(
    courier: Courier, autojump_clock: MockClock
) -> None:
    """After a minute, with a new nonce; an answer to the first one counts for nothing then."""
    write_all(courier, build_reports(1))
    session, broker = session_with(courier)
    broker.welcomes = False

    async def welcome_late() -> None:
        await trio.sleep(REPLY_TIMEOUT_SECONDS + 1)
        first, second = broker.hellos
        assert first.nonce != second.nonce
        await broker.publish(DOWN, welcome_to(first))
        await trio.testing.wait_all_tasks_blocked()
        assert broker.numbers == []
        await broker.publish(DOWN, welcome_to(second))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(welcome_late)
        assert await run_against(session, broker) is Ending.FINISHED
    assert courier.tally.unproven_welcomes == 1


@pytest.mark.trio
async def test_what_is_not_acked_goes_again_on_the_same_connection(
    courier: Courier, autojump_clock: MockClock
) -> None:
    """After a minute: a PUBACK of the broker is no ack."""
    write_all(courier, build_reports(2))
    session, broker = session_with(courier)
    broker.acks = False

    async def ack_later() -> None:
        await trio.sleep(REPLY_TIMEOUT_SECONDS - 1)
        assert broker.numbers == [1, 2]
        broker.acks = True

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ack_later)
        assert await run_against(session, broker) is Ending.FINISHED
    assert broker.numbers == [1, 2, 1, 2]
    assert trio.current_time() == pytest.approx(REPLY_TIMEOUT_SECONDS)


@pytest.mark.trio
async def test_an_answer_without_receipt_goes_again_on_the_same_connection(
    courier: Courier, autojump_clock: MockClock
) -> None:
    """After a minute; the task is noted once."""
    write_all(courier, build_reports(1))
    session, broker = session_with(courier)
    broker.tasks, broker.receipts = [build_task()], False

    async def give_receipts_later() -> None:
        await trio.sleep(REPLY_TIMEOUT_SECONDS - 1)
        broker.receipts = True

    async with trio.open_nursery() as nursery:
        nursery.start_soon(give_receipts_later)
        assert await run_against(session, broker) is Ending.FINISHED
    kinds = [type(said) for said in broker.said_of_tasks]
    assert kinds == [TaskNoted, TaskAnswer, TaskAnswer]
    assert trio.current_time() == pytest.approx(REPLY_TIMEOUT_SECONDS)


@pytest.mark.trio
async def test_messages_on_other_topics_are_acknowledged_and_passed_over(courier: Courier) -> None:
    """An ack to an earlier installation settles nothing of this one."""
    write_all(courier, build_reports(1))
    session, broker = session_with(courier)
    broker.acks = False
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_against, session, broker)
        await trio.testing.wait_all_tasks_blocked()
        await broker.publish(down_topic(DEVICE, 5), Ack(1), packet_id=77)
        await trio.testing.wait_all_tasks_blocked()
        assert not courier.is_finished
        assert isinstance(broker.packets[-1], mqtt5.PubAckPacket)
        assert broker.packets[-1].packet_id == 77
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_goodbye_of_the_gateway_means_greeting_again(
    courier: Courier, autojump_clock: MockClock
) -> None:
    """The broker stays: after the pause that was asked for, on the same connection."""
    session, broker = session_with(courier)

    async def say_goodbye() -> None:
        await trio.sleep(5)
        await broker.publish(DOWN, Goodbye(GoodbyeReason.SHUTTING_DOWN, 10))
        await trio.testing.wait_all_tasks_blocked()
        write_all(courier, build_reports(1))
        await trio.sleep(9)
        assert broker.numbers == []

    async with trio.open_nursery() as nursery:
        nursery.start_soon(say_goodbye)
        assert await run_against(session, broker) is Ending.FINISHED
    assert len(broker.hellos) == 2
    assert trio.current_time() == pytest.approx(15)


@pytest.mark.trio
async def test_a_silent_session_pings_the_broker(
    courier: Courier, autojump_clock: MockClock
) -> None:
    """Before the keep-alive is over; a broker that does not answer is given up."""
    session, broker = session_with(courier)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_against, session, broker)
        await trio.sleep(2.5 * PING_SECONDS)
        pings = [packet for packet in broker.packets if isinstance(packet, mqtt5.PingReqPacket)]
        assert len(pings) == 2
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_broker_that_does_not_answer_is_given_up(
    courier: Courier, autojump_clock: MockClock
) -> None:
    """CONNECT gets a minute."""
    link, _theirs = link_pair(courier)
    session = MqttSession(link, courier, SECRET, Dialect())
    assert await session.run(lambda: None) is Ending.LOST
    assert trio.current_time() == pytest.approx(REPLY_TIMEOUT_SECONDS)


@pytest.mark.trio
async def test_a_broker_that_refuses_version_5_is_spoken_to_in_311(courier: Courier) -> None:
    """The next session, and those of all other handsets, use it."""
    dialect = Dialect()
    session, broker = session_with(courier, dialect)
    broker.connack = bytes.fromhex("20020001")
    assert await run_against(session, broker) is Ending.LOST
    assert dialect.version is MqttVersion.V311


@pytest.mark.trio
@pytest.mark.parametrize(
    "connack, dialect",
    [
        ("20020001", Dialect(MqttVersion.V5)),
        ("20020004", Dialect()),
        ("20020005", Dialect()),
        ("2003008700", Dialect()),
    ],
)
async def test_a_connection_refused_for_good_is_raised(
    courier: Courier, connack: str, dialect: Dialect
) -> None:
    """The demanded version, a wrong password, no right to connect."""
    session, broker = session_with(courier, dialect)
    broker.connack = bytes.fromhex(connack)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(broker.run)
        with pytest.raises(NotAdmittedError):
            await session.run(lambda: None)
        nursery.cancel_scope.cancel()


@pytest.mark.trio
@pytest.mark.parametrize("connack", ["20020003", "2003008800", "20020063", "e000"])
async def test_anything_else_instead_of_a_connack_loses_the_link(
    courier: Courier, connack: str
) -> None:
    """The broker may be back later."""
    session, broker = session_with(courier)
    broker.connack = bytes.fromhex(connack)
    assert await run_against(session, broker) is Ending.LOST


@pytest.mark.trio
async def test_a_wiped_handset_begins_a_clean_session_on_a_new_topic(courier: Courier) -> None:
    """And disconnects from the old one."""
    (report,) = build_reports(1)
    courier.write(1, [Circumstance(report, wiped=True)])
    courier.is_all_written = True
    session, broker = session_with(courier)
    assert await run_against(session, broker) is Ending.RENEWED
    session, broker = session_with(courier)
    assert await run_against(session, broker) is Ending.FINISHED
    connect, subscribe, *_ = broker.packets
    assert isinstance(connect, mqtt5.ConnectPacket)
    assert connect.clean_start
    assert isinstance(subscribe, mqtt5.SubscribePacket)
    assert subscribe.topic_filters[0].pattern == down_topic(DEVICE, INSTALLATION + 1)


async def serve_behind(broker: Broker, ready: trio.Event) -> None:
    """A gateway of a few lines that speaks 3.1.1 to a real broker: welcomes, and acks at once."""
    version = MqttVersion.V311
    stream = await trio.open_tcp_stream(broker.host, broker.gateway_port)
    reader, packet_ids = PacketReader(version), itertools.count(2)
    connect = mqtt_codec.connect(
        version,
        "script",
        "gateway",
        "",
        clean_start=True,
        keep_alive_seconds=60,
        session_expiry_seconds=0,
    )
    await stream.send_all(
        connect + mqtt_codec.subscribe(version, 1, UP_FILTER, qos=mqtt5.QoS.AT_LEAST_ONCE)
    )
    async with stream:
        async for data in stream:
            reader.feed(bytes(data))
            while packet := reader.next_packet():
                if isinstance(packet, mqtt5.SubAckPacket):
                    ready.set()
                elif isinstance(packet, mqtt5.PublishPacket) and packet.packet_id is not None:
                    if isinstance(decode(packet.payload), Goodbye):
                        continue
                    reply = answer(packet.payload)
                    topic = packet.topic.replace("/up/", "/down/")
                    await stream.send_all(
                        mqtt_codec.puback(packet.packet_id)
                        + mqtt_codec.publish(version, next(packet_ids), topic, encode(reply))
                    )


def answer(payload: bytes) -> Message:
    """A welcome to a hello, an ack to everything else."""
    message = decode(payload)
    return welcome_to(message) if isinstance(message, Hello) else Ack(max(sequences(message)))


@pytest.mark.trio
async def test_reports_go_through_a_real_broker(courier: Courier, broker: Broker) -> None:
    """NATS in 3.1.1 after it refused 5, Mosquitto in 5, QoS 1 both ways."""
    dialect, ready, ending = Dialect(), trio.Event(), Ending.LOST
    write_all(courier, build_reports(100))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_behind, broker, ready)
        await ready.wait()
        for _version in MqttVersion:
            stream = await trio.open_tcp_stream(broker.host, broker.port)
            link = CountedLink(stream, courier.tally.traffic)
            ending = await MqttSession(link, courier, SECRET, dialect).run(lambda: None)
            await trio.aclose_forcefully(stream)
            if ending is Ending.FINISHED:
                break
        nursery.cancel_scope.cancel()
    assert ending is Ending.FINISHED
    assert courier.tally.acked == 100
