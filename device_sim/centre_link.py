"""The centre at the broker: publishes requests and cancellations, reads events. Trio.

Everything goes with QoS 1 and is published again until the broker has acknowledged it; the broker
keeps the events for us while the connection is away. The session ends with the run.
"""

import math
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final

import mqtt5
import trio

from device_sim import mqtt_codec
from device_sim.centre import Centre
from device_sim.mqtt_codec import MqttProtocolError, PacketReader
from device_sim.mqtt_link import Dialect
from device_sim.pace import Wake
from device_sim.streams import READ_BYTES
from device_sim.task_scenario import Posting
from gateway.protocol.topics import EVENTS

FILTERS: Final = (f"{EVENTS}/task/#", f"{EVENTS}/task-request/#")
"""What the centre reads: the states of tasks, and what became of its requests."""

CONTENT_TYPE: Final = "application/json"

UNACKNOWLEDGED: Final = 16
"""Publications that the broker has not acknowledged; fewer if it says so (Mosquitto: 20)."""

RECONNECT_SECONDS: Final = 1.0
SESSION_SECONDS: Final = 600
"""How long a broker of version 5 keeps our session after a run that was killed."""

_SUBSCRIPTION: Final = 1
"""Packet identifier of SUBSCRIBE; publications count on from there."""
_LAST_PACKET_ID: Final = 65_535
_FAILURE: Final = 0x80
_LOST: Final = (OSError, trio.BrokenResourceError, trio.ClosedResourceError, MqttProtocolError)
"""What means that the connection is gone, and may be had again."""


class CentreRefusedError(Exception):
    """The broker does not let the centre in, or not read or publish what it must."""


@dataclass(frozen=True, slots=True)
class Login:
    """Who the centre is at the broker."""

    host: str
    port: int
    user: str
    password: str

    @property
    def client_id(self) -> str:
        """One centre at a time: a second one takes the broker's connection from the first."""
        return f"device-sim-{self.user}"


