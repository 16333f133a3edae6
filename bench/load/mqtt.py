"""Devices over MQTT 3.1.1, with packets made and read by hand (sections 2 and 3 of the standard).

A client library would cost more processor time than the gateway that is measured.
"""

from typing import Final

import msgspec

from bench.load.fleet import Device
from bench.load.packets import (
    CONNACK,
    CONNECT,
    PUBACK,
    PUBLISH,
    PUBLISH_QOS_1,
    SUBACK,
    SUBSCRIBE,
    packet,
    string,
    whole_packets,
)
from bench.load.tcp import ACK_TAG, NONCE
from gateway.protocol.limits import PROTOCOL_VERSION
from gateway.protocol.messages import Ack, Hello, Welcome, decode, encode
from gateway.protocol.proof import mqtt_password
from gateway.protocol.topics import down_topic, up_topic

KEEP_ALIVE_SECONDS: Final = 0
"""None: no run lasts so long, and a ping would be one more thing to keep time for."""

DOWN_QOS: Final = 0
"""Of the subscription to the device's own topic, as the protocol has it: a lost reply is made good
by sending again, and a broker has less to remember."""

SUBSCRIBE_ID: Final = 1
HELLO_ID: Final = 65_535
_USER_PASSWORD_PERSISTENT: Final = 0b1100_0000
"""CONNECT flags: user name and password, no clean session, as the protocol's rules have it."""

_REFUSED_FROM: Final = 0x80
_decode_ack = msgspec.msgpack.Decoder(Ack).decode


class MqttDevice(Device):
    """Connects as its device, subscribes to its own topic, publishes with QoS 1."""

    def greet(self) -> None:
        """CONNECT."""
        plan = self.plan
        self._is_broker_judge = self.fleet.plan.settled_by == "broker"
        self._pubacks = 0
        user = str(plan.device_id)
        fields = (user, user, mqtt_password(plan.secret))
        head = b"\x00\x04MQTT\x04" + bytes((_USER_PASSWORD_PERSISTENT,))
        head += KEEP_ALIVE_SECONDS.to_bytes(2, "big")
        self.transport.write(packet(CONNECT, head + b"".join(map(string, fields))))

    def take(self, data: bytes) -> int:
        """A type, one to four bytes of length, a body."""
        end = 0
        for first, body, end in whole_packets(data):  # noqa: B007 - the last end is returned
            self._take_packet(first, body)
        return end

    def _take_packet(self, first: int, body: bytes) -> None:
        kind = first & 0xF0
        if kind == PUBACK:
            self._puback()
        elif kind == PUBLISH:
            self._publish(first, body)
        elif kind == CONNACK and not body[1]:
            topic = down_topic(self.plan.device_id, self.plan.installation)
            wanted = SUBSCRIBE_ID.to_bytes(2, "big") + string(topic) + bytes((DOWN_QOS,))
            self.transport.write(packet(SUBSCRIBE, wanted))
        elif kind == SUBACK and body[2] < _REFUSED_FROM:
            self._subscribed()
        else:
            self.failed(f"the broker sent {first:#x} {body.hex()}")

    def _puback(self) -> None:
        """Counts only for a program that sends no acks of its own: there each message is one."""
        if self._is_broker_judge:
            self._pubacks += 1
            self.acked(self._pubacks)

    def _subscribed(self) -> None:
        if self._is_broker_judge:
            self.ready.set_result(None)
            return
        plan = self.plan
        hello = Hello(PROTOCOL_VERSION, plan.device_id, plan.installation, 0, NONCE, b"")
        topic = string(up_topic(plan.device_id, plan.installation))
        body = topic + HELLO_ID.to_bytes(2, "big") + encode(hello)
        self.transport.write(packet(PUBLISH_QOS_1, body))

    def _publish(self, first: int, body: bytes) -> None:
        payload_at = 2 + int.from_bytes(body[:2], "big")
        if first & 0b110:
            self.transport.write(packet(PUBACK, body[payload_at : payload_at + 2]))
            payload_at += 2
        payload = body[payload_at:]
        if payload[1] == ACK_TAG:
            self.acked(_decode_ack(payload).through)
            return
        message = decode(payload)
        if isinstance(message, Welcome):
            if not self.ready.done():
                self.ready.set_result(None)
        else:
            self.failed(f"the gateway sent {message}")
