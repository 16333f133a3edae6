"""The simulator's MQTT packets, in both versions, cut anywhere."""

from device_sim.mqtt_codec import MAX_PACKET_BYTES, MqttProtocolError, MqttVersion, PacketReader

_HEADER_BYTES = 2
_V311 = 1


def check(data: bytes) -> None:
    """Whole and in pieces the bytes give the same packets, and the same fault at the same place."""
    if len(data) < _HEADER_BYTES:
        return
    version = MqttVersion.V311 if data[0] & _V311 else MqttVersion.V5
    stream, size = data[_HEADER_BYTES:], 1 + data[1]
    whole = _read(version, [stream])
    cut = _read(version, [stream[at : at + size] for at in range(0, len(stream), size)])
    assert whole == cut


def _read(version: MqttVersion, pieces: list[bytes]) -> tuple[list[str], str]:
    reader = PacketReader(version)
    packets: list[str] = []
    try:
        for piece in pieces:
            reader.feed(piece)
            while (packet := reader.next_packet()) is not None:
                packets.append(str(packet))
    except MqttProtocolError as error:
        return packets, str(error)
    assert sum(map(len, pieces)) <= MAX_PACKET_BYTES
    return packets, ""
