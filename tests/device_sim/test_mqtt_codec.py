"""Tests of the MQTT packets against golden bytes, written by hand from the two standards."""

import mqtt5
import pytest
from hypothesis import given

from device_sim import mqtt_codec
from device_sim.mqtt_codec import MqttProtocolError, MqttVersion, PacketReader, Will
from fuzz.seeds import SEEDS
from fuzz.targets.packets import check
from tests.helpers.hostile import changed
from tests.helpers.strategies import UNHURRIED

V5, V311 = MqttVersion.V5, MqttVersion.V311

CONNECT_311 = "10 14 0004 4d515454 04 c0 003c 0002 6667 0001 75 0001 70"
CONNECT_5 = "10 1a 0004 4d515454 05 c2 003c 05 11 00000064 0002 6667 0001 75 0001 70"


CONNECT_WILL_311 = "10 1c 0004 4d515454 04 cc 003c 0002 6667 0003 612f62 0001 c0 0001 75 0001 70"
CONNECT_WILL_5 = (
    "10 27 0004 4d515454 05 cc 003c 05 11 00000064 0002 6667"
    " 04 03 0001 78 0003 612f62 0001 c0 0001 75 0001 70"
)


def connect(version: MqttVersion, *, clean_start: bool, will: Will | None = None) -> bytes:
    """CONNECT of client "fg", user "u", password "p"."""
    return mqtt_codec.connect(
        version,
        "fg",
        "u",
        "p",
        clean_start=clean_start,
        keep_alive_seconds=60,
        session_expiry_seconds=100,
        will=will,
    )


def test_connect() -> None:
    """Level, flags, and in version 5 the properties."""
    assert connect(V311, clean_start=False) == bytes.fromhex(CONNECT_311)
    assert connect(V5, clean_start=True) == bytes.fromhex(CONNECT_5)


def test_connect_with_a_will() -> None:
    """With QoS 1 and not retained; 3.1.1 knows neither its properties nor the session's."""
    will = Will("a/b", b"\xc0", "x")
    assert connect(V311, clean_start=False, will=will) == bytes.fromhex(CONNECT_WILL_311)
    assert connect(V5, clean_start=False, will=will) == bytes.fromhex(CONNECT_WILL_5)


@pytest.mark.parametrize(
    "version, golden",
    [
        (V311, "82 08 0007 0003 612f62 00"),
        (V5, "82 09 0007 00 0003 612f62 00"),
    ],
)
def test_subscribe(version: MqttVersion, golden: str) -> None:
    """QoS 0 and no other option: 3.1.1 reserves those bits."""
    assert mqtt_codec.subscribe(version, 7, "a/b") == bytes.fromhex(golden)


def test_subscribe_to_two_topics() -> None:
    """In one packet, with the QoS that is wanted."""
    packet = mqtt_codec.subscribe(V311, 7, "a", "b", qos=mqtt5.QoS.AT_LEAST_ONCE)
    assert packet == bytes.fromhex("82 0a 0007 0001 61 01 0001 62 01")


@pytest.mark.parametrize(
    "version, golden",
    [
        (V311, "32 09 0003 612f62 0102 c0ff"),
        (V5, "32 0e 0003 612f62 0102 04 03 0001 78 c0ff"),
    ],
)
def test_publish(version: MqttVersion, golden: str) -> None:
    """QoS 1; the content type goes along in version 5 only."""
    packet = mqtt_codec.publish(version, 0x102, "a/b", b"\xc0\xff", "x")
    assert packet == bytes.fromhex(golden)


def test_a_long_packet_keeps_its_length() -> None:
    """Stripping the properties shortens a length of two bytes to what it is."""
    packet = mqtt_codec.publish(V311, 1, "t", bytes(16_000))
    assert packet[:3] == bytes.fromhex("32 857d")
    assert len(packet) == 3 + 2 + 1 + 2 + 16_000


