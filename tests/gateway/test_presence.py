"""Who is online: gathered, noted, told; and what is told after the broker or a gateway was away."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from gateway import presence as module
from gateway.event_rows import Published
from gateway.parcel import Transport
from gateway.presence import Presence
from gateway.publications import Publications
from gateway.publisher import BrokerGoneError, Publisher
from gateway.reference import load_reference
from gateway.session import Session, Station
from gateway.store import open_pool
from gateway.store_errors import StoreUnavailableError
from tests.helpers.tcp_gateway import until

pytestmark = pytest.mark.asyncio

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


class Rig:
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


@pytest.fixture(autouse=True)
def no_gathering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds follow each other at once."""
    monkeypatch.setattr(module, "GATHER_SECONDS", 0)


def session(
    device: int = 1, transport: Transport = Transport.TCP, installation: int = 1
) -> Session:
    """A session as far as presence looks at it."""
    return Session(
        cast("Station", None),
        device,
        installation,
        transport,
        settled_through=0,
        send=lambda _messages: None,
    )


async def test_many_are_noted_together() -> None:
    """One statement for all that came in a while, one for all that went."""
    rig = Rig()
    sessions = [session(device) for device in range(1, 101)]
    for one in sessions:
        rig.presence.arrived(one)
    async with rig.running():
        await until(lambda: rig.is_idle)
        assert rig.publisher.all == [(device, True) for device in range(1, 101)]
        for one in sessions:
            rig.presence.left(one)
        await until(lambda: rig.is_idle)
    assert rig.publisher.all[100:] == [(device, False) for device in range(1, 101)]
    assert rig.fake.calls == ["source", "clear", "came", "left"]
    assert rig.fake.table == {}


async def test_who_greets_again_has_been_here_all_along() -> None:
    """As over MQTT after each minute: no second event."""
    rig = Rig()
    async with rig.running():
        for _ in range(3):
            rig.presence.arrived(session(transport=Transport.MQTT))
            await until(lambda: rig.is_idle)
    assert rig.publisher.all == [(1, True)]


async def test_who_comes_and_goes_between_two_rounds_is_not_told() -> None:
    """There is nothing to tell; who goes and comes back is told to be here."""
    rig = Rig()
    rig.fake.go_on.clear()
    async with rig.running():
        one = session(1)
        rig.presence.arrived(one)
        rig.presence.left(one)
        rig.presence.arrived(session(2))
        rig.fake.go_on.set()
        await until(lambda: rig.is_idle)
        assert rig.publisher.all == [(2, True)]
        rig.presence.left(session(2))
        rig.presence.arrived(session(2))
        await until(lambda: rig.is_idle)
    assert rig.publisher.all == [(2, True), (2, True)]
    assert len(rig.fake.table) == 1


@pytest.mark.parametrize(
    "changed", [{"transport": Transport.MQTT}, {"installation": 2}], ids=["transport", "wiped"]
)
async def test_who_comes_back_otherwise_and_leaves_at_once_is_gone(
    changed: dict[str, Any],
) -> None:
    """The older session was noted; it must not stay so because the newer one never was."""
    rig = Rig()
    async with rig.running():
        rig.presence.arrived(session())
        await until(lambda: rig.is_idle)
        rig.presence.arrived(session(**changed))
        rig.presence.left(session(**changed))
        await until(lambda: rig.is_idle)
    assert rig.publisher.all == [(1, True), (1, False)]
    assert rig.fake.table == {}


async def test_who_comes_back_otherwise_is_told_once() -> None:
    """The new transport; that it was away between is not worth a word."""
    rig = Rig()
    async with rig.running():
        rig.presence.arrived(session())
        await until(lambda: rig.is_idle)
        rig.presence.arrived(session(transport=Transport.MQTT))
        await until(lambda: rig.is_idle)
    assert rig.publisher.all == [(1, True), (1, True)]
    (body,) = rig.publisher.retained.values()
    assert json.loads(body)["data"]["transport"] == "mqtt"


async def test_who_leaves_while_it_is_being_noted() -> None:
    """Belongs to the next round."""
    rig = Rig()
    async with rig.running():
        await until(lambda: "clear" in rig.fake.calls)
        rig.fake.go_on.clear()
        one = session()
        rig.presence.arrived(one)
        await until(lambda: rig.fake.calls[-1] == "came")
        rig.presence.left(one)
        rig.fake.go_on.set()
        await until(lambda: rig.is_idle)
    assert rig.publisher.all == [(1, True), (1, False)]


async def test_an_end_that_was_never_begun() -> None:
    """Nothing to say."""
    rig = Rig()
    async with rig.running():
        rig.presence.left(session())
        assert rig.is_idle
    assert rig.publisher.all == []


async def test_while_the_broker_is_away() -> None:
    """It is noted all the same, and told when the broker is back: the last state alone."""
    rig = Rig()
    rig.publisher.connected.clear()
    async with rig.running():
        rig.presence.arrived(session(1))
        rig.presence.arrived(session(2))
        await until(lambda: len(rig.fake.table) == 2)
        rig.presence.left(session(2))
        await until(lambda: len(rig.fake.table) == 1)
        assert rig.presence.statistics() == 2
        rig.publisher.come_back()
        await until(lambda: rig.is_idle)
    assert sorted(rig.publisher.all) == [(1, True), (2, False)]


