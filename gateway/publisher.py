"""The connection to the broker that events go out on, with the gateway's last will.

Publications are QoS 1 and many are under way at once. A `Flight` is a number of them that belong
together: when it has landed, the broker has all of them.
"""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import aiomqtt

from gateway import observe_events
from gateway.event_rows import Published, gateway_presence
from gateway.events import CONTENT_TYPE
from gateway.mqtt_client import DirectPublisher, open_publisher, until_lost, versions
from gateway.retry import back_off, heed_cancellation
from gateway.settings import MqttSettings

RESERVED_SHARE: Final = 4
"""One in so many places under way is kept for emergencies, so that they never wait for a place."""

ACK_WITHIN_SECONDS: Final = 60.0
"""A broker that acks nothing for so long, though the connection lives, is left and tried anew."""

FAREWELL_SECONDS: Final = 2.0
"""How long the gateway's own farewell may take; without it the broker sends the last will."""

JUST_AFTER: Final = timedelta(microseconds=1)


class BrokerGoneError(Exception):
    """The broker is away, or was lost before it acked everything: publish again later."""


class Link:
    """One connection: what is under way on it, and who waits for room or for acks."""

    def __init__(self, direct: DirectPublisher) -> None:
        self.under_way = 0
        self.is_lost = False
        self._direct = direct
        self._waiting: list[asyncio.Future[None]] = []

    def places(self, *, urgent: bool) -> int:
        """How many publications may be under way."""
        most = self._direct.most_unacked
        return most if urgent else max(1, most - max(1, most // RESERVED_SHARE))

    def publish(self, published: Published, acked: Callable[[], None], *, retain: bool) -> None:
        """Write one to the socket.

        Raises:
            BrokerGoneError: the connection is lost.
        """
        if self.is_lost:
            raise BrokerGoneError("not connected to the broker")

        def landed() -> None:
            self.under_way -= 1
            acked()
            self._wake()

        try:
            self._direct.publish(published.topic, published.body, landed, retain=retain)
        except aiomqtt.MqttError as error:
            raise BrokerGoneError(str(error)) from error
        self.under_way += 1

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds that depends on acks.

        Raises:
            BrokerGoneError: the connection is lost before.
        """
        while not condition():
            if self.is_lost:
                raise BrokerGoneError("the connection to the broker was lost")
            woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(woken)
            try:
                async with asyncio.timeout(ACK_WITHIN_SECONDS):
                    await woken
            except TimeoutError:
                self._direct.refused(f"no ack within {ACK_WITHIN_SECONDS:g} s")
                raise BrokerGoneError("the broker does not ack") from None

    def lose(self) -> None:
        """The connection is gone; all who wait learn it."""
        self.is_lost = True
        self._wake()

    def _wake(self) -> None:
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        for woken in waiting:
            if not woken.done():
                woken.set_result(None)


class Flight:
    """Publications that belong together.

    Args:
        link: The connection.
        urgent: Whether they may take the places that are kept for emergencies.
    """

    def __init__(self, link: Link, *, urgent: bool = False) -> None:
        self._link = link
        self._places = link.places(urgent=urgent)
        self._unacked = 0

    async def publish(self, published: Published, *, retain: bool = False) -> None:
        """Send one as soon as there is a place under way; mostly at once.

        Raises:
            BrokerGoneError: the connection is lost.
        """
        link = self._link
        if link.under_way >= self._places:
            await link.until(lambda: link.under_way < self._places)
        self._unacked += 1
        link.publish(published, self._acked, retain=retain)

    async def landed(self) -> None:
        """Wait until the broker has acked all.

        Raises:
            BrokerGoneError: the connection was lost before; which ones the broker has is unknown.
        """
        await self._link.until(lambda: not self._unacked)

    def _acked(self) -> None:
        self._unacked -= 1


class Publisher:
    """Keeps a connection for events, and tells the broker whether this gateway is online.

    Args:
        settings: The broker.
        name: Of this gateway.
    """

    def __init__(self, settings: MqttSettings, name: str) -> None:
        self.connected = asyncio.Event()
        """Set while events can be published."""
        self._settings = settings
        self._name = name
        self._client_id = f"{settings.client_id or f'gateway-{name}'}-events"
        self._link: Link | None = None
        self._has_worked = False
        self._is_trusted = False
        """Whether the broker has acked an event. One that refuses all is not tried ten times a
        second."""
        self._stopped = False
        self._leave = asyncio.Event()
        self._on_connected: list[Callable[[], None]] = []

    def when_connected(self, callback: Callable[[], None]) -> None:
        """Call it after each new connection: the broker may have forgotten what it retained."""
        self._on_connected.append(callback)

    def flight(self, *, urgent: bool = False) -> Flight:
        """Begin publications that belong together.

        Raises:
            BrokerGoneError: not connected.
        """
        if self._link is None:
            raise BrokerGoneError("not connected to the broker")
        return Flight(self._link, urgent=urgent)

    def statistics(self) -> int:
        """Publications that are not acked."""
        return self._link.under_way if self._link else 0

    async def run(self) -> None:
        """Stay connected until closed or cancelled."""
        delays = back_off()
        for version in versions(self._settings.version, lambda: self._has_worked):
            if self._stopped:
                return
            self._has_worked = self._is_trusted = False
            delay_seconds = 0.0
            try:
                await self._serve(version)
            except* (aiomqtt.MqttError, BrokerGoneError, OSError) as group:
                if self._is_trusted:
                    delays = back_off()
                delay_seconds = next(delays)
                observe_events.events_stopped(group.exceptions[0], delay_seconds)
            heed_cancellation()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay_seconds):
                    await self._leave.wait()

    def close(self) -> None:
        """Say that this gateway goes offline, and leave."""
        self._stopped = True
        self._leave.set()

    async def _serve(self, version: aiomqtt.ProtocolVersion) -> None:
        now = datetime.now(UTC)
        online = gateway_presence(self._name, online=True, time=now)
        # The will is told at the connection, so it is dated right after it.
        offline = gateway_presence(self._name, online=False, time=now + JUST_AFTER)
        will = aiomqtt.Will(offline.topic, offline.body, qos=1, retain=True)
        client, direct = open_publisher(
            self._settings, self._client_id, version, will, CONTENT_TYPE
        )
        refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        async with client:
            direct.refused = lambda reason: _fail(refused, reason)
            link = self._link = Link(direct)
            try:
                link.publish(online, self._trust, retain=True)
                self._has_worked = True
                self.connected.set()
                observe_events.events_flow(version.name)
                for callback in self._on_connected:
                    callback()
                await self._until_left(client, refused)
            finally:
                self.connected.clear()
                self._link = None
                # In any case: behind a DISCONNECT, as cancellation sends it, no last will comes.
                said = self._say_goodbye(link)
                link.lose()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FAREWELL_SECONDS):
                    await said.wait()

    async def _until_left(self, client: aiomqtt.Client, refused: asyncio.Future[None]) -> None:
        async with asyncio.TaskGroup() as tasks:
            watching = [
                tasks.create_task(until_lost(client), name="events connection"),
                tasks.create_task(_until_done(refused), name="events refused"),
            ]
            await self._leave.wait()
            for task in watching:
                task.cancel()

    def _say_goodbye(self, link: Link) -> asyncio.Event:
        """Returns what is set when the broker has the farewell, or cannot get it."""
        said = asyncio.Event()
        farewell = gateway_presence(self._name, online=False, time=datetime.now(UTC))
        try:
            link.publish(farewell, said.set, retain=True)
        except BrokerGoneError:
            said.set()
        return said

    def _trust(self) -> None:
        self._is_trusted = True


def _fail(refused: asyncio.Future[None], reason: str) -> None:
    if not refused.done():
        refused.set_exception(aiomqtt.MqttError(f"the broker refuses events: {reason}"))


async def _until_done(future: asyncio.Future[None]) -> None:
    await future
