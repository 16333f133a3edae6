"""SQL of what is to be published: notes that transactions left, and the rows that they mean."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import starmap
from typing import Any, Final

import asyncpg
import msgspec

from gateway.queries import load_queries
from gateway.runs import Run, Stretch
from gateway.store_errors import TRANSIENT_ERRORS, StoreUnavailableError

NUMBERED_AT_ONCE: Final = 2_000
"""Most publications that get their position in one statement: some 20 ms."""

TAKEN_AT_ONCE: Final = 200
"""Most publications of one round: bounds memory where each holds a single report."""

FORGOTTEN_AT_ONCE: Final = 5_000
"""Most that one statement deletes: some 50 ms."""

_QUERIES = load_queries("publication.sql")

Row = Mapping[str, Any]


class Publication(msgspec.Struct, frozen=True):
    """What one transaction has left to publish."""

    position: int
    stored_at: datetime
    reports: int
    runs: list[Run]
    quarantine_ids: list[int]
    task_change_ids: list[int]
    task_verdict_ids: list[int]
    budget_warning_ids: list[int]

    @property
    def holds_more_than_reports(self) -> bool:
        """Whether there is anything else to publish."""
        return bool(
            self.quarantine_ids
            or self.task_change_ids
            or self.task_verdict_ids
            or self.budget_warning_ids
        )


class RelayState(msgspec.Struct, frozen=True):
    """How far publishing is behind."""

    publications_waiting: int
    reports_waiting: int
    lag_seconds: float


class Publications:
    """SQL access for the relay. Each call raises `StoreUnavailableError` while the database is
    away.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def source(self) -> str:
        """Names this database in its events."""
        return str((await self._fetch("source"))[0]["source"])

    async def number(self) -> None:
        """Give positions to what was committed since. Only for the relay that leads, and never
        twice at once.
        """
        await self._fetch("number", NUMBERED_AT_ONCE)

    async def undelivered(self, most_reports: int) -> list[Publication]:
        """The next publications in order, with at most so many reports or a single publication."""
        rows = await self._fetch("undelivered", TAKEN_AT_ONCE, most_reports)
        return [_publication(row) for row in rows]

    async def number_unhurried(self) -> list[Publication]:
        """As `number`; returns the publications that hold nothing but emergencies, as those that a
        handset sends by themselves, as far as they are not on their own topic yet.
        """
        rows = await self._fetch("number_unhurried", NUMBERED_AT_ONCE, TAKEN_AT_ONCE)
        return [_publication(row) for row in rows]

    async def unhurried(self) -> list[Publication]:
        """The same for emergencies that came with other reports, in a handset's backlog."""
        return [_publication(row) for row in await self._fetch("unhurried", TAKEN_AT_ONCE)]

    async def reports(
        self, stretches: Sequence[Stretch], *, only_emergencies: bool = False
    ) -> list[tuple[int, int, Row]]:
        """Position, index and row of each report, in order."""
        runs = [stretch.run for stretch in stretches]
        rows = await self._fetch(
            "reports",
            [run.device_id for run in runs],
            [run.installation for run in runs],
            [run.first for run in runs],
            [run.last for run in runs],
            only_emergencies,
        )
        placed = []
        for row in rows:
            stretch = stretches[row["ordinal"] - 1]
            index = stretch.index + row["sequence"] - stretch.run.first
            placed.append((stretch.position, index, row))
        return placed

    async def quarantined(self, ids: Sequence[int]) -> Sequence[Row]:
        """Rows of quarantine."""
        return await self._fetch("quarantined", ids)

    async def task_changes(self, ids: Sequence[int]) -> Sequence[Row]:
        """Changes of tasks."""
        return await self._fetch("task_changes", ids)

    async def task_verdicts(self, ids: Sequence[int]) -> Sequence[Row]:
        """Requests for tasks that were decided."""
        return await self._fetch("task_verdicts", ids)

    async def budget_warnings(self, ids: Sequence[int]) -> Sequence[Row]:
        """Warnings about budgets."""
        return await self._fetch("budget_warnings", ids)

    async def hurried(self, positions: Sequence[int]) -> None:
        """The broker has the emergencies of these on the topic of their own."""
        await self._fetch("hurried", positions)

    async def delivered(self, positions: Sequence[int]) -> None:
        """The broker has all events of these."""
        await self._fetch("delivered", positions)

    async def again(self, since: datetime) -> int:
        """Publish once more what was stored since then; returns how many publications that are."""
        (row,) = await self._fetch("again", since)
        return int(row["publications"])

    async def forget(self, after: timedelta, *, only_counted: bool) -> None:
        """Delete notes of what was delivered so long ago; the reports stay. `only_counted`: keep
        those that are still to be counted.
        """
        await self._fetch("forget", after, FORGOTTEN_AT_ONCE, only_counted)

    async def state(self) -> RelayState:
        """How much waits, and for how long."""
        (row,) = await self._fetch("state")
        return RelayState(row["publications_waiting"], row["reports_waiting"], row["lag_seconds"])

    # Who is online.

    async def came(
        self, sessions: Sequence[tuple[int, int, int, str]], gateway: str
    ) -> Sequence[Row]:
        """Note sessions (device, session, installation, transport); returns the devices."""
        columns = map(list, zip(*sessions, strict=True))
        return await self._fetch("came", *columns, gateway)

    async def left(self, sessions: Sequence[tuple[int, int]]) -> Sequence[Row]:
        """Forget sessions (device, session); returns the devices that have no newer one."""
        return await self._fetch("left", *map(list, zip(*sessions, strict=True)))

    async def clear(self, gateway: str) -> Sequence[Row]:
        """Forget what an earlier process of this name left behind; returns its devices."""
        return await self._fetch("clear", gateway)

    async def _fetch(self, query: str, *arguments: object) -> Sequence[Row]:
        try:
            rows: Sequence[Row] = await self._pool.fetch(_QUERIES[query], *arguments)
        except asyncpg.DataError:
            raise  # a value that no column can hold: our fault, not the server's state
        except TRANSIENT_ERRORS as error:
            raise StoreUnavailableError(f"{type(error).__name__}: {error}") from error
        return rows


def _publication(row: Row) -> Publication:
    runs = zip(
        row["device_id"],
        row["installation"],
        row["first_sequence"],
        row["last_sequence"],
        strict=True,
    )
    return Publication(
        position=row["position"],
        stored_at=row["stored_at"],
        reports=row["reports"],
        runs=list(starmap(Run, runs)),
        quarantine_ids=row.get("quarantine_id", []),
        task_change_ids=row.get("task_change_id", []),
        task_verdict_ids=row.get("task_verdict_id", []),
        budget_warning_ids=row.get("budget_warning_id", []),
    )
