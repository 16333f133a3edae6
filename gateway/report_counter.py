"""Counts what was committed: short messages that it would have been, and reports by street and day.

Work is found where the relay finds it, in the notes that transactions leave in `publication`. Each
gateway counts, and none leads: what is read and calculated holds no lock, so it may take its time.
A short transaction at the end adds the sums of those publications that are still uncounted, and
marks them. Whoever comes second adds nothing; a gateway that is killed before has added nothing.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from itertools import chain
from typing import Final, TypeVar

import asyncpg

from gateway import observe_counting
from gateway.cost.counts import Counts, count_report, count_task_change
from gateway.cost.old_texts import OldTexts
from gateway.retry import MAX_DELAY_SECONDS, back_off
from gateway.runs import Stretch, portions, stretches
from gateway.settings import MeterSettings
from gateway.store_errors import ROW_ERRORS, TRANSIENT_ERRORS
from gateway.uncounted import TAKEN_AT_ONCE, CountTables, Uncounted

ROUND_REPORTS: Final = 2_000
"""Most reports that are added together, unless one publication holds more."""

PORTION_REPORTS: Final = 256
"""Reports, or changes of tasks, read and held at a time: a millisecond of the event loop."""

SLICE_REPORTS: Final = 32
"""Reports, or changes of tasks, counted before others get their turn: 0.3 ms of the event loop."""

LOOK_SECONDS: Final = 1.0
"""How often to look for work: dashboards lag so far behind when little is stored."""

STATE_SECONDS: Final = 5.0
"""How often the figures of an operator are read."""

MAX_SET_ASIDE: Final = 100
"""Publications that a bug keeps from being counted. More, and it is no matter of single rows:
counting stops, and goes on when the gateway is started again, with the bug mended.
"""

T = TypeVar("T")

Part = Sequence[tuple[int, asyncpg.Record]]
"""Rows, each with the place of its publication in the round."""


class CountingBrokenError(Exception):
    """Too many publications cannot be counted."""


class ReportCounter:
    """One of the stations of a gateway.

    Args:
        settings: How fast.
        tables: What is to be counted, and where to.
        texts: What the old system would have sent.
        is_busy: Whether reports are being written: they go first.
    """

    def __init__(
        self,
        settings: MeterSettings,
        tables: CountTables,
        texts: OldTexts,
        is_busy: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._tables = tables
        self._texts = texts
        self._is_busy = is_busy
        self._set_aside: list[int] = []

    async def run(self) -> None:
        """Count until cancelled. What is left then is counted later, by whichever gateway."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._count_all(), name="report counter")
            tasks.create_task(self._watch(), name="report counter state")

    async def count_some(self) -> bool:
        """One round. Returns whether there may be more to do at once.

        Raises:
            CountingBrokenError: too much is set aside.
        """
        if len(self._set_aside) > MAX_SET_ASIDE:
            raise CountingBrokenError(f"{len(self._set_aside)} publications cannot be counted")
        found = await self._tables.uncounted(ROUND_REPORTS, self._set_aside)
        if not found:
            return False
        counted = await self._calculate(found)
        try:
            added = await self._add(counted)
        except ROW_ERRORS:
            added = await self._add_one_by_one(counted)
        if added < len(counted):
            return False  # another gateway is at it: let it work
        return len(found) == TAKEN_AT_ONCE or sum(p.reports for p in found) >= ROUND_REPORTS

    async def _count_all(self) -> None:
        delays = back_off()
        while True:
            try:
                goes_on = await self.count_some()
            except TRANSIENT_ERRORS as error:
                delay_seconds = next(delays)
                observe_counting.counting_paused(error, delay_seconds)
            except Exception as error:  # noqa: BLE001 - a bug here must not cost a single report
                delay_seconds = MAX_DELAY_SECONDS
                observe_counting.counting_failed(error, delay_seconds)
            else:
                delays = back_off()
                delay_seconds = 0.0 if goes_on else LOOK_SECONDS
            await asyncio.sleep(delay_seconds)

    async def _calculate(self, found: Sequence[Uncounted]) -> dict[int, Counts]:
        """The counts of publications, by id, without those that a bug prevents."""
        counts = [Counts() for _ in found]
        faults: dict[int, Exception] = {}
        async for part in self._reports(found):
            for place, row in part:
                try:
                    count_report(counts[place], self._texts, found[place].stored_on, row)
                except Exception as error:  # noqa: BLE001 - its neighbours are counted
                    faults[place] = error
        async for part in self._task_changes(found):
            for place, row in part:
                try:
                    count_task_change(counts[place], self._texts, row)
                except Exception as error:  # noqa: BLE001 - see above
                    faults[place] = error
        for place, fault in faults.items():
            self._put_aside(found[place].id, fault)
        return {p.id: counts[place] for place, p in enumerate(found) if place not in faults}

    async def _reports(self, found: Sequence[Uncounted]) -> AsyncIterator[Part]:
        """Rows of reports with the place of each one's publication, at the pace that is allowed."""
        for portion in portions(_stretches(found), PORTION_REPORTS):
            for part in _divided(await self._tables.reports(portion), SLICE_REPORTS):
                yield [(portion[row[0] - 1].position, row) for row in part]
                await self._rest(len(part))

    async def _task_changes(self, found: Sequence[Uncounted]) -> AsyncIterator[Part]:
        """The same of changes of tasks."""
        places = {change: place for place, p in enumerate(found) for change in p.task_change_ids}
        for ids in _divided(list(places), PORTION_REPORTS):
            for part in _divided(await self._tables.task_changes(ids), SLICE_REPORTS):
                yield [(places[row["id"]], row) for row in part]
                await self._rest(len(part))

    async def _add(self, counted: dict[int, Counts]) -> int:
        added, sums = await self._tables.add(counted)
        observe_counting.counted(sums.messages(), *sums.segments())
        return added

    async def _add_one_by_one(self, counted: dict[int, Counts]) -> int:
        """Find the one whose counts no column can hold."""
        added = 0
        for publication_id, counts in counted.items():
            try:
                added += await self._add({publication_id: counts})
            except ROW_ERRORS as error:
                self._put_aside(publication_id, error)
        return added

    def _put_aside(self, publication_id: int, error: Exception) -> None:
        """Leave one that cannot be counted uncounted, for a gateway that can."""
        self._set_aside.append(publication_id)
        observe_counting.publication_set_aside(publication_id, error, len(self._set_aside))

    async def _rest(self, messages: int) -> None:
        """Let others have their turn after so many; reports that are being written go first."""
        pace = self._settings.busy_reports_per_second
        await asyncio.sleep(messages / pace if self._is_busy() else 0)

    async def _watch(self) -> None:
        """Read what an operator sees."""
        while True:
            with contextlib.suppress(*TRANSIENT_ERRORS):  # the other loop says so
                observe_counting.counting_state(await self._tables.waiting())
            await asyncio.sleep(STATE_SECONDS)


def counter_of(
    settings: MeterSettings, pool: asyncpg.Pool, is_busy: Callable[[], bool]
) -> ReportCounter:
    """A counter with the texts of the settings."""
    return ReportCounter(settings, CountTables(pool), OldTexts(settings.templates()), is_busy)


def _divided(values: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    return (values[begin : begin + most] for begin in range(0, len(values), most))


def _stretches(found: Sequence[Uncounted]) -> Iterator[Stretch]:
    """The runs of all; the place in the round stands for the position in the stream."""
    return chain.from_iterable(stretches(place, p.runs) for place, p in enumerate(found))