async def test_a_broker_that_forgot_what_it_retained() -> None:
    """After each new connection all that are here are told once more, and nobody else."""
    rig = Rig()
    async with rig.running():
        rig.presence.arrived(session(1))
        rig.presence.arrived(session(2))
        await until(lambda: rig.is_idle)
        rig.presence.left(session(2))
        await until(lambda: rig.is_idle)
        before = dict(rig.publisher.retained)
        rig.publisher.all.clear()
        rig.publisher.come_back()
        await until(lambda: bool(rig.publisher.all) and rig.is_idle)
    assert rig.publisher.all == [(1, True)]
    assert rig.publisher.retained == before


async def test_while_the_database_is_away() -> None:
    """Who comes and goes meanwhile is noted when it is back."""
    rig = Rig()
    async with rig.running():
        await until(lambda: "clear" in rig.fake.calls)
        rig.fake.is_away = True
        rig.presence.arrived(session(1))
        await until(lambda: rig.fake.calls.count("came") >= 2)
        rig.presence.arrived(session(2))
        rig.fake.is_away = False
        await until(lambda: len(rig.fake.table) == 2 and rig.is_idle)
    assert rig.publisher.all == [(1, True), (2, True)]


async def test_an_answer_that_was_lost() -> None:
    """The note was made; it is told all the same when it is made again."""
    rig = Rig()
    async with rig.running():
        await until(lambda: "clear" in rig.fake.calls)
        rig.fake.forgets_answers = 1
        rig.presence.arrived(session())
        await until(lambda: bool(rig.publisher.all))
    assert rig.fake.calls.count("came") == 2


async def test_what_a_killed_process_of_this_name_left_is_cleared() -> None:
    """Its devices are told to be gone, unless they are back by then."""
    rig = Rig()
    rig.fake.table = {n: (9, 1, "tcp", "a" if n < 3 else "b") for n in (1, 2, 3)}
    rig.presence.arrived(session(2))
    async with rig.running():
        await until(lambda: len(rig.publisher.all) == 2)
    assert rig.publisher.all == [(1, False), (2, True)]
    assert sorted(rig.fake.table) == [2, 3]


async def test_closing_tells_of_all() -> None:
    """Those that are noted; those that are not yet were never here as far as anybody knows."""
    rig = Rig()
    async with rig.running():
        rig.presence.arrived(session(1))
        await until(lambda: rig.is_idle)
        rig.presence.arrived(session(2))
        await rig.presence.close(10)
        assert rig.is_idle
    assert rig.publisher.all == [(1, True), (1, False)]
    assert rig.fake.table == {}


async def test_closing_in_the_middle_of_a_round() -> None:
    """Whoever is being noted just then is told of too: all handsets leave in that moment."""
    rig = Rig()
    async with rig.running(), asyncio.TaskGroup() as tasks:
        for device in (1, 2):
            rig.presence.arrived(session(device))
        await until(lambda: rig.is_idle)
        rig.fake.go_on.clear()
        rig.presence.left(session(1))
        await until(lambda: rig.fake.calls[-1] == "left")
        tasks.create_task(rig.presence.close(10))
        await asyncio.sleep(0)
        rig.fake.go_on.set()
    assert rig.publisher.all[2:] == [(1, False), (2, False)]
    assert rig.fake.table == {}


@pytest.mark.parametrize("seconds", [0, 0.05])
async def test_closing_does_not_wait_for_a_database_that_is_away(seconds: float) -> None:
    """What is left, the next start of a gateway of this name clears."""
    rig = Rig()
    async with rig.running():
        rig.presence.arrived(session())
        await until(lambda: rig.is_idle)
        rig.fake.is_away = True
        async with asyncio.timeout(10):
            await rig.presence.close(seconds)
    assert sorted(rig.fake.table) == [1]


# Two gateways.


@pytest.mark.parametrize("table", ["fake", "real"])
async def test_a_device_that_moves(table: str, request: pytest.FixtureRequest) -> None:
    """The gateway that it left notices late and says nothing, now or when its broker is back."""
    pool = None
    publications: FakePublications | Publications = FakePublications()
    if table == "real":
        pool = await open_pool(request.getfixturevalue("database_dsn"), size=4)
        publications = Publications(pool)
    publisher = FakePublisher()
    one, other = (Rig(publications, publisher, name) for name in ("a", "b"))
    async with one.running(), other.running():
        one.presence.arrived(session())
        await until(lambda: len(publisher.all) == 1 and one.is_idle)
        other.presence.arrived(session())
        await until(lambda: len(publisher.all) == 2 and other.is_idle)
        one.presence.left(session())
        await until(lambda: one.is_idle and not one.presence._told)
        other.presence.left(session())
        await until(lambda: len(publisher.all) == 3 and other.is_idle)
        publisher.come_back()
        one.presence.arrived(session(2))
        await until(lambda: len(publisher.all) == 4)
    assert publisher.all == [(1, True), (1, True), (1, False), (2, True)]
    if pool is not None:
        pool.terminate()


async def test_an_event_that_waits_for_the_broker_is_dropped_when_the_device_moved() -> None:
    """Else it would be retained over the newer one of the other gateway."""
    publications = FakePublications()
    one, other = Rig(publications, name="a"), Rig(publications, name="b")
    one.publisher.connected.clear()
    async with one.running(), other.running():
        one.presence.arrived(session())
        await until(lambda: bool(publications.table))
        other.presence.arrived(session())
        await until(lambda: other.is_idle and publications.table[1][3] == "b")
        one.presence.left(session())
        await until(lambda: one.is_idle)
        one.publisher.come_back()
        one.presence.arrived(session(2))
        await until(lambda: one.is_idle)
    assert one.publisher.all == [(2, True)]
