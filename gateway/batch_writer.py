"""Writes the parcels that it is given in their order, one transaction after the other."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, Protocol

from gateway import observe
from gateway.parcel import ItemVerdict, Parcel
from gateway.retry import back_off
from gateway.settings import BatchSettings
from gateway.store_errors import StoreUnavailableError

SETTLED_AT_ONCE: Final = 64
"""Parcels settled before others may use the event loop: half a millisecond, and as much again for
the acks that follow."""


class Store(Protocol):
    """What commits parcels."""

    async def write(self, parcels: Sequence[Parcel]) -> list[list[ItemVerdict]]:
        """Commit all; a list of verdicts for each parcel. Raises `StoreUnavailableError`."""
        ...


def flush_due(
    pending_items: int, waited_seconds: float, *, urgent: bool, settings: BatchSettings
) -> bool:
    """Whether an idle writer should write what is pending now."""
    return pending_items > 0 and (
        urgent or pending_items >= settings.max_items or waited_seconds >= settings.linger_seconds
    )


class BatchWriter:
    """One queue and the transactions that empty it. Has no bound: its batcher keeps that."""

    def __init__(
        self,
        store: Store,
        settings: BatchSettings,
        *,
        urgent: bool,
        monotonic: Callable[[], float],
        released: Callable[[int], None],
    ) -> None:
        """Args:
        store: Commits.
        settings: When a batch is full, and how long an idle writer waits for company.
        urgent: Never wait for company.
        monotonic: The clock, in seconds.
        released: Called with the load of parcels that are settled and held no more.
        """
        self.pending_items = 0
        self.in_flight_items = 0
        self._store = store
        self._settings = settings
        self._urgent = urgent
        self._draining = False
        self._monotonic = monotonic
        self._released = released
        self._idle_since = monotonic()
        self._queue: deque[tuple[float, int, Parcel]] = deque()
        self._wake = asyncio.Event()

    def offer(self, parcel: Parcel, load: int) -> None:
        """Take a parcel; `parcel.on_settled` is called once, always."""
        self._queue.append((self._monotonic(), load, parcel))
        was_empty = not self.pending_items
        self.pending_items += load
        if was_empty or self.pending_items >= self._settings.max_items:
            self._wake.set()

    @property
    def oldest_age_seconds(self) -> float:
        """How long the first in the queue has waited; 0 when there is none."""
        return self._monotonic() - self._queue[0][0] if self._queue else 0.0

    def finish(self) -> None:
        """Write the rest without waiting for company; `run` ends then."""
        self._urgent = self._draining = True
        self._wake.set()

    def give_up_pending(self) -> None:
        """Tell all that wait that they are not committed."""
        parcels = [parcel for _, _, parcel in self._queue]
        load, self.pending_items = self.pending_items, 0
        self._queue.clear()
        self._fail(parcels)
        self._released(load)

    async def run(self) -> None:
        """Write until finished. Cancelled, it gives up what it is writing."""
        while parcels := await self._next_batch():
            try:
                await self._write(parcels)
            finally:
                load, self.in_flight_items = self.in_flight_items, 0
                self._idle_since = self._monotonic()
                self._released(load)

    async def _next_batch(self) -> list[Parcel]:
        """Wait until a flush is due and take it; empty when finished."""
        settings = self._settings
        while True:
            waited_seconds = self._waited_seconds()
            if flush_due(
                self.pending_items, waited_seconds, urgent=self._urgent, settings=settings
            ):
                return self._take()
            if self._draining:
                return []
            self._wake.clear()
            left_seconds = settings.linger_seconds - waited_seconds
            wait_seconds = left_seconds if self.pending_items else None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_seconds):
                    await self._wake.wait()

    def _waited_seconds(self) -> float:
        """How long the writer has been idle with something to write. Not the age of the oldest: the
        devices that were acked a moment ago are about to send again, and share a batch with those
        that have waited meanwhile.
        """
        return min(self.oldest_age_seconds, self._monotonic() - self._idle_since)

    def _take(self) -> list[Parcel]:
        """The oldest, up to a batch."""
        parcels: list[Parcel] = []
        items = 0
        while self._queue and items < self._settings.max_items:
            _, load, parcel = self._queue.popleft()
            parcels.append(parcel)
            items += load
        self.pending_items -= items
        self.in_flight_items = items
        return parcels

    async def _write(self, parcels: list[Parcel]) -> None:
        """Commit and settle; tries for ever while the database is away. Cancelled, it gives up."""
        try:
            verdicts = await self._commit(parcels)
        except asyncio.CancelledError:
            self._fail(parcels)
            raise
        except Exception as error:  # noqa: BLE001 - a bug of ours must cost the fewest parcels
            observe.batch_failed(error, len(parcels))
            await self._write_singly(parcels)
        else:
            await self._settle_in_turns(zip(parcels, verdicts, strict=True))

    async def _settle_in_turns(self, settled: Iterator[tuple[Parcel, list[ItemVerdict]]]) -> None:
        """Let others use the event loop in between. Cancelled, the rest is settled at once: it is
        committed all the same.
        """
        try:
            while True:
                if _settle(islice(settled, SETTLED_AT_ONCE)) < SETTLED_AT_ONCE:
                    return
                await asyncio.sleep(0)
        finally:
            _settle(settled)  # none, unless cancelled

    async def _commit(self, parcels: list[Parcel]) -> list[list[ItemVerdict]]:
        for delay_seconds in back_off():
            started = self._monotonic()
            try:
                verdicts = await self._store.write(parcels)
            except StoreUnavailableError as error:
                observe.batch_retried(error, len(parcels), delay_seconds)
                await asyncio.sleep(delay_seconds)
            else:
                observe.batch_written(parcels, verdicts, self._monotonic() - started)
                return verdicts
        raise AssertionError("back_off never ends")

    async def _write_singly(self, parcels: list[Parcel]) -> None:
        """After an error that will not pass: only the parcel that causes it is given up."""
        if len(parcels) == 1:
            self._fail(parcels)
            return
        left = deque(parcels)
        try:
            while left:
                await self._write([left.popleft()])
        finally:
            self._fail(left)  # none, unless cancelled

    def _fail(self, parcels: Iterable[Parcel]) -> None:
        given_up = list(parcels)
        if given_up:
            observe.parcels_given_up(given_up)
            _settle((parcel, parcel.failed()) for parcel in given_up)


def _settle(settled: Iterable[tuple[Parcel, list[ItemVerdict]]]) -> int:
    """Tell each; returns how many."""
    count = 0
    for parcel, verdicts in settled:
        count += 1
        try:
            parcel.on_settled(parcel, verdicts)
        except Exception as error:  # noqa: BLE001 - one session's bug must not cost others' acks
            observe.callback_failed(error)
    return count
