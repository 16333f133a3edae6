"""Gathers parcels into transactions: bounded, flushed by size or age, an emergency at once."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from gateway import observe
from gateway.parcel import ItemVerdict, Parcel
from gateway.retry import back_off
from gateway.settings import BatchSettings
from gateway.store_errors import StoreUnavailableError

RESUMED_AT_ONCE: Final = 16
"""Sources told at a time that there is space. Told all at once, a thousand would read before the
first parcel counts, and overshoot the bound by all their reads."""

RESUME_INTERVAL_SECONDS: Final = 0.001
"""Until the next few are told: a turn of the event loop under load, so the first have read."""


class Store(Protocol):
    """What commits parcels."""

    async def write(self, parcels: Sequence[Parcel]) -> list[list[ItemVerdict]]:
        """Commit all; a list of verdicts for each parcel. Raises `StoreUnavailableError`."""
        ...


@dataclass(frozen=True, slots=True)
class BatcherStatistics:
    """What a gauge or a health check reads."""

    pending_items: int
    in_flight_items: int
    oldest_age_seconds: float
    waiting_for_space: int


def flush_due(
    pending_items: int, oldest_age_seconds: float, *, urgent: bool, settings: BatchSettings
) -> bool:
    """Whether an idle writer should write what is pending now."""
    return pending_items > 0 and (
        urgent
        or pending_items >= settings.max_items
        or oldest_age_seconds >= settings.linger_seconds
    )


class Batcher:
    """Between the sources and the store. Used from one event loop."""

    def __init__(
        self,
        store: Store,
        settings: BatchSettings | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._settings = settings or BatchSettings()
        self._monotonic = monotonic
        self._urgent: deque[tuple[float, Parcel]] = deque()
        self._ordinary: deque[tuple[float, Parcel]] = deque()
        self._pending_items = 0
        self._in_flight_items = 0
        self._waiting: deque[Callable[[], None]] = deque()
        self._resume_is_due = False
        self._wake = asyncio.Event()
        self._settled = asyncio.Event()
        self._draining = False
        self._writers: list[asyncio.Task[None]] = []

    # For the sources.

    def offer(self, parcel: Parcel) -> None:
        """Take a parcel; `parcel.on_settled` is called once, always. Never blocks and never
        refuses: a source must look at `is_full` before it reads on.
        """
        queue = self._urgent if parcel.urgent else self._ordinary
        queue.append((self._monotonic(), parcel))
        was_empty = not self._pending_items
        self._pending_items += parcel.load
        if was_empty or queue is self._urgent or self._pending_items >= self._settings.max_items:
            self._wake.set()

    @property
    def is_full(self) -> bool:
        """Whether sources must stop reading until `when_space` tells them."""
        return self._pending_items + self._in_flight_items > self._settings.max_pending_items

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
                self._writers = [
                    group.create_task(self._work(), name=f"batch writer {number}")
                    for number in range(self._settings.writers)
                ]
        finally:
            self._fail(parcel for _, parcel in (*self._urgent, *self._ordinary))
            self._urgent.clear()
            self._ordinary.clear()
            self._pending_items = 0
            self._settled.set()

    async def drain(self, timeout_seconds: float) -> bool:
        """Write everything, then let `run` end.

        Returns:
            Whether all was committed. If not, the rest got the verdict FAILED and no ack: the
            devices keep it.
        """
        self._draining = True
        self._wake.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._until_settled()
                return True
        for writer in self._writers:
            writer.cancel()
        return False

    def is_writing(self) -> bool:
        """Whether anything waits to be committed or is being committed."""
        return bool(self._pending_items or self._in_flight_items)

    def statistics(self) -> BatcherStatistics:
        """How much waits, and for how long."""
        return BatcherStatistics(
            pending_items=self._pending_items,
            in_flight_items=self._in_flight_items,
            oldest_age_seconds=self._oldest_age_seconds(),
            waiting_for_space=len(self._waiting),
        )

    # The writers.

    async def _work(self) -> None:
        while True:
            parcels = await self._next_batch()
            if not parcels:
                return
            items = sum(parcel.load for parcel in parcels)
            self._in_flight_items += items
            try:
                await self._write(parcels)
            finally:
                self._in_flight_items -= items
                self._settled.set()
                self._resume_soon()

    async def _next_batch(self) -> list[Parcel]:
        """Wait until a flush is due and take it; empty when drained."""
        settings = self._settings
        while True:
            age_seconds = self._oldest_age_seconds()
            urgent = bool(self._urgent) or self._draining
            if flush_due(self._pending_items, age_seconds, urgent=urgent, settings=settings):
                return self._take()
            if self._draining:
                return []
            self._wake.clear()
            wait_seconds = settings.linger_seconds - age_seconds if self._pending_items else None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_seconds):
                    await self._wake.wait()

    def _take(self) -> list[Parcel]:
        """The emergencies, then the oldest, up to a batch."""
        parcels: list[Parcel] = []
        items = 0
        for queue in (self._urgent, self._ordinary):
            while queue and (not parcels or items < self._settings.max_items):
                parcel = queue.popleft()[1]
                parcels.append(parcel)
                items += parcel.load
        self._pending_items -= items
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
            self._settle(parcels, verdicts)

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
        if not given_up:
            return
        verdicts = [parcel.failed() for parcel in given_up]
        observe.parcels_given_up(given_up)
        self._settle(given_up, verdicts)

    def _settle(self, parcels: Sequence[Parcel], verdicts: Sequence[list[ItemVerdict]]) -> None:
        for parcel, items in zip(parcels, verdicts, strict=True):
            try:
                parcel.on_settled(parcel, items)
            except Exception as error:  # noqa: BLE001 - one session's bug must not cost others' acks
                observe.callback_failed(error)

    # Waiting.

    async def _until_settled(self) -> None:
        while self._pending_items or self._in_flight_items:
            self._settled.clear()
            await self._settled.wait()

    def _oldest_age_seconds(self) -> float:
        heads = [queue[0][0] for queue in (self._urgent, self._ordinary) if queue]
        return self._monotonic() - min(heads) if heads else 0.0

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
        """Sources go on at half of the bound, so that they do not stop and go in turn."""
        return 2 * (self._pending_items + self._in_flight_items) > self._settings.max_pending_items
