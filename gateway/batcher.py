"""Hands parcels to the writers and bounds what they hold.

Each ordinary writer has its own devices, so that what one device sends is committed in the order in
which it came. Emergencies have a writer to themselves, which is idle otherwise: they wait neither
for a batch to fill nor for one to be written. So have, when it is crowded, the single reports of
devices that have nothing else under way: whoever floods makes only himself wait.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.batch_writer import BatchWriter, Store
from gateway.parcel import Parcel
from gateway.protocol.report import Urgency
from gateway.settings import BatchSettings

RESUMED_AT_ONCE: Final = 16
"""Sources told at a time that there is space. Told all at once, a thousand would read before the
first parcel counts, and overshoot the bound by all their reads."""

RESUME_INTERVAL_SECONDS: Final = 0.001
"""Until the next few are told: a turn of the event loop under load, so the first have read."""


@dataclass(frozen=True, slots=True)
class BatcherStatistics:
    """What a gauge or a health check reads."""

    pending_items: int
    in_flight_items: int
    oldest_age_seconds: float
    waiting_for_space: int


class Batcher:
    """Between the sources and the store. Used from one event loop."""

    def __init__(
        self,
        store: Store,
        settings: BatchSettings | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        settings = settings or BatchSettings()
        self.is_full = False
        """Whether a source must stop reading until `when_space` tells it."""
        self.is_full_of_emergencies = False
        """The same for emergencies. A batch of them may wait on top of all others."""
        self._max_items = settings.max_pending_items
        self._max_urgent_items = settings.max_items
        self._items = 0
        self._urgent_items = 0
        self.are_turns_crowded: Callable[[], bool] = lambda: False
        """Set by the TCP server: whether many sessions wait for their turn of the event loop."""
        self._waiting: deque[Callable[[], None]] = deque()
        self._resume_is_due = False
        self._settled = asyncio.Event()

        def writer(*, urgent: bool) -> BatchWriter:
            released = self._urgent_released if urgent else self._released
            return BatchWriter(
                store,
                settings,
                urgent=urgent,
                monotonic=monotonic,
                released=released,
            )

        self._emergencies = writer(urgent=True)
        # Not with the emergencies: those are published at once that are committed by themselves.
        self._quick = writer(urgent=True)
        self._writers = [writer(urgent=False) for _ in range(settings.writers)]
        self._all = (self._emergencies, self._quick, *self._writers)
        self._tasks: list[asyncio.Task[None]] = []

    # For the sources.

    def offer(self, parcel: Parcel) -> None:
        """Take a parcel; `parcel.on_settled` is called once, always. Never blocks and never
        refuses: a source must look at `is_full` before it reads on, and may go on for an emergency
        while not `is_full_of_emergencies`.
        """
        load = parcel.load
        if parcel.urgent:
            self._urgent_items += load
            self.is_full_of_emergencies = self._urgent_items > self._max_urgent_items
            writer = self._emergencies if _is_emergency(parcel) else self._quick
            writer.offer(parcel, load)
        else:
            self._items += load
            self.is_full = self._items > self._max_items
            self._writers[parcel.device_id % len(self._writers)].offer(parcel, load)

    def is_crowded(self) -> bool:
        """Whether what comes now would wait long: behind more than one transaction takes, or more
        than a few sessions.
        """
        return self._items > self._max_urgent_items or self.are_turns_crowded()

    def is_hurried(self) -> bool:
        """Whether something urgent is on its way to the database."""
        return self._urgent_items > 0

    def when_space(self, callback: Callable[[], None]) -> None:
        """Call once when there is space again: first come, first served, a few at a time.

        The callback must look at `is_full` again before it reads much.
        """
        self._waiting.append(callback)
        self._resume_soon()

    # For the application.

    async def run(self) -> None:
        """Write until drained. Cancelled, it gives up what is not committed."""
        try:
            async with asyncio.TaskGroup() as group:
                self._tasks = [
                    group.create_task(writer.run(), name=f"batch writer {number}")
                    for number, writer in enumerate(self._all)
                ]
        finally:
            for writer in self._all:
                writer.give_up_pending()

    async def drain(self, timeout_seconds: float) -> bool:
        """Write everything, then let `run` end.

        Returns:
            Whether all was committed. If not, the rest got the verdict FAILED and no ack: the
            devices keep it.
        """
        for writer in self._all:
            writer.finish()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._until_settled()
                return True
        for task in self._tasks:
            task.cancel()
        return False

    def is_writing(self) -> bool:
        """Whether anything waits to be committed or is being committed."""
        return bool(self._items or self._urgent_items)

    def statistics(self) -> BatcherStatistics:
        """How much waits, and for how long."""
        return BatcherStatistics(
            pending_items=sum(writer.pending_items for writer in self._all),
            in_flight_items=sum(writer.in_flight_items for writer in self._all),
            oldest_age_seconds=max(writer.oldest_age_seconds for writer in self._all),
            waiting_for_space=len(self._waiting),
        )

    # Space.

    def _released(self, items: int) -> None:
        self._items -= items
        self.is_full = self._items > self._max_items
        self._settled.set()
        self._resume_soon()

    def _urgent_released(self, items: int) -> None:
        self._urgent_items -= items
        self.is_full_of_emergencies = self._urgent_items > self._max_urgent_items
        self._settled.set()
        self._resume_soon()

    async def _until_settled(self) -> None:
        while self._items or self._urgent_items:
            self._settled.clear()
            await self._settled.wait()

    def _resume_soon(self) -> None:
        if self._waiting and not self._resume_is_due and not self._is_above_low_water():
            self._resume_is_due = True
            asyncio.get_running_loop().call_later(RESUME_INTERVAL_SECONDS, self._resume)

    def _resume(self) -> None:
        self._resume_is_due = False
        try:
            for _ in range(RESUMED_AT_ONCE):
                if not self._waiting or self._is_above_low_water():
                    break
                self._waiting.popleft()()
        finally:
            self._resume_soon()

    def _is_above_low_water(self) -> bool:
        """Sources go on at half of the bounds, so that they do not stop and go in turn."""
        return 2 * self._items > self._max_items or 2 * self._urgent_items > self._max_urgent_items


def _is_emergency(parcel: Parcel) -> bool:
    return any(report.urgency == Urgency.EMERGENCY for report in parcel.reports)