class CentreLink:
    """Keeps the centre connected until everything is published and over.

    Args:
        centre: takes the events.
        postings: what to publish, in order of time.
        began_at: Unix time of now, on which the postings' times are counted.
        login: at the broker.
        dialect: version of MQTT, shared with the fleet.
    """

    def __init__(
        self,
        centre: Centre,
        postings: Iterable[Posting],
        began_at: float,
        login: Login,
        dialect: Dialect,
    ) -> None:
        self._centre = centre
        self._waiting = deque(postings)
        self._offset = began_at - trio.current_time()
        self._login = login
        self._dialect = dialect
        self._is_clean = False
        self._packet_id = _SUBSCRIPTION
        self._unacknowledged: dict[int, Posting] = {}
        self._wake = Wake()
        self._refusal: CentreRefusedError | None = None

    async def run(self) -> None:
        """Publish and read until nothing is left.

        Raises:
            CentreRefusedError: the broker does not serve us, and never will.
        """
        while not self._is_clean:
            await self._connect_once(self._clean)
            if not self._is_clean:
                await trio.sleep(RECONNECT_SECONDS)
        while not self._is_done:
            await self._connect_once(self._serve)
            if not self._is_done:
                await trio.sleep(RECONNECT_SECONDS)
        with trio.move_on_after(RECONNECT_SECONDS):
            await self._connect_once(self._clean)

    @property
    def _is_done(self) -> bool:
        return self._centre.is_done and not (self._waiting or self._unacknowledged)

    async def _connect_once(self, job: Callable[["_Connection"], Awaitable[None]]) -> None:
        try:
            async with await trio.open_tcp_stream(self._login.host, self._login.port) as stream:
                await job(_Connection(stream, PacketReader(self._dialect.version)))
        except _LOST:
            return
        finally:
            self._waiting.extendleft(reversed(self._unacknowledged.values()))
            self._unacknowledged.clear()

    async def _clean(self, connection: "_Connection") -> None:
        """Leave nothing of an earlier session. In 3.1.1 a clean one ends with its connection, so
        the one that is served is another.
        """
        await connection.send(self._connect(clean_start=True))
        if self._is_let_in(await connection.receive()):
            self._is_clean = True
            await connection.send(mqtt_codec.disconnect())

    async def _serve(self, connection: "_Connection") -> None:
        await connection.send(self._connect(clean_start=False))
        connack = await connection.receive()
        if not self._is_let_in(connack):
            return
        if isinstance(connack, mqtt5.ConnAckPacket) and not connack.session_present:
            self._centre.sessions += 1
        version = self._dialect.version
        await connection.send(
            mqtt_codec.subscribe(version, _SUBSCRIPTION, *FILTERS, qos=mqtt5.QoS.AT_LEAST_ONCE)
        )
        async with trio.open_nursery() as nursery:
            for job in (self._read, self._write):
                nursery.start_soon(self._first_to_end, job, connection, nursery.cancel_scope)
        if self._refusal is not None:
            raise self._refusal
        if self._is_done:
            await connection.send(mqtt_codec.disconnect())

    async def _first_to_end(
        self,
        job: Callable[["_Connection"], Awaitable[None]],
        connection: "_Connection",
        scope: trio.CancelScope,
    ) -> None:
        """Nothing is raised between the two: it would come out as a group."""
        try:
            await job(connection)
        except CentreRefusedError as error:
            self._refusal = error
        except _LOST:
            pass
        finally:
            scope.cancel()

    def _connect(self, *, clean_start: bool) -> bytes:
        return mqtt_codec.connect(
            self._dialect.version,
            client_id=self._login.client_id,
            username=self._login.user,
            password=self._login.password,
            clean_start=clean_start,
            keep_alive_seconds=0,  # a run is short, and has a time-out of its own
            session_expiry_seconds=0 if clean_start else SESSION_SECONDS,
        )

    def _is_let_in(self, packet: mqtt5.Packet | None) -> bool:
        """Whether the broker has accepted the connection; False to try again."""
        if not isinstance(packet, mqtt5.ConnAckPacket):
            return False
        code = packet.reason_code
        if code == mqtt5.ConnAckReasonCode.UNSUPPORTED_PROTOCOL_VERSION and self._dialect.refused():
            return False
        if int(code) >= _FAILURE:
            user = self._login.user
            raise CentreRefusedError(f"the broker refuses the user {user}: code {int(code)}")
        return True

    async def _read(self, connection: "_Connection") -> None:
        while packet := await connection.receive():
            if isinstance(packet, mqtt5.PublishPacket):
                self._centre.receive(packet.payload)
                if packet.packet_id is not None:
                    await connection.send(mqtt_codec.puback(packet.packet_id))
            elif isinstance(packet, mqtt5.PubAckPacket):
                self._acknowledged(packet)
            elif isinstance(packet, mqtt5.SubAckPacket):
                if any(int(code) >= _FAILURE for code in packet.reason_codes):
                    raise CentreRefusedError("the broker does not let it read the events of tasks")
                connection.is_subscribed = True
            self._wake.set()

    async def _write(self, connection: "_Connection") -> None:
        while not self._is_done:
            await self._publish_due(connection)
            with trio.move_on_at(self._next_due(connection)):
                await self._wake.wait()

    def _acknowledged(self, packet: mqtt5.PubAckPacket) -> None:
        self._unacknowledged.pop(packet.packet_id, None)
        if int(packet.reason_code) >= _FAILURE:
            raise CentreRefusedError("the broker does not let it publish requests for tasks")

    async def _publish_due(self, connection: "_Connection") -> None:
        while self._next_due(connection) <= trio.current_time():
            posting = self._waiting.popleft()
            self._packet_id = self._packet_id % _LAST_PACKET_ID + 1
            self._unacknowledged[self._packet_id] = posting
            await connection.send(
                mqtt_codec.publish(
                    self._dialect.version,
                    self._packet_id,
                    posting.topic,
                    posting.payload,
                    CONTENT_TYPE,
                )
            )

    def _next_due(self, connection: "_Connection") -> float:
        """When to publish next without being woken; not before the subscription, for the first
        events would be missed.
        """
        has_room = len(self._unacknowledged) < UNACKNOWLEDGED
        if self._waiting and has_room and connection.is_subscribed:
            return self._waiting[0].at - self._offset
        return math.inf


class _Connection:
    """Packets over one connection."""

    def __init__(self, stream: trio.abc.Stream, reader: PacketReader) -> None:
        self.is_subscribed = False
        self._stream = stream
        self._reader = reader
        self._lock = trio.Lock()

    async def send(self, packet: bytes) -> None:
        """Send; two tasks may."""
        async with self._lock:
            await self._stream.send_all(packet)

    async def receive(self) -> mqtt5.Packet | None:
        """The next packet, or None at the end."""
        while not (packet := self._reader.next_packet()):
            data = await self._stream.receive_some(READ_BYTES)
            if not data:
                return None
            self._reader.feed(bytes(data))
        return packet
