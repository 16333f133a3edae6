"""The figures put together: kept, shared, and honest about a database that is away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import asyncpg
import msgspec
import pytest

from gateway.attendance import Attendance
from gateway.observe_readings import ACK_BOUNDS, Readings
from gateway.page_bill import PageBill
from gateway.page_figures import Figures, FiguresReader, Ledger, OpenTasks
from gateway.page_scope import Scope, scope_of
from gateway.page_station import ANSWER_WITHIN_SECONDS, QUICK_SECONDS, SLOW_SECONDS, PageStation
from gateway.pulse import EVERY_SECONDS, Pulse
from tests.helpers.presence_rig import session
from tests.helpers.tcp_gateway import until

pytestmark = pytest.mark.asyncio

BEGIN = datetime(2026, 11, 24, 4, tzinfo=UTC)


class FakeReader:
    """A database in the hands of the test."""

    def __init__(self) -> None:
        self.stored = 0
        self.error: Exception | None = None
        self.hangs = False
        self.quick_looks = 0
        self.slow_looks = 0

    async def quick(self, _scope: Scope) -> dict[str, Any]:
        """See `FiguresReader`."""
        self.quick_looks += 1
        await self._answer()
        ledger = Ledger(received=self.stored + 1, stored=self.stored, duplicate=1)
        return {"ledger": ledger, "devices_online": 5}

    async def slow(self, _scope: Scope) -> dict[str, Any]:
        """See `FiguresReader`."""
        self.slow_looks += 1
        await self._answer()
        return {"tasks": OpenTasks(queued=3)}

    async def _answer(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error


class Rig:
    """A station with a clock of the test."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.in_flight = 0
        self.reader = FakeReader()
        self.attendance = Attendance()
        self.bill = PageBill(lambda: {"lines": []}, self.now, self.monotonic)
        self.pulse = Pulse(self.read, lambda: BEGIN.timestamp() + self.seconds, self.monotonic)
        self.station = PageStation(
            gateway="here",
            in_force="a-tariff",
            reader=cast("FiguresReader", self.reader),
            scope=lambda: scope_of(None, BEGIN),
            bill=self.bill,
            pulse=self.pulse,
            read=self.read,
            attendance=self.attendance,
            now=self.now,
            monotonic=self.monotonic,
        )

    def now(self) -> datetime:
        """The time."""
        return BEGIN + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        """The same, in seconds."""
        return self.seconds

    def read(self) -> Readings:
        """What the process has counted."""
        return Readings(0, self.in_flight, (0,) * len(ACK_BOUNDS))

    async def look(self, pulse_after: int = 0) -> Figures:
        """What the page shows now."""
        return await self.station.figures(pulse_after)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """With its pulse and its bills."""
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.station.run())
            yield
            task.cancel()


async def test_what_is_in_flight_is_received() -> None:
    """The ledger closes while something is on its way."""
    rig = Rig()
    rig.reader.stored, rig.in_flight = 100, 7
    ledger = (await rig.look()).ledger
    assert ledger == Ledger(received=108, stored=100, duplicate=1, in_flight=7)


async def test_who_is_here_is_online() -> None:
    """Beside those at other gateways; known without the database."""
    rig = Rig()
    rig.attendance.arrived(session(1))
    rig.attendance.arrived(session(2))
    assert (await rig.look()).devices_online == 7
    assert (await rig.look()).devices_online == 7


async def test_nobody_looks_and_nothing_is_read() -> None:
    """But for the pulse, which asks no database."""
    rig = Rig()
    async with rig.running():
        rig.pulse.beat()
        assert (rig.reader.quick_looks, rig.reader.slow_looks) == (0, 0)


async def test_viewers_share_what_is_read() -> None:
    """For a second what is quick, for five what is slow."""
    rig = Rig()
    for rig.seconds in (0.0, 0.5, QUICK_SECONDS, SLOW_SECONDS - 0.1, SLOW_SECONDS):
        await rig.look()
        await rig.look()
    assert (rig.reader.quick_looks, rig.reader.slow_looks) == (3, 2)


@pytest.mark.parametrize(
    "error", [OSError("refused"), asyncpg.InterfaceError("closed"), asyncpg.PostgresError("down")]
)
async def test_a_database_that_is_away(error: Exception) -> None:
    """The last figures, and when they were read; then it goes on by itself."""
    rig = Rig()
    rig.reader.stored = 100
    assert (await rig.look()).database
    rig.seconds, rig.reader.error = 10, error
    away = await rig.look()
    assert (away.database, away.database_at, away.at) == (False, BEGIN, rig.now())
    assert (away.ledger.stored, away.tasks.queued) == (100, 3)
    rig.seconds, rig.reader.error, rig.reader.stored = 20, None, 200
    back = await rig.look()
    assert (back.database, back.database_at, back.ledger.stored) == (True, rig.now(), 200)


async def test_a_database_that_was_never_there() -> None:
    """Nothing is known, and it says so."""
    rig = Rig()
    rig.reader.error = OSError("refused")
    figures = await rig.look()
    assert (figures.database, figures.database_at, figures.period) == (False, None, None)
    assert (figures.gateway, figures.in_force) == ("here", "a-tariff")


async def test_a_database_that_hangs_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """A viewer is answered all the same."""
    assert ANSWER_WITHIN_SECONDS < 8  # what the page itself waits, in poll.js
    monkeypatch.setattr("gateway.page_station.ANSWER_WITHIN_SECONDS", 0.01)
    rig = Rig()
    rig.reader.hangs = True
    assert not (await rig.look()).database


async def test_a_bug_is_not_taken_for_an_absence() -> None:
    """It comes out where it is seen."""
    rig = Rig()
    rig.reader.error = KeyError("bug")
    with pytest.raises(KeyError):
        await rig.look()


async def test_the_pulse_after_a_moment() -> None:
    """Only what a viewer has not yet."""
    rig = Rig()
    rig.pulse.beat()
    rig.seconds = 2
    rig.pulse.beat()
    first, second = (await rig.look()).pulse
    figures = await rig.look(first.at)
    assert figures.pulse == [second]
    assert figures.pulse_seconds == EVERY_SECONDS


async def test_the_bill_comes_with_a_later_look() -> None:
    """Nobody waits for it."""
    rig = Rig()
    async with rig.running():
        assert (await rig.look()).bill is None
        await until(lambda: rig.bill.latest() is not None)
        figures = await rig.look()
        assert (figures.bill, figures.bill_at) == ({"lines": []}, BEGIN)


async def test_it_is_json() -> None:
    """Times as RFC 3339."""
    rig = Rig()
    answer = msgspec.json.decode(msgspec.json.encode(await rig.look()))
    assert answer["at"] == answer["database_at"] == "2026-11-24T04:00:00Z"
    assert answer["period"] == {"first": "2026-11-01", "last": "2026-11-24"}
