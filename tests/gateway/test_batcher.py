"""The batcher: who writes what, how much it holds, and how it ends."""

import asyncio
from functools import partial

import pytest

from gateway.batcher import RESUMED_AT_ONCE, Batcher
from gateway.parcel import ItemVerdict, Parcel, Verdict
from gateway.settings import BatchSettings
from tests.helpers.batching import Settled, emergency, of_device, running
from tests.helpers.builders import build_report, build_reports
from tests.helpers.memory_store import MemoryStore
from tests.helpers.store_contract import INSTALLATION, key_of, parcel_of

NEVER_BY_AGE = BatchSettings(linger_seconds=3_600)


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


# Emergencies.


@pytest.mark.asyncio
async def test_an_emergency_waits_for_no_writer() -> None:
    """All ordinary writers are held by the database, and their queues are full: it is committed and
    settled while they wait.
    """
    store, settled = MemoryStore(), Settled()
    store.holds = lambda parcels: not parcels[0].urgent
    settings = BatchSettings(max_items=2, max_pending_items=4, linger_seconds=0)
    async with running(store, settings) as batcher:
        ordinary = [of_device(device, number) for device in (1, 2) for number in range(1, 5)]
        for parcel in ordinary:
            batcher.offer(parcel)
        await store.until_held(2)
        assert batcher.is_full
        assert not batcher.is_full_of_emergencies
        for number in (7, 8):
            urgent = emergency(number)
            urgent.on_settled = settled
            batcher.offer(urgent)
            assert batcher.is_hurried()
            assert await settled.wait(number - 6) == [Verdict.STORED] * (number - 6)
            await until_calm(batcher)
        assert not store.reports.keys() - {key_of(7), key_of(8)}
        store.release()


@pytest.mark.asyncio
async def test_no_ordinary_parcel_takes_the_way_of_emergencies() -> None:
    """The express writer leaves them alone, and an emergency does not wait for company."""
    store, settled = MemoryStore(), Settled()
    async with running(store, NEVER_BY_AGE) as batcher:
        batcher.offer(parcel_of(build_report()))
        urgent = emergency(2)
        urgent.on_settled = settled
        batcher.offer(urgent)
        assert await settled.wait(1) == [Verdict.STORED]
        assert [[p.reports[0].sequence for p in batch] for batch in store.batches] == [[2]]
        assert batcher.statistics().pending_items == 1


@pytest.mark.asyncio
async def test_who_passes_a_crowd_is_not_committed_with_emergencies() -> None:
    """An emergency that is committed with others is published with them; and neither of the two
    waits for the other's transaction.
    """
    store, settled = MemoryStore(), Settled()
    store.holds = lambda parcels: parcels[0].device_id == 7
    async with running(store, NEVER_BY_AGE) as batcher:
        for number in (1, 2):
            held = of_device(7, number)
            held.urgent = True
            batcher.offer(held)
        await store.until_held(1)
        assert batcher.is_hurried()
        urgent = emergency(3)
        urgent.on_settled = settled
        batcher.offer(urgent)
        assert await settled.wait(1) == [Verdict.STORED]
        assert [len(batch) for batch in store.batches] == [2, 1]
        store.release()


@pytest.mark.asyncio
async def test_emergencies_have_a_bound_of_their_own() -> None:
    """One batch of them may wait; a flood of them is held off like any other."""
    store = MemoryStore()
    store.go_on.clear()
    told = asyncio.Event()
    batcher = Batcher(store, BatchSettings(max_items=2, max_pending_items=9, linger_seconds=0))
    batcher.offer(emergency(1))
    batcher.offer(emergency(2))
    assert not batcher.is_full_of_emergencies
    batcher.offer(emergency(3))
    assert (batcher.is_full, batcher.is_full_of_emergencies) == (False, True)
    batcher.when_space(told.set)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(batcher.run())
        await asyncio.sleep(0)
        assert not told.is_set()
        store.go_on.set()
        await told.wait()
        assert not batcher.is_full_of_emergencies
        await batcher.drain(10)


@pytest.mark.asyncio
async def test_emergencies_outlast_the_database() -> None:
    """While it is away they are kept and tried again, and acked when it is back."""
    store, settled = MemoryStore(), Settled()
    store.is_away = True
    async with running(store) as batcher:
        urgent = emergency(1)
        urgent.on_settled = settled
        batcher.offer(urgent)
        while len(store.batches) < 2:  # noqa: ASYNC110 - the fake tells nobody that it was called
            await asyncio.sleep(0.01)
        assert settled.verdicts == []
        assert batcher.statistics().in_flight_items == 1
        store.is_away = False
        assert await settled.wait(1) == [Verdict.STORED]


@pytest.mark.parametrize("seconds,verdict", [(10.0, Verdict.STORED), (0.01, Verdict.FAILED)])
@pytest.mark.asyncio
async def test_emergencies_are_drained_too(seconds: float, verdict: Verdict) -> None:
    """Those under way and those that wait are written within the time, or given up, once."""
    store, settled = MemoryStore(), Settled()
    store.go_on.clear()
    batcher = Batcher(store, BatchSettings(max_items=1))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(batcher.run())
        for number in (1, 2):
            urgent = emergency(number)
            urgent.on_settled = settled
            batcher.offer(urgent)
        while not store.batches:  # noqa: ASYNC110 - the fake tells nobody that it was called
            await asyncio.sleep(0)
        if verdict is Verdict.STORED:
            store.go_on.set()
        assert await batcher.drain(seconds) is (verdict is Verdict.STORED)
    assert await settled.wait(2) == [verdict] * 2


# Order.


@pytest.mark.asyncio
async def test_a_device_has_one_writer() -> None:
    """Its reports are committed in the order in which they came, also when its writer is held and
    another is idle; other devices go on.
    """
    store, settled = MemoryStore(), Settled()
    store.holds = lambda parcels: parcels[0].device_id == 1
    settings = BatchSettings(max_items=1, linger_seconds=0)
    async with asyncio.timeout(10), running(store, settings) as batcher:
        for number in range(1, 6):
            batcher.offer(of_device(1, number))
        batcher.offer(of_device(2, 1, on_settled=settled))
        assert await settled.wait(1) == [Verdict.STORED]
        await store.until_held(1)
        assert list(store.reports) == [(2, INSTALLATION, 1)]
        store.release()
        while len(store.reports) < 6:  # noqa: ASYNC110 - the fake tells nobody when it stores
            await asyncio.sleep(0)
    own = [p.reports[0].sequence for batch in store.batches for p in batch if p.device_id == 1]
    assert own == [1, 2, 3, 4, 5]


async def until_calm(batcher: Batcher) -> None:
    """A verdict comes just before what it was about is counted out."""
    while batcher.is_hurried():  # noqa: ASYNC110 - it tells nobody when it changes
        await asyncio.sleep(0)


@pytest.mark.asyncio
async def test_crowded() -> None:
    """When more waits than one transaction takes; emergencies are no crowd."""
    batcher = Batcher(MemoryStore(), BatchSettings(max_items=10, max_pending_items=100))
    batcher.offer(emergency(1))
    batcher.offer(parcel_of(*build_reports(10)))
    assert not batcher.is_crowded()
    batcher.offer(parcel_of(build_report(sequence=11)))
    assert batcher.is_crowded()


@pytest.mark.asyncio
async def test_crowded_by_sessions() -> None:
    """Also an empty batcher is, while many wait for their turn of the loop."""
    batcher = Batcher(MemoryStore())
    batcher.are_turns_crowded = lambda: True
    assert batcher.is_crowded()
