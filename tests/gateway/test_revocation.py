"""Which sessions end when devices change; database and sessions are in the test's hands."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from gateway.attendance import Attendance
from gateway.devices import Standing
from gateway.parcel import Transport
from gateway.revocation import MAX_ASKED, Revocation
from gateway.session import Session, Station
from gateway.store_errors import StoreUnavailableError
from tests.helpers.builders import NOW, TABLES
from tests.helpers.metrics import grown
from tests.helpers.tcp_gateway import until

pytestmark = pytest.mark.asyncio


class MemoryDevices:
    """Standings in a dictionary; 0 where there is none."""

    def __init__(self) -> None:
        self.now: dict[int, int] = {}
        self.asked: list[int] = []
        self.error: Exception | None = None
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def outdated(self, standings: Collection[Standing]) -> Collection[Standing]:
        """See `Devices.outdated`."""
        self.asked.append(len(standings))
        if self.error is not None:
            raise self.error
        found = {pair for pair in standings if self.now.get(pair[0], 0) != pair[1]}
        await self.go_on.wait()
        return found


class Rig:
    """A station, and sessions that note their end."""

    def __init__(self, look_seconds: float = 3_600.0) -> None:
        self.devices = MemoryDevices()
        self.attendance = Attendance()
        self.ended: list[tuple[int, int, int]] = []
        self.revocation = Revocation(
            self.devices,
            self.attendance,
            monotonic=asyncio.get_running_loop().time,
            look_seconds=look_seconds,
        )

    def open(
        self,
        device: int,
        standing: int = 0,
        installation: int = 1,
        transport: Transport = Transport.TCP,
    ) -> None:
        """A device was admitted."""
        station = Station(
            tables=TABLES,
            offer=lambda _parcel: None,
            refused=lambda _transport, _items: None,
            unix_time=lambda: float(NOW),
            monotonic=lambda: 0.0,
            call_soon=lambda _callback: None,
        )
        session = Session(
            station,
            device,
            installation,
            transport,
            settled_through=0,
            send=lambda _messages: None,
            standing=standing,
            shut_out=lambda: self.ended.append((device, installation, standing)),
        )
        self.attendance.arrived(session)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run it until the block ends."""
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.revocation.run())
            yield
            task.cancel()

    async def until_looks(self, count: int) -> None:
        """Wait until it has looked so often."""
        await until(lambda: len(self.devices.asked) >= count)


async def test_all_sessions_of_a_device_that_changed_end() -> None:
    """Of each installation and transport; they are not here any more, and others stay."""
    rig = Rig()
    rig.open(7, installation=1)
    rig.open(7, installation=2, transport=Transport.MQTT)
    rig.open(8)
    counts = [grown("gateway_sessions_shut_out_total", {"transport": t}) for t in ("tcp", "mqtt")]
    async with rig.running():
        await rig.until_looks(1)
        assert rig.ended == []
        rig.devices.now[7] = 1
        rig.revocation.wake()
        await until(lambda: len(rig.ended) == 2)
    assert sorted(rig.ended) == [(7, 1, 0), (7, 2, 0)]
    assert rig.attendance.devices() == [8]
    assert [count() for count in counts] == [1, 1]


async def test_it_looks_without_being_woken() -> None:
    """A notification may be missed."""
    rig = Rig(look_seconds=0.01)
    rig.open(7)
    async with rig.running():
        await rig.until_looks(1)
        rig.devices.now[7] = 1
        await until(lambda: rig.ended == [(7, 1, 0)])


async def test_a_session_that_opened_after_the_look_on_what_was_known_before() -> None:
    """Its device was looked up just before the change: the next look finds it."""
    rig = Rig(look_seconds=0.01)
    rig.devices.now[7] = 1
    async with rig.running():
        await until(lambda: rig.attendance.sessions() == [])
        rig.open(7, standing=0)
        await until(lambda: rig.ended == [(7, 1, 0)])


async def test_a_device_that_came_back_stays() -> None:
    """While the database looked for its old session it greeted with its new secret."""
    rig = Rig()
    rig.open(7, standing=0)
    rig.open(7, standing=0, installation=2)
    rig.devices.now[7] = 1
    rig.devices.go_on.clear()
    async with rig.running():
        await rig.until_looks(1)
        rig.open(7, standing=1)
        rig.devices.go_on.set()
        await until(lambda: rig.ended == [(7, 2, 0)])
        rig.revocation.wake()
        await rig.until_looks(2)
    assert [session.standing for session in rig.attendance.sessions()] == [1]
    assert rig.ended == [(7, 2, 0)]


async def test_a_change_during_a_look_is_looked_for_again() -> None:
    """What woke it meanwhile is not forgotten."""
    rig = Rig()
    rig.open(7)
    rig.devices.go_on.clear()
    async with rig.running():
        await rig.until_looks(1)
        rig.devices.now[7] = 1
        rig.revocation.wake()
        rig.devices.go_on.set()
        await until(lambda: rig.ended == [(7, 1, 0)])


@pytest.mark.parametrize("count, pages", [(MAX_ASKED, 1), (MAX_ASKED + 1, 2)])
async def test_many_are_asked_for_in_pages(count: int, pages: int) -> None:
    """No statement grows with the number of sessions."""
    rig = Rig()
    for device in range(1, count + 1):
        rig.open(device)
    async with rig.running():
        await until(lambda: sum(rig.devices.asked) == count)
    assert len(rig.devices.asked) == pages


async def test_nobody_here_nobody_asked() -> None:
    """An idle gateway asks nothing."""
    rig = Rig(look_seconds=0.001)
    async with rig.running():
        rig.revocation.wake()
        for _ in range(10):
            await asyncio.sleep(0)
    assert rig.devices.asked == []


@pytest.mark.parametrize(
    "error, told",
    [
        (StoreUnavailableError("the database of this test is away"), "revocation_waits"),
        (RuntimeError("a bug of this test"), "revocation_failed"),
    ],
)
async def test_sessions_stay_while_nothing_can_be_learned(error: Exception, told: str) -> None:
    """It is told, and made up for when the database is back."""
    rig = Rig()
    rig.open(7)
    rig.devices.now[7] = 1
    rig.devices.error = error
    with capture_logs() as logs:
        async with rig.running():
            await until(lambda: any(line["event"] == told for line in logs))
            assert (rig.ended, rig.attendance.devices()) == ([], [7])
            rig.devices.error = None
            await until(lambda: rig.ended == [(7, 1, 0)])
