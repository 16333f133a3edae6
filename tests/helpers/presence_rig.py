"""One gateway's presence between a table and a broker that a test breaks as it likes."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast

from gateway.event_rows import Published
from gateway.parcel import Transport
from gateway.presence import Presence
from gateway.publications import Publications
from gateway.publisher import BrokerGoneError, Publisher
from gateway.reference import load_reference
from gateway.session import Session, Station
from gateway.store_errors import StoreUnavailableError
from tests.helpers.builders import NOW, TABLES

Row = dict[str, Any]


class FakePublications:
    """The table of who is online, shared by gateways; may be away, or held in the middle."""

    def __init__(self) -> None:
        self.table: dict[int, tuple[int, int, str, str]] = {}
        """Device: session, installation, transport, gateway."""
        self.is_away = False
        self.forgets_answers = 0
        """How many statements take effect and whose answer is lost."""
        self.calls: list[str] = []
        self.go_on = asyncio.Event()
        self.go_on.set()
        self._sequence = itertools.count(1)

    async def source(self) -> str:
        """See `Publications`."""
        await self._answer("source")
        return "/field-gateway/fake"

    async def came(self, sessions: Sequence[tuple[int, int, int, str]], gateway: str) -> list[Row]:
        """See `Publications`."""
        return await self._change(
            "came",
            lambda: [
                self._put(device, session, installation, transport, gateway)
                for device, session, installation, transport in sessions
            ],
        )

    async def left(self, sessions: Sequence[tuple[int, int]]) -> list[Row]:
        """See `Publications`."""
        return await self._change(
            "left",
            lambda: [
                self._take(device)
                for device, session in sessions
                if self.table.get(device, (None,))[0] == session
            ],
        )

    async def clear(self, gateway: str) -> list[Row]:
        """See `Publications`."""
        return await self._change(
            "clear",
            lambda: [self._take(d) for d in [d for d, e in self.table.items() if e[3] == gateway]],
        )

    def _put(self, device: int, session: int, installation: int, transport: str, gw: str) -> Row:
        self.table[device] = (session, installation, transport, gw)
        return self._row(device, installation, transport)

    def _take(self, device: int) -> Row:
        _, installation, transport, _ = self.table.pop(device)
        return self._row(device, installation, transport)

    def _row(self, device: int, installation: int, transport: str) -> Row:
        return {
            "device_id": device,
            "installation": installation,
            "transport": transport,
            "at": datetime(2008, 1, 1, tzinfo=UTC),
            "sequence": next(self._sequence),
        }

    async def _change(self, call: str, change: Callable[[], list[Row]]) -> list[Row]:
        await self._answer(call)
        rows = change()
        if self.forgets_answers:
            self.forgets_answers -= 1
            raise StoreUnavailableError("the answer is lost")
        return rows

    async def _answer(self, call: str) -> None:
        self.calls.append(call)
        await self.go_on.wait()
        if self.is_away:
            raise StoreUnavailableError("away")


class FakePublisher:
    """A broker that acks at once while it is there, and remembers what is retained."""

    def __init__(self) -> None:
        self.connected = asyncio.Event()
        self.connected.set()
        self.all: list[tuple[int, bool]] = []
        """Device and whether it is online, of each event."""
        self.retained: dict[str, bytes] = {}
        self._callbacks: list[Callable[[], None]] = []

    def when_connected(self, callback: Callable[[], None]) -> None:
        """See `Publisher`."""
        self._callbacks.append(callback)

    def flight(self) -> "FakePublisher":
        """See `Publisher`."""
        self._check()
        return self

    async def publish(self, published: Published, *, retain: bool) -> None:
        """See `Flight`."""
        self._check()
        assert retain
        self.retained[published.topic] = published.body
        data = json.loads(published.body)["data"]
        self.all.append((data["device"], data["online"]))

    async def landed(self) -> None:
        """See `Flight`."""
        self._check()

    def come_back(self) -> None:
        """The broker is there again."""
        self.connected.set()
        for callback in self._callbacks:
            callback()

    def _check(self) -> None:
        if not self.connected.is_set():
            raise BrokerGoneError("away")


class PresenceRig:
    """One gateway's presence, with a table and a broker that may be shared with another."""

    def __init__(
        self,
        publications: FakePublications | Publications | None = None,
        publisher: FakePublisher | None = None,
        name: str = "a",
    ) -> None:
        self.publications = publications or FakePublications()
        self.publisher = publisher or FakePublisher()
        self.presence = Presence(
            name,
            cast("Publications", self.publications),
            cast("Publisher", self.publisher),
            load_reference(),
        )

    @property
    def fake(self) -> FakePublications:
        """The table."""
        assert isinstance(self.publications, FakePublications)
        return self.publications

    @property
    def is_idle(self) -> bool:
        """Whether everything is told."""
        return not self.presence.statistics()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Cancelled at the end, as by a failure elsewhere."""
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.presence.run())
            yield
            task.cancel()


def session(
    device: int = 1, transport: Transport = Transport.TCP, installation: int = 1
) -> Session:
    """A session as far as presence looks at it."""
    return Session(
        Station(
            tables=TABLES,
            offer=lambda _parcel: None,
            refused=lambda _transport, _items: None,
            unix_time=lambda: float(NOW),
            monotonic=lambda: 0.0,
            call_soon=lambda _callback: None,
        ),
        device,
        installation,
        transport,
        settled_through=0,
        send=lambda _messages: None,
    )
