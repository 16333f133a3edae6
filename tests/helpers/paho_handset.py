"""A handset over MQTT as paho makes one, in a process of its own: `python -m
tests.helpers.paho_handset HOST PORT WORK`. An implementation that shares nothing with ours.
"""

from __future__ import annotations

import queue
import sys
import time
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.protocol.errors import GoodbyeReason
from gateway.protocol.limits import NONCE_BYTES, PROTOCOL_VERSION
from gateway.protocol.messages import Ack, Goodbye, Hello, Message, Welcome, decode, encode
from gateway.protocol.topics import CONTENT_TYPE, down_topic, up_topic
from gateway.protocol.wire_report import pack_backlog, pack_report
from tests.helpers.builders import EDITION_2007, build_reports

DEVICE, INSTALLATION = 1, 1
KEEPALIVE_SECONDS = 3
"""Short, so that a test sees pings."""

IDLE_SECONDS = 16
ANSWER_WITHIN_SECONDS = 30.0


class Handset:
    """One connection: greets, reports, leaves."""

    def __init__(self, host: str, port: int, version: MQTTProtocolVersion) -> None:
        self._is_5 = version is MQTTProtocolVersion.MQTTv5
        self._up = up_topic(DEVICE, INSTALLATION)
        self._answers: queue.Queue[Message] = queue.Queue()
        self._subscribed: queue.Queue[bool] = queue.Queue()
        self._client = client = paho.Client(
            CallbackAPIVersion.VERSION2,
            f"fg-{DEVICE}",
            clean_session=None if self._is_5 else False,
            protocol=version,
        )
        client.username_pw_set(str(DEVICE), "0" * 32)
        client.will_set(self._up, encode(_GOODBYE), 1, properties=self._properties())
        client.on_message = self._received
        client.on_subscribe = lambda *_: self._subscribed.put(True)
        client.connect(host, port, KEEPALIVE_SECONDS, properties=self._session())
        client.loop_start()
        client.subscribe(down_topic(DEVICE, INSTALLATION), 0)
        self._subscribed.get(timeout=ANSWER_WITHIN_SECONDS)
        nonce = bytes(NONCE_BYTES)
        self.publish(Hello(PROTOCOL_VERSION, DEVICE, INSTALLATION, 0, nonce, b""))
        assert isinstance(self._answers.get(timeout=ANSWER_WITHIN_SECONDS), Welcome)

    def publish(self, message: Message) -> paho.MQTTMessageInfo:
        """Publish without waiting."""
        return self._client.publish(self._up, encode(message), 1, properties=self._properties())

    def wait_for_ack_of(self, sequence: int) -> None:
        """Read answers until one acks all up to here."""
        while True:
            answer = self._answers.get(timeout=ANSWER_WITHIN_SECONDS)
            assert isinstance(answer, Ack), answer
            if answer.through >= sequence:
                return

    def leave(self) -> None:
        """Say goodbye, and disconnect when the broker has it."""
        self.publish(_GOODBYE).wait_for_publish(ANSWER_WITHIN_SECONDS)
        self._client.disconnect()
        self._client.loop_stop()

    def _received(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        self._answers.put(decode(bytes(message.payload)))

    def _properties(self) -> Properties | None:
        if not self._is_5:
            return None
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # of paho
        properties.ContentType = CONTENT_TYPE
        return properties

    def _session(self) -> Properties | None:
        if not self._is_5:
            return None
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # of paho
        properties.SessionExpiryInterval = 86_400
        return properties


_GOODBYE = Goodbye(GoodbyeReason.NORMAL)

Open = Callable[[], Handset]


def singles(connect: Open) -> None:
    """Report, ack, the next."""
    handset = connect()
    for report in build_reports(60):
        handset.publish(pack_report(report, EDITION_2007))
        handset.wait_for_ack_of(report.sequence)
    handset.leave()


def now_and_then(connect: Open) -> None:
    """A report each half second, as an inspector makes them each few minutes."""
    handset = connect()
    for report in build_reports(12):
        handset.publish(pack_report(report, EDITION_2007))
        handset.wait_for_ack_of(report.sequence)
        time.sleep(0.5)  # the work of the test itself: nothing is waited for
    handset.leave()


def at_once(connect: Open) -> None:
    """Eight reports at a time, as they gather while there is no coverage."""
    handset = connect()
    reports = build_reports(160)
    for first in range(0, 160, 8):
        for report in reports[first : first + 8]:
            handset.publish(pack_report(report, EDITION_2007))
        handset.wait_for_ack_of(first + 8)
    handset.leave()


def backlogs(connect: Open) -> None:
    """Backlogs of 32 reports, one after the other."""
    handset = connect()
    reports = build_reports(32 * 20)
    for first in range(0, len(reports), 32):
        handset.publish(pack_backlog(reports[first : first + 32], EDITION_2007))
        handset.wait_for_ack_of(first + 32)
    handset.leave()


def idle(connect: Open) -> None:
    """Nothing but pings."""
    handset = connect()
    time.sleep(IDLE_SECONDS)  # the work of the test itself: nothing is waited for
    handset.leave()


def connections(connect: Open) -> None:
    """A connection for each report."""
    for report in build_reports(12):
        handset = connect()
        handset.publish(pack_report(report, EDITION_2007))
        handset.wait_for_ack_of(report.sequence)
        handset.leave()


VERSIONS = {"3.1.1": MQTTProtocolVersion.MQTTv311, "5": MQTTProtocolVersion.MQTTv5}

WORKS = {
    work.__name__: work for work in (singles, now_and_then, at_once, backlogs, idle, connections)
}


def main(host: str, port: str, version: str, work: str) -> None:
    """Do one kind of work."""
    WORKS[work](lambda: Handset(host, int(port), VERSIONS[version]))


if __name__ == "__main__":
    main(*sys.argv[1:])