def test_packets_that_are_the_same_in_both_versions() -> None:
    """PUBACK, PINGREQ, DISCONNECT."""
    assert mqtt_codec.puback(0x102) == bytes.fromhex("40 02 0102")
    assert mqtt_codec.pingreq() == bytes.fromhex("c0 00")
    assert mqtt_codec.disconnect() == bytes.fromhex("e0 00")


def read(version: MqttVersion, data: str) -> list[mqtt5.Packet]:
    """All packets in some bytes, fed one by one."""
    reader, packets = PacketReader(version), []
    for byte in bytes.fromhex(data):
        reader.feed(bytes((byte,)))
        while packet := reader.next_packet():
            packets.append(packet)
    return packets


def test_packets_of_311_are_read_as_those_of_5() -> None:
    """CONNACK, SUBACK, PUBLISH with and without identifier, PUBACK, PINGRESP, one after another."""
    connack, suback, once, least, puback, ping = read(
        V311,
        "20020100 9003000101 3006 0003612f62ff 3209 0003612f62 0005 c0ff 40020007 d000",
    )
    assert isinstance(connack, mqtt5.ConnAckPacket)
    assert connack.session_present
    assert connack.reason_code == mqtt5.ConnAckReasonCode.SUCCESS
    assert isinstance(suback, mqtt5.SubAckPacket)
    assert suback.reason_codes == [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE]
    assert isinstance(once, mqtt5.PublishPacket)
    assert (once.topic, once.payload, once.packet_id) == ("a/b", b"\xff", None)
    assert isinstance(least, mqtt5.PublishPacket)
    assert (least.topic, least.payload, least.packet_id) == ("a/b", b"\xc0\xff", 5)
    assert isinstance(puback, mqtt5.PubAckPacket)
    assert puback.packet_id == 7
    assert isinstance(ping, mqtt5.PingRespPacket)


@pytest.mark.parametrize(
    "code, reason",
    [
        (1, mqtt5.ConnAckReasonCode.UNSUPPORTED_PROTOCOL_VERSION),
        (2, mqtt5.ConnAckReasonCode.CLIENT_ID_NOT_VALID),
        (3, mqtt5.ConnAckReasonCode.SERVER_UNAVAILABLE),
        (4, mqtt5.ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD),
        (5, mqtt5.ConnAckReasonCode.NOT_AUTHORIZED),
    ],
)
def test_refused_connections_of_311(code: int, reason: mqtt5.ConnAckReasonCode) -> None:
    """Its return codes become those of version 5, even if we spoke version 5 to it."""
    for version in (V311, V5):
        (connack,) = read(version, f"200200{code:02x}")
        assert isinstance(connack, mqtt5.ConnAckPacket)
        assert connack.reason_code == reason


def test_a_failed_subscription_of_311() -> None:
    """0x80 is a failure in both versions."""
    (suback,) = read(V311, "9003000180")
    assert isinstance(suback, mqtt5.SubAckPacket)
    assert suback.reason_codes == [mqtt5.SubAckReasonCode.UNSPECIFIED_ERROR]


def test_a_connack_of_5() -> None:
    """Receive Maximum 20, as Mosquitto has it."""
    (connack,) = read(V5, "2006 0000 03 21 0014")
    assert isinstance(connack, mqtt5.ConnAckPacket)
    assert connack.receive_max == 20


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of `mqtt5`
@pytest.mark.parametrize(
    "data",
    [
        "2002 0063",
        "f000",
        "30 ffffffff7f",
        "32ffff7f",
        "9000",
        "3000",
        "200100",
        "3001ff",
        "30030001ff",
    ],
)
def test_nonsense_is_a_protocol_error(data: str) -> None:
    """Unknown codes and packets, lengths that are too long, packets cut short, no UTF-8."""
    with pytest.raises(MqttProtocolError):
        read(V311, data)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of `mqtt5`
@UNHURRIED
@given(changed(SEEDS["packets"]()))
def test_hostile_bytes(data: bytes) -> None:
    """Packets are the same however they are cut, and nonsense ends in one kind of error."""
    check(data)
