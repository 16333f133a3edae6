"""The batcher: when it flushes, what it does while the database is away, and how it ends."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import pytest

from gateway.batcher import RESUMED_AT_ONCE, Batcher, flush_due
from gateway.parcel import ItemVerdict, Parcel, Verdict
from gateway.protocol.report import Urgency
from gateway.settings import BatchSettings
from tests.helpers.builders import build_report, build_reports
from tests.helpers.memory_store import MemoryStore
from tests.helpers.store_contract import parcel_of

AT_ONCE = BatchSettings(linger_seconds=0)
NEVER_BY_AGE = BatchSettings(linger_seconds=3_600)


class Settled:
    """Collects verdicts and lets a test wait for a number of them."""

    def __init__(self) -> None:
        self.verdicts: list[list[ItemVerdict]] = []
        self._changed = asyncio.Event()

    def __call__(self, _parcel: Parcel, verdicts: list[ItemVerdict]) -> None:
        """As `Parcel.on_settled`."""
        self.verdicts.append(verdicts)
        self._changed.set()

    async def wait(self, parcels: int) -> list[Verdict]:
        """Wait until so many parcels are settled; the verdicts of all their items."""
        while len(self.verdicts) < parcels:
            self._changed.clear()
            await self._changed.wait()
        return [item.verdict for verdicts in self.verdicts for item in verdicts]


@asynccontextmanager
async def running(store: MemoryStore, settings: BatchSettings = AT_ONCE) -> AsyncIterator[Batcher]:
    """A batcher at work, drained at the end."""
    batcher = Batcher(store, settings)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(batcher.run())
        yield batcher
        await batcher.drain(10)


def emergency(sequence: int) -> Parcel:
    """A parcel with one emergency."""
    return parcel_of(build_report(sequence=sequence, urgency=Urgency.EMERGENCY))


@pytest.mark.parametrize(
    "pending_items,age_seconds,urgent,is_due",
    [
        (0, 0.0, False, False),
        (0, 9.0, True, False),
        (1, 0.0, False, False),
        (1, 0.004, False, False),
        (1, 0.005, False, True),
        (1, 0.0, True, True),
        (99, 0.0, False, False),
        (100, 0.0, False, True),
        (101, 0.0, False, True),
    ],
)
def test_flush_due(pending_items: int, age_seconds: float, *, urgent: bool, is_due: bool) -> None:
    """A flush is due by size, by age or for an emergency, and never for nothing."""
    settings = BatchSettings(max_items=100, linger_seconds=0.005)
    assert flush_due(pending_items, age_seconds, urgent=urgent, settings=settings) is is_due


@pytest.mark.asyncio
async def test_callback_after_the_commit() -> None:
    """No parcel is settled before the store has said so."""
    store, settled = MemoryStore(), Settled()
    store.go_on.clear()
    async with running(store) as batcher:
        batcher.offer(parcel_of(build_report(), on_settled=settled))
        while not store.batches:  # noqa: ASYNC110 - the fake tells nobody that it was called
            await asyncio.sleep(0)
        assert settled.verdicts == []
        store.go_on.set()
        assert await settled.wait(1) == [Verdict.STORED]


@pytest.mark.asyncio
async def test_an_emergency_flushes_at_once_and_goes_first() -> None:
    """Ordinary reports wait for company; an emergency does not, and is not cut off by the size."""
    store, settled = MemoryStore(), Settled()
    settings = BatchSettings(max_items=4, linger_seconds=3_600)
    async with running(store, settings) as batcher:
        for number in (1, 2):
            batcher.offer(parcel_of(build_report(sequence=number)))
        urgent = emergency(3)
        urgent.on_settled = settled
        batcher.offer(urgent)
        await settled.wait(1)
        assert [parcel.reports[0].sequence for parcel in store.batches[0]] == [3, 1, 2]


@pytest.mark.asyncio
async def test_a_full_batch_flushes_before_its_age() -> None:
    """At the size of a batch a writer begins, and takes no more than that."""
    store, settled = MemoryStore(), Settled()
    settings = BatchSettings(max_items=3, linger_seconds=3_600)
    async with running(store, settings) as batcher:
        for number in range(1, 5):
            batcher.offer(parcel_of(build_report(sequence=number), on_settled=settled))
        await settled.wait(3)
        assert [len(batch) for batch in store.batches] == [3]
        assert batcher.statistics().pending_items == 1


@pytest.mark.asyncio
async def test_a_parcel_larger_than_a_batch_is_written() -> None:
    """One parcel always goes, however large: it cannot be divided."""
    store, settled = MemoryStore(), Settled()
    async with running(store, BatchSettings(max_items=2, linger_seconds=3_600)) as batcher:
        batcher.offer(parcel_of(*build_reports(5), on_settled=settled))
        assert await settled.wait(1) == [Verdict.STORED] * 5


@pytest.mark.asyncio
async def test_away_then_back() -> None:
    """While the store is unavailable nothing is settled; afterwards the same batch is."""
    store, settled = MemoryStore(), Settled()
    store.is_away = True
    async with running(store) as batcher:
        batcher.offer(parcel_of(*build_reports(2), on_settled=settled))
        while len(store.batches) < 2:  # noqa: ASYNC110 - the fake tells nobody that it was called
            await asyncio.sleep(0.01)
        assert settled.verdicts == []
        assert batcher.statistics().in_flight_items == 2
        store.is_away = False
        assert await settled.wait(1) == [Verdict.STORED] * 2


@pytest.mark.asyncio
async def test_a_bug_costs_only_its_parcel() -> None:
    """After an error that will not pass each parcel is tried alone; only the culprit fails."""

    class Picky(MemoryStore):
        async def write(self, parcels: Sequence[Parcel]) -> list[list[ItemVerdict]]:
            if any(parcel.frame == b"culprit" for parcel in parcels):
                raise KeyError("a bug")
            return await super().write(parcels)

    settled = Settled()
    async with running(Picky()) as batcher:
        for number, frame in enumerate((b"good", b"culprit", b"good"), 1):
            parcel = parcel_of(build_report(sequence=number), frame=frame, on_settled=settled)
            batcher.offer(parcel)
        await settled.wait(3)
    by_number = {items[0].sequence: items[0].verdict for items in settled.verdicts}
    assert by_number == {1: Verdict.STORED, 2: Verdict.FAILED, 3: Verdict.STORED}


@pytest.mark.asyncio
async def test_a_failing_callback_costs_no_other_ack() -> None:
    """An exception in one callback does not keep the others from being called."""

    def fails(_parcel: Parcel, _verdicts: list[ItemVerdict]) -> None:
        raise ZeroDivisionError

    settled = Settled()
    async with running(MemoryStore()) as batcher:
        batcher.offer(parcel_of(build_report(), on_settled=fails))
        batcher.offer(parcel_of(build_report(sequence=2), on_settled=settled))
        assert await settled.wait(1) == [Verdict.STORED]


@pytest.mark.asyncio
async def test_full_and_space_again() -> None:
    """Above the high-water mark the batcher is full; waiting sources are told in their order, a
    few at a time, when half is free.
    """
    store = MemoryStore()
    store.go_on.clear()
    told: list[int] = []
    all_told = asyncio.Event()
    sources = 3 * RESUMED_AT_ONCE
    batcher = Batcher(store, BatchSettings(max_pending_items=10, linger_seconds=0))
    batcher.offer(parcel_of(*build_reports(10)))
    assert not batcher.is_full
    batcher.offer(parcel_of(build_report(sequence=11)))
    assert batcher.is_full

    def source(number: int) -> None:
        told.append(number)
        if len(told) == sources:
            all_told.set()

    for number in range(sources):
        batcher.when_space(partial(source, number))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(batcher.run())
        await asyncio.sleep(0)
        assert told == []
        assert batcher.statistics().waiting_for_space == sources
        store.go_on.set()
        await all_told.wait()
        assert told == list(range(sources))
        assert not batcher.is_full
        await batcher.drain(10)


@pytest.mark.asyncio
async def test_sources_wait_again_when_the_first_fill_it() -> None:
    """Those not yet told stay waiting when the first who were told have filled the batcher."""
    store = MemoryStore()
    store.go_on.clear()
    told: list[int] = []
    first_told = asyncio.Event()
    batcher = Batcher(store, BatchSettings(max_pending_items=10, linger_seconds=0, writers=1))

    def source(number: int) -> None:
        told.append(number)
        batcher.offer(parcel_of(*build_reports(20, 100 * number)))
        first_told.set()

    for number in (1, 2):
        batcher.when_space(partial(source, number))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(batcher.run())
        await first_told.wait()
        assert told == [1]
        assert batcher.statistics().waiting_for_space == 1
        store.go_on.set()
        while len(told) < 2:  # noqa: ASYNC110 - the second is told by a timer of the batcher
            await asyncio.sleep(0.001)
        await batcher.drain(10)


@pytest.mark.asyncio
async def test_drain_writes_what_is_pending() -> None:
    """Draining does not wait for age or size."""
    store, settled = MemoryStore(), Settled()
    batcher = Batcher(store, NEVER_BY_AGE)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(batcher.run())
        batcher.offer(parcel_of(*build_reports(2), on_settled=settled))
        assert await batcher.drain(10)
    assert await settled.wait(1) == [Verdict.STORED] * 2


@pytest.mark.asyncio
async def test_drain_gives_up() -> None:
    """When the database stays away past the time-out all get FAILED, once, and `run` ends."""
    store, settled = MemoryStore(), Settled()
    store.go_on.clear()
    settings = BatchSettings(max_items=1, linger_seconds=0)
    batcher = Batcher(store, settings)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(batcher.run())
        for number in range(1, 6):
            batcher.offer(parcel_of(build_report(sequence=number), on_settled=settled))
        assert not await batcher.drain(0.01)
    assert await settled.wait(5) == [Verdict.FAILED] * 5
    assert batcher.statistics().pending_items == batcher.statistics().in_flight_items == 0


@pytest.mark.asyncio
async def test_cancelled_it_settles_everything_once() -> None:
    """A cancelled batcher tells everybody, also while it tries parcels one by one."""
    store, settled = MemoryStore(), Settled()
    store.bug = KeyError("a bug")

    def first_settled(parcel: Parcel, verdicts: list[ItemVerdict]) -> None:
        store.go_on.clear()  # the second is then under way, and the third waits for it
        settled(parcel, verdicts)

    parcels = [parcel_of(build_report(sequence=n), on_settled=settled) for n in range(1, 4)]
    parcels[0].on_settled = first_settled
    batcher = Batcher(store, BatchSettings(linger_seconds=0, writers=1))
    for parcel in parcels:
        batcher.offer(parcel)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(batcher.run())
        await settled.wait(1)
        assert len(settled.verdicts) == 1
        task.cancel()
    assert sorted(items[0].sequence or 0 for items in settled.verdicts) == [1, 2, 3]


@pytest.mark.asyncio
async def test_statistics() -> None:
    """What waits is counted in items, with the age of the oldest by the clock given."""
    now = 100.0
    batcher = Batcher(MemoryStore(), monotonic=lambda: now)
    assert batcher.statistics().oldest_age_seconds == 0
    batcher.offer(parcel_of(*build_reports(3)))
    now = 102.5
    batcher.offer(emergency(9))
    statistics = batcher.statistics()
    assert (statistics.pending_items, statistics.oldest_age_seconds) == (4, 2.5)
