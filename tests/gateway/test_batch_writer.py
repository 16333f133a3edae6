"""One writer: when it flushes, what it does while the database is away, how it settles."""

import asyncio
from collections.abc import Sequence

import pytest

from gateway.batch_writer import (
    SETTLED_AT_ONCE,
    BatchWriter,
    flush_due,
)
from gateway.parcel import ItemVerdict, Parcel, Verdict
from gateway.settings import BatchSettings
from tests.helpers.batching import Settled, of_device, running
from tests.helpers.builders import build_report, build_reports
from tests.helpers.memory_store import MemoryStore
from tests.helpers.store_contract import parcel_of


@pytest.mark.parametrize(
    "pending_items,waited_seconds,urgent,is_due",
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
def test_flush_due(
    pending_items: int, waited_seconds: float, *, urgent: bool, is_due: bool
) -> None:
    """A flush is due by size, by age or for an emergency, and never for nothing."""
    settings = BatchSettings(max_items=100, linger_seconds=0.005)
    assert flush_due(pending_items, waited_seconds, urgent=urgent, settings=settings) is is_due


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


class Clock:
    """Stands still unless moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


def writer_of(store: MemoryStore, clock: Clock) -> BatchWriter:
    """An ordinary writer that lingers for 10 ms."""
    return BatchWriter(
        store,
        BatchSettings(linger_seconds=0.010),
        urgent=False,
        monotonic=clock,
        released=lambda _items: None,
    )


def test_a_writer_waits_for_those_it_has_just_acked() -> None:
    """What waited while it was busy does not make it flush before it was idle for a moment."""
    clock = Clock()
    writer = writer_of(MemoryStore(), clock)
    clock.now += 5
    writer.offer(of_device(1, 1), 1)
    assert writer.oldest_age_seconds == writer._waited_seconds() == 0
    clock.now += 1
    writer._idle_since = clock.now - 0.004
    assert writer.oldest_age_seconds == 1
    assert writer._waited_seconds() == pytest.approx(0.004)


@pytest.mark.asyncio
async def test_settling_lets_others_work() -> None:
    """A batch of small parcels is settled in portions."""
    at_once = SETTLED_AT_ONCE
    writer = writer_of(MemoryStore(), Clock())
    settled: list[int] = []
    seen: list[int] = []

    def note(parcel: Parcel, _verdicts: list[ItemVerdict]) -> None:
        settled.append(parcel.reports[0].sequence)

    parcels = [of_device(1, number, on_settled=note) for number in range(1, 2 * at_once + 2)]
    pairs = iter([(parcel, parcel.failed()) for parcel in parcels])
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(writer._settle_in_turns(pairs))
        while not task.done():
            await asyncio.sleep(0)
            seen.append(len(settled))
    assert [at_once, 2 * at_once, 2 * at_once + 1] == sorted(set(seen) - {0})
    assert settled == list(range(1, 2 * at_once + 2))


@pytest.mark.asyncio
async def test_cancelled_while_it_settles_it_settles_the_rest() -> None:
    """They are committed: giving them up would be untrue, and forgotten they would hang a drain."""
    writer = writer_of(MemoryStore(), Clock())
    settled = Settled()
    parcels = [of_device(1, number, on_settled=settled) for number in range(1, 301)]
    stored = [[ItemVerdict(p.reports[0].sequence, Verdict.STORED)] for p in parcels]
    task = asyncio.get_running_loop().create_task(
        writer._settle_in_turns(iter(zip(parcels, stored, strict=True)))
    )
    await settled.wait(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await settled.wait(300) == [Verdict.STORED] * 300
    assert len(settled.verdicts) == 300
