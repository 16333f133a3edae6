"""Somebody who reads what the gateway publishes of emergencies, and notes when."""

import asyncio
import time
from typing import Final, cast

import msgspec

from bench.load.fleet import LoadError
from bench.load.packets import (
    CONNACK,
    CONNECT,
    PUBLISH,
    SUBACK,
    SUBSCRIBE,
    packet,
    string,
    whole_packets,
)
from bench.load.plan import Subscriber
from gateway.protocol.topics import EVENTS

FILTER: Final = f"{EVENTS}/emergency/#"
SUBSCRIBE_ID: Final = 1
QOS: Final = 0
"""The first copy is what counts here; a subscriber that must not miss one takes 1."""

LAST_RECEIPTS_SECONDS: Final = 30.0
"""How long the last events may take behind their acks, before the run is called failed."""

_USER_PASSWORD_CLEAN: Final = 0b1100_0010

Key = tuple[int, int, int]
"""Device, installation and sequence."""


class _Data(msgspec.Struct):
    device: int
    installation: int
    sequence: int


class _Event(msgspec.Struct):
    data: _Data


_decode = msgspec.json.Decoder(_Event).decode


class EmergencyReader(asyncio.Protocol):
    """Connects and subscribes by itself."""

    def __init__(self, subscriber: Subscriber) -> None:
        self.received_at: dict[Key, float] = {}
        """When each emergency came first."""
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._subscriber = subscriber
        self._came = asyncio.Event()
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """CONNECT (MQTT 3.1.1, section 3.1), without keep-alive."""
        self._transport = cast("asyncio.Transport", transport)
        user, password = self._subscriber.user, self._subscriber.password
        head = b"\x00\x04MQTT\x04" + bytes((_USER_PASSWORD_CLEAN, 0, 0))
        fields = map(string, ("bench-subscriber", user, password))
        self._transport.write(packet(CONNECT, head + b"".join(fields)))

    def data_received(self, data: bytes) -> None:
        """Take whole packets, keep the rest."""
        data, end = self._rest + data, 0
        for first, body, end in whole_packets(data):  # noqa: B007 - the last end is used behind it
            self._take(first & 0xF0, body)
        self._rest = data[end:]

    def connection_lost(self, exc: Exception | None) -> None:
        """An error before it began; afterwards the missing receipts tell."""
        if not self.ready.done():
            self.ready.set_exception(LoadError(f"the subscriber was cut off: {exc}"))

    async def wait_for(self, keys: set[Key]) -> None:
        """Until all these emergencies came. Raises `LoadError` when they do not."""
        try:
            async with asyncio.timeout(LAST_RECEIPTS_SECONDS):
                while keys - self.received_at.keys():
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError:
            missing = len(keys - self.received_at.keys())
            raise LoadError(f"{missing} emergencies were acked and never published") from None

    def _take(self, kind: int, body: bytes) -> None:
        if kind == CONNACK and not body[1]:
            wanted = SUBSCRIBE_ID.to_bytes(2, "big") + string(FILTER) + bytes((QOS,))
            self._transport.write(packet(SUBSCRIBE, wanted))
        elif kind == SUBACK and body[2] == QOS:
            self.ready.set_result(None)
        elif kind == PUBLISH:
            now = time.perf_counter()
            event = _decode(body[2 + int.from_bytes(body[:2], "big") :]).data
            key = event.device, event.installation, event.sequence
            self.received_at.setdefault(key, now)
            self._came.set()
        elif not self.ready.done():
            self.ready.set_exception(LoadError(f"the broker sent {kind:#x} {body.hex()}"))
