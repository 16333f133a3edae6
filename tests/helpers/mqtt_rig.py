"""Sessions over MQTT without a broker: messages put in by hand, replies taken out."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from gateway.admission import Admission
from gateway.attendance import Attendance
from gateway.batcher import Batcher
from gateway.mqtt_client import Delivery, ManualAcks
from gateway.mqtt_sessions import Key, MqttSessions, Received
from gateway.protocol import limits
from gateway.protocol.messages import (
    Hello,
    Message,
    decode,
    decode_or_bad,
    encode,
)
from gateway.protocol.wire_report import pack_report
from gateway.session import Station
from gateway.settings import BatchSettings
from tests.helpers.builders import EDITION_2007, NOW, TABLES, build_report
from tests.helpers.memory_store import MemoryStore
from tests.helpers.tcp_gateway import MemoryRegistry

KEY: Key = (7, 3)


class Rig:
    """Sessions with a store and a registry in memory, and a list of what the broker was acked."""

    def __init__(self, batch: BatchSettings | None = None) -> None:
        self.store = MemoryStore()
        self.registry = MemoryRegistry()
        self.batcher = Batcher(self.store, batch or BatchSettings(linger_seconds=0, writers=1))
        self.admission = Admission(self.registry)
        self.acked: list[int] = []
        self.acks = self._new_acks()
        self.refused: list[int] = []
        self.attendance = Attendance()
        loop = asyncio.get_running_loop()
        self.station = station = Station(
            tables=TABLES,
            offer=self.batcher.offer,
            refused=lambda _transport, items: self.refused.append(items),
            unix_time=lambda: float(NOW),
            monotonic=loop.time,
            call_soon=loop.call_soon,
            arrived=self.attendance.arrived,
            left=self.attendance.left,
            is_crowded=self.batcher.is_crowded,
        )
        self.sessions = MqttSessions(
            station, self.admission, self.batcher, recheck_device_seconds=60.0
        )
        self._next_id = 0

    def receive(self, body: bytes, key: Key = KEY) -> int:
        """Take a message as from the broker; returns its packet identifier."""
        self._next_id += 1
        delivery = Delivery(self._next_id, 1)
        self.acks._deliveries.append(delivery)
        self.sessions.receive(Received(key, decode_or_bad(body), body, self.acks, delivery))
        return self._next_id

    def reconnect(self) -> None:
        """Lose the connection to the broker and have another."""
        self.sessions.forget_waiting()
        self.acks = self._new_acks()

    def _new_acks(self) -> ManualAcks:
        return ManualAcks(lambda mid, _qos: self.acked.append(mid))

    def replies_waiting(self) -> int:
        """How many replies would be published now."""
        return self.sessions.replies.qsize()

    async def reply(self) -> Message:
        """The next reply that would be published."""
        async with asyncio.timeout(10):
            _, body = await self.sessions.replies.get()
        return decode(body)


async def run_until_done(rig: Rig, work: Coroutine[Any, Any, None]) -> None:
    """Run batcher and admission until the work is done."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(rig.batcher.run())
        admission = tasks.create_task(rig.admission.run())
        await work
        await rig.batcher.drain(5)
        admission.cancel()


def report(sequence: int, **fields: Any) -> bytes:
    """A report as the body of a message, valid but for `fields`."""
    return encode(pack_report(build_report(sequence=sequence, **fields), EDITION_2007))


def hello(nonce: int) -> bytes:
    """A greeting with a nonce of its own."""
    return encode(Hello(1, *KEY, 0, bytes([nonce]) * limits.NONCE_BYTES, b""))
