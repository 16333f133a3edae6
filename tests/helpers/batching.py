"""A batcher at work, and what it is given, for tests."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from gateway.batch_writer import Store
from gateway.batcher import Batcher
from gateway.parcel import ItemVerdict, Parcel, Verdict
from gateway.protocol.report import Urgency
from gateway.settings import BatchSettings
from tests.helpers.builders import build_report
from tests.helpers.store_contract import parcel_of

OnSettled = Callable[[Parcel, list[ItemVerdict]], None]

AT_ONCE = BatchSettings(linger_seconds=0)


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
async def running(store: Store, settings: BatchSettings = AT_ONCE) -> AsyncIterator[Batcher]:
    """A batcher at work, drained at the end."""
    batcher = Batcher(store, settings)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(batcher.run())
        yield batcher
        await batcher.drain(10)


def emergency(sequence: int) -> Parcel:
    """A parcel with one emergency, whose urgency is a number as on the wire."""
    report = build_report(sequence=sequence, urgency=int(Urgency.EMERGENCY))
    return parcel_of(report, urgent=True)


def of_device(device_id: int, sequence: int, on_settled: OnSettled | None = None) -> Parcel:
    """A parcel with one ordinary report of that device."""
    parcel = parcel_of(build_report(sequence=sequence), device_id=device_id)
    if on_settled is not None:
        parcel.on_settled = on_settled
    return parcel
