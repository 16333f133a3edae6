"""Delivery to the devices that are here, with the database and the sessions in the test's hands."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from gateway.attendance import Attendance
from gateway.parcel import Transport
from gateway.protocol.messages import Message
from gateway.protocol.task_messages import Task, TaskWithdrawal
from gateway.session import Session, Station
from gateway.store_errors import StoreUnavailableError
from gateway.task_courier import TaskCourier
from gateway.tasks import MAX_CLAIMED, Claimed
from tests.helpers.builders import NOW, TABLES
from tests.helpers.metrics import grown
from tests.helpers.tcp_gateway import until

pytestmark = pytest.mark.asyncio

Devices = Sequence[tuple[int, int]]


@dataclass
class MemoryTasks:
    """Has what the test puts into `due`, and remembers what was asked."""

    due: dict[int, list[Task | TaskWithdrawal]] = field(default_factory=dict)
    asked: list[tuple[str, list[int]]] = field(default_factory=list)
    expiring: list[int] = field(default_factory=list)
    is_away: bool = False

    async def claim_due(self, devices: Devices, after: int = 0) -> list[Claimed]:
        """See `Tasks.claim_due`."""
        return self._claim("due", devices, after)

    async def claim_arrived(self, devices: Devices, after: int = 0) -> list[Claimed]:
        """See `Tasks.claim_arrived`."""
        return self._claim("arrived", devices, after)

    async def expire(self) -> int:
        """See `Tasks.expire`."""
        if self.is_away:
            raise StoreUnavailableError("the database of this test is away")
        return self.expiring.pop(0) if self.expiring else 0

    def _claim(self, how: str, devices: Devices, after: int) -> list[Claimed]:
        if self.is_away:
            raise StoreUnavailableError("the database of this test is away")
        ids = [device for device, _ in devices]
        self.asked.append((how, ids))
        found = [Claimed(device, message) for device in ids for message in self.due.get(device, [])]
        found = sorted(found, key=lambda claimed: claimed.message.task)
        return [claimed for claimed in found if claimed.message.task > after][:MAX_CLAIMED]


class Rig:
    """A courier and the sessions that it may send to."""

    def __init__(self, poll_seconds: float = 3_600.0) -> None:
        loop = asyncio.get_running_loop()
        self.tasks = MemoryTasks()
        self.attendance = Attendance()
        self.courier = TaskCourier(
            self.tasks,
            self.attendance,
            poll_seconds=poll_seconds,
            unix_time=lambda: float(NOW),
            monotonic=loop.time,
        )
        self.sent: list[tuple[int, Message]] = []
        self.deaf: set[int] = set()
        self._station = Station(
            tables=TABLES,
            offer=lambda _parcel: None,
            refused=lambda _transport, _items: None,
            unix_time=lambda: float(NOW),
            monotonic=loop.time,
            call_soon=loop.call_soon,
        )

    def arrive(self, device: int) -> Session:
        """A device is welcomed."""
        session = Session(
            self._station,
            device,
            1,
            Transport.TCP,
            settled_through=0,
            send=lambda messages: self.sent.extend((device, message) for message in messages),
            is_listening=lambda: device not in self.deaf,
        )
        self.attendance.arrived(session)
        return session


@asynccontextmanager
async def running(rig: Rig) -> AsyncIterator[Rig]:
    """Run the courier until the block ends."""
    async with asyncio.TaskGroup() as tasks:
        work = tasks.create_task(rig.courier.run())
        yield rig
        work.cancel()


def task(number: int, expires_at: int = NOW + 60) -> Task:
    """A notice."""
    return Task(number, 2, NOW, expires_at, "t")


async def idle(rig: Rig) -> None:
    """Wait until the first look, at nobody, is over, so that only what follows is seen."""
    rig.tasks.expiring = [1]
    rig.courier.wake()
    await until(lambda: not rig.tasks.expiring)
    rig.tasks.asked.clear()


async def test_a_device_that_arrives_is_looked_for_alone() -> None:
    """Those that are here already cost nothing; many arrivals cost one query."""
    async with running(Rig()) as rig:
        rig.arrive(1)
        await until(lambda: rig.courier.statistics() == 0)
        await idle(rig)
        rig.tasks.asked.clear()
        rig.tasks.due = {2: [task(20)], 3: [task(30)]}
        rig.arrive(2)
        rig.arrive(3)
        assert rig.courier.statistics() == 2
        await until(lambda: len(rig.sent) == 2)
        assert rig.tasks.asked == [("arrived", [2, 3])]
    assert rig.sent == [(2, task(20)), (3, task(30))]


async def test_a_wake_up_looks_for_all_with_one_query() -> None:
    """Whoever is here, in one statement."""
    tasks_sent, withdrawn = (
        grown("gateway_tasks_sent_total"),
        grown("gateway_task_withdrawals_sent_total"),
    )
    async with running(Rig()) as rig:
        for device in (1, 2, 3):
            rig.arrive(device)
        await until(lambda: ("due", [1, 2, 3]) in rig.tasks.asked)
        rig.tasks.asked.clear()
        rig.tasks.due = {2: [task(20), TaskWithdrawal(7)]}
        rig.courier.wake()
        await until(lambda: len(rig.sent) == 2)
        assert rig.tasks.asked == [("due", [1, 2, 3])]
    assert rig.sent == [(2, TaskWithdrawal(7)), (2, task(20))]
    assert (tasks_sent(), withdrawn()) == (1, 1)


async def test_it_looks_by_itself_from_time_to_time() -> None:
    """For what is due again, and for what expires, also when nobody is here."""
    expired = grown("gateway_tasks_expired_total")
    async with running(Rig(poll_seconds=0.01)) as rig:
        rig.tasks.expiring = [5, 3]
        await until(lambda: not rig.tasks.expiring)
        assert rig.tasks.asked == []
        rig.arrive(1)
        await until(lambda: rig.tasks.asked.count(("due", [1])) >= 3)
    assert expired() == 8


async def test_who_has_left_gets_nothing() -> None:
    """What was claimed for it meanwhile is due again."""
    async with running(Rig()) as rig:
        session = rig.arrive(1)
        rig.attendance.left(session)
        await idle(rig)
        assert rig.courier.statistics() == 0
        assert rig.tasks.asked == []
    rig.courier._send([Claimed(1, task(1))])
    assert rig.sent == []


async def test_what_has_expired_meanwhile_is_not_sent() -> None:
    """At its expiry not; a second before it is."""
    rig = Rig()
    rig.arrive(1)
    rig.courier._send([Claimed(1, task(1, NOW)), Claimed(1, task(2, NOW + 1))])
    assert rig.sent == [(1, task(2, NOW + 1))]


async def test_who_does_not_read_is_not_sent_to() -> None:
    """Its arrival is remembered until it reads."""
    async with running(Rig(poll_seconds=0.01)) as rig:
        rig.deaf.add(1)
        rig.tasks.due = {1: [task(1)]}
        rig.arrive(1)
        rig.arrive(2)
        await until(lambda: ("due", [2]) in rig.tasks.asked)
        assert not any(1 in devices for _, devices in rig.tasks.asked)
        rig.deaf.clear()
        await until(lambda: ("arrived", [1]) in rig.tasks.asked)
        assert (1, task(1)) in rig.sent


async def test_more_than_one_claim_takes() -> None:
    """All of it goes out, page by page."""
    async with running(Rig()) as rig:
        rig.tasks.due = {1: [task(number) for number in range(1, 2 * MAX_CLAIMED + 1)]}
        rig.arrive(1)
        await until(lambda: len(rig.sent) >= 2 * MAX_CLAIMED)
        assert [message.task for _, message in rig.sent if isinstance(message, Task)][
            : 2 * MAX_CLAIMED
        ] == list(range(1, 2 * MAX_CLAIMED + 1))


async def test_devices_wait_while_the_database_is_away() -> None:
    """They are remembered, and served when it is back."""
    with capture_logs() as logs:
        async with running(Rig()) as rig:
            await idle(rig)
            rig.tasks.is_away = True
            rig.tasks.due = {1: [task(1)]}
            rig.arrive(1)
            await until(lambda: any(line["event"] == "tasks_wait" for line in logs))
            rig.tasks.is_away = False
            await until(lambda: (1, task(1)) in rig.sent)
            assert rig.tasks.asked[0] == ("arrived", [1])


async def test_a_bug_ends_a_round_and_not_the_process() -> None:
    """It is told, and the next round is tried."""
    rig = Rig()
    expire = rig.tasks.expire
    failures = iter([ZeroDivisionError("a bug of this test")])

    async def fail_once() -> int:
        for failure in failures:
            raise failure
        return await expire()

    rig.tasks.expire = fail_once  # type: ignore[method-assign]
    with capture_logs() as logs:
        async with running(rig):
            rig.arrive(1)
            await until(lambda: ("due", [1]) in rig.tasks.asked)
    assert [line["event"] for line in logs] == ["task_delivery_failed"]


async def test_a_device_that_greets_anew_during_the_look() -> None:
    """It is looked for again: the first look was for its older session."""
    rig = Rig()
    rig.arrive(1)
    claim = rig.tasks.claim_arrived

    async def claim_slowly(devices: Devices, after: int = 0) -> list[Claimed]:
        if not rig.tasks.asked:
            rig.arrive(1)
        return await claim(devices, after)

    rig.tasks.claim_arrived = claim_slowly  # type: ignore[method-assign]
    async with running(rig):
        await until(lambda: rig.tasks.asked.count(("arrived", [1])) == 2)
