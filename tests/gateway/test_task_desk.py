"""The desk for tasks: one bounded queue, committed in batches, told after the commit alone."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from gateway import task_desk as module
from gateway.handlers.outcome import Answered
from gateway.parcel import ItemVerdict, Parcel, Transport, Verdict
from gateway.protocol.errors import RefusalCode, Resend
from gateway.protocol.messages import Message, Refusal
from gateway.protocol.task_messages import Answer, Receipt, TaskNoted, TaskReceipt
from gateway.session import Session, Station, TaskReply
from gateway.store_errors import StoreUnavailableError
from gateway.task_desk import MAX_BATCH, MAX_WAITING, MAX_WAITING_OF_DEVICE, TaskDesk
from gateway.task_request import Action, Cancellation, Malformed
from gateway.task_work import Fate, FromDevice, RequestVerdict, Work
from tests.helpers.builders import NOW, TABLES
from tests.helpers.metrics import grown
from tests.helpers.tcp_gateway import until

pytestmark = pytest.mark.asyncio

UNKNOWN = Fate(Receipt.NOT_ACCEPTED, RefusalCode.UNKNOWN_TASK, "task 99")


class MemoryTasks:
    """Commits at once, and holds, fails or is away when told to."""

    def __init__(self) -> None:
        self.batches: list[list[Work]] = []
        self.committed: list[Work] = []
        self.is_away = False
        self.guilty: int | None = None
        """Task whose work meets a bug."""
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def settle(self, works: Sequence[Work]) -> list[RequestVerdict | Fate]:
        """See `Tasks.settle`."""
        self.batches.append(list(works))
        await self.go_on.wait()
        if self.is_away:
            raise StoreUnavailableError("the database of this test is away")
        if self.guilty in [w.reply.task for w in works if isinstance(w, FromDevice)]:
            raise ValueError("a bug of this test")
        self.committed += works
        return [self._fate(work) for work in works]

    def _fate(self, work: Work) -> RequestVerdict | Fate:
        if not isinstance(work, FromDevice):
            return RequestVerdict(accepted=not isinstance(work, Malformed))
        if isinstance(work.reply, TaskNoted):
            return Fate()
        return UNKNOWN if work.reply.task == 99 else Fate(Receipt.ACCEPTED)


class Rig:
    """A desk, and a session whose quarantine settles at once."""

    def __init__(self) -> None:
        self.tasks = MemoryTasks()
        self.desk = TaskDesk(self.tasks)
        self.sent: list[Message] = []
        self.parcels: list[Parcel] = []
        self.told: list[str] = []
        loop = asyncio.get_running_loop()
        station = Station(
            tables=TABLES,
            offer=self._quarantine,
            refused=lambda _transport, _items: None,
            unix_time=lambda: float(NOW),
            monotonic=loop.time,
            call_soon=loop.call_soon,
            take_task_reply=self.desk.take_reply,
        )
        self.session = Session(
            station, 5, 7, Transport.MQTT, settled_through=0, send=self.sent.extend
        )

    def _quarantine(self, parcel: Parcel) -> None:
        self.parcels.append(parcel)
        codes = [rejected.code for rejected in parcel.rejected]
        parcel.on_settled(parcel, [ItemVerdict(None, Verdict.QUARANTINED, c) for c in codes])

    def callbacks(self, name: str) -> tuple[Callable[[], None], Callable[[], None]]:
        """What tells that something was settled or given up."""
        return lambda: self.told.append(f"{name} settled"), lambda: self.told.append(
            f"{name} given up"
        )

    def answer(self, task: int) -> None:
        """Device 5 answers."""
        reply = Answered(task, Answer.EXISTS, 1, "")
        settled, given_up = self.callbacks(str(task))
        self.desk.take_reply(TaskReply(self.session, reply, b"frame", settled, given_up))

    def request(self, body: bytes = b'{"id": "r1"}', action: Action = Action.CANCEL) -> None:
        """A workflow service asks."""
        self.desk.take_request(action, body, *self.callbacks("request"))


@asynccontextmanager
async def running(rig: Rig) -> AsyncIterator[Rig]:
    """Run the desk until the block ends, then drain it."""
    async with asyncio.TaskGroup() as tasks:
        work = tasks.create_task(rig.desk.run())
        yield rig
        await rig.desk.drain(10)
        work.cancel()


async def test_a_receipt_comes_after_the_commit() -> None:
    """And the message is settled only then."""
    async with running(Rig()) as rig:
        rig.tasks.go_on.clear()
        rig.answer(1)
        await until(lambda: len(rig.tasks.batches) == 1)
        assert (rig.sent, rig.told) == ([], [])
        rig.tasks.go_on.set()
        await until(lambda: rig.told == ["1 settled"])
        assert rig.sent == [TaskReceipt(1, Receipt.ACCEPTED)]


async def test_what_waits_is_committed_together() -> None:
    """While one batch is written the next gathers, up to a bound."""
    async with running(Rig()) as rig:
        rig.tasks.go_on.clear()
        rig.answer(1)
        await until(lambda: len(rig.tasks.batches) == 1)
        for task in range(2, MAX_BATCH + 3):
            rig.answer(task)
        assert rig.desk.statistics() == MAX_BATCH + 1
        rig.tasks.go_on.set()
        await until(lambda: len(rig.told) == MAX_BATCH + 2)
        assert [len(batch) for batch in rig.tasks.batches] == [1, MAX_BATCH, 1]


async def test_a_note_gets_no_reply() -> None:
    """It is settled, and that is all."""
    async with running(Rig()) as rig:
        reply = TaskReply(rig.session, TaskNoted(1), b"", *rig.callbacks("note"))
        rig.desk.take_reply(reply)
        rig.desk.take_reply(TaskReply(rig.session, TaskNoted(2), b"", None, None))
        await until(lambda: len(rig.tasks.committed) == 2)
    assert (rig.sent, rig.told) == ([], ["note settled"])


async def test_what_is_not_accepted_goes_to_quarantine() -> None:
    """The refusal first, which says why, then the receipt, which says of what."""
    async with running(Rig()) as rig:
        rig.answer(99)
        await until(lambda: len(rig.sent) == 2)
    (parcel,) = rig.parcels
    assert (parcel.frame, parcel.rejected[0].detail) == (b"frame", "task 99: task 99")
    assert rig.sent == [
        Refusal(RefusalCode.UNKNOWN_TASK, Resend.NEVER),
        TaskReceipt(99, Receipt.NOT_ACCEPTED),
    ]
    assert rig.told == ["99 settled"]


async def test_requests_and_what_is_malformed() -> None:
    """Both are committed, then settled."""
    async with running(Rig()) as rig:
        rig.request()
        rig.request(b"nonsense")
        await until(lambda: rig.told == ["request settled"] * 2)
    assert rig.tasks.committed[0] == Cancellation(id="r1")
    assert isinstance(rig.tasks.committed[1], Malformed)


async def test_all_wait_while_the_database_is_away() -> None:
    """Nothing is told; then it is done as if nothing had been."""
    retries = grown("gateway_task_work_retries_total")
    async with running(Rig()) as rig:
        rig.tasks.is_away = True
        rig.answer(1)
        rig.request()
        await until(lambda: retries() >= 2)
        assert (rig.told, rig.sent) == ([], [])
        rig.tasks.is_away = False
        await until(lambda: len(rig.told) == 2)


async def test_a_bug_costs_only_what_meets_it() -> None:
    """Its neighbours are committed; it is given up, with a line in the log."""
    rig = Rig()
    rig.tasks.guilty = 2
    for task in (1, 2, 3):
        rig.answer(task)
    with capture_logs() as logs:
        async with running(rig):
            await until(lambda: len(rig.told) == 3)
    assert sorted(rig.told) == ["1 settled", "2 given up", "3 settled"]
    assert "task_work_failed" in [line["event"] for line in logs]


async def test_a_bug_in_a_callback_costs_no_other() -> None:
    """It is told, and the desk goes on."""

    def fail() -> None:
        raise ZeroDivisionError

    rig = Rig()
    rig.desk.take_request(Action.CANCEL, b'{"id": "r1"}', fail, fail)
    rig.answer(1)
    with capture_logs() as logs:
        async with running(rig):
            await until(lambda: rig.told == ["1 settled"])
    assert [line["event"] for line in logs] == ["callback_failed"]


async def test_a_full_desk_drops_unacked() -> None:
    """At its bound it takes one more no more; the sender sends it again."""
    rig, dropped = Rig(), grown("gateway_task_work_dropped_total")
    for task in range(1, MAX_WAITING + 1):
        rig.desk._of_device.clear()  # as if each were another device's
        rig.answer(task)
    assert (rig.desk.statistics(), dropped(), rig.told) == (MAX_WAITING, 0, [])
    rig.answer(7_777)
    rig.request()
    assert (rig.desk.statistics(), dropped()) == (MAX_WAITING, 2)
    assert rig.told == ["7777 given up", "request given up"]


async def test_one_device_does_not_fill_the_desk() -> None:
    """At its bound its own replies are dropped; requests go on, and later so does it."""
    async with running(Rig()) as rig:
        for task in range(1, MAX_WAITING_OF_DEVICE + 1):
            rig.answer(task)
        assert rig.told == []
        rig.answer(7_777)
        assert rig.told == ["7777 given up"]
        rig.request()
        await until(lambda: "request settled" in rig.told)
        rig.answer(8_888)
        await until(lambda: "8888 settled" in rig.told)


async def test_the_drain_waits_for_what_is_under_way() -> None:
    """And no longer than it may; what is left is given up when the desk is cancelled."""
    rig = Rig()
    async with asyncio.TaskGroup() as tasks:
        work = tasks.create_task(rig.desk.run())
        rig.answer(1)
        await rig.desk.drain(10)
        assert rig.told == ["1 settled"]
        await work
    rig = Rig()
    rig.tasks.go_on.clear()
    async with asyncio.TaskGroup() as tasks:
        work = tasks.create_task(rig.desk.run())
        for task in range(1, MAX_BATCH + 2):
            rig.answer(task)
        await rig.desk.drain(0.01)
        assert rig.told == []
        work.cancel()
    assert sorted(rig.told) == sorted(f"{task} given up" for task in range(1, MAX_BATCH + 2))


async def test_cancelled_among_single_works() -> None:
    """What was not tried yet is given up with the rest, each once."""
    rig = Rig()
    rig.tasks.guilty = 1
    for task in (1, 2, 3):
        rig.answer(task)
    async with asyncio.TaskGroup() as tasks:
        work = tasks.create_task(rig.desk.run())
        await until(lambda: "1 given up" in rig.told)
        rig.tasks.go_on.clear()
        work.cancel()
    assert len(rig.told) == len(set(rig.told)) == 3


async def test_bounds_are_said_with_reasons() -> None:
    """A batch is a part of what may wait."""
    assert module.MAX_BATCH < module.MAX_WAITING
