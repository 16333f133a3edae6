"""SQL of what is to be counted after the commit, and of the counts."""

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import starmap
from typing import Final

import asyncpg
import msgspec

from gateway.cost.counts import Counts
from gateway.database import connection_of, transaction
from gateway.queries import load_queries
from gateway.runs import Run, Stretch

TAKEN_AT_ONCE: Final = 500
"""Most publications of one round: bounds its transaction where each holds a single report."""

_QUERIES = load_queries("counting.sql")


class Uncounted(msgspec.Struct, frozen=True):
    """A publication that is not counted yet."""

    id: int
    stored_on: date
    """Day in China."""
    reports: int
    runs: list[Run]
    task_change_ids: list[int]


class Waiting(msgspec.Struct, frozen=True):
    """What is not counted yet."""

    publications: int
    reports: int


class CountTables:
    """SQL access for the counter. While the database is away each call raises one of
    `TRANSIENT_ERRORS`.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def uncounted(self, most_reports: int, but: Sequence[int] = ()) -> list[Uncounted]:
        """The next publications, with at most so many reports or a single publication; without
        some, by their ids.
        """
        rows = await self._pool.fetch(_QUERIES["uncounted"], TAKEN_AT_ONCE, most_reports, list(but))
        return [_uncounted(row) for row in rows]

    async def reports(self, stretches: Sequence[Stretch]) -> list[asyncpg.Record]:
        """Rows of reports for `count_report`: the first column is the place of the stretch, from 1
        on. Those that were deleted are missing.
        """
        runs = [stretch.run for stretch in stretches]
        rows: list[asyncpg.Record] = await self._pool.fetch(
            _QUERIES["reports"],
            [run.device_id for run in runs],
            [run.installation for run in runs],
            [run.first for run in runs],
            [run.last for run in runs],
        )
        return rows

    async def task_changes(self, ids: Sequence[int]) -> list[asyncpg.Record]:
        """Changes of tasks that would have been short messages."""
        rows: list[asyncpg.Record] = await self._pool.fetch(_QUERIES["task_changes"], ids)
        return rows

    async def add(self, counted: Mapping[int, Counts]) -> tuple[int, Counts]:
        """Add the counts of publications, by their ids, and mark these, in one transaction. Returns
        how many they were, and the sums: without those that somebody else had counted or was just
        changing.
        """
        sums = Counts()
        async with connection_of(self._pool) as connection, transaction(connection):
            await connection.execute(_QUERIES["commit_lightly"])
            rows = await connection.fetch(_QUERIES["claim"], list(counted))
            claimed = [row["id"] for row in rows]
            for publication_id in claimed:
                sums.add(counted[publication_id])
            if sums.sms:
                await connection.execute(_QUERIES["add_sms"], *sums.sms_columns())
            if sums.reports:
                await connection.execute(_QUERIES["add_reports"], *sums.report_columns())
            if claimed:
                await connection.execute(_QUERIES["counted"], claimed)
        return len(claimed), sums

    async def waiting(self) -> Waiting:
        """How much is not counted yet."""
        row = await self._pool.fetchrow(_QUERIES["waiting"])
        return Waiting(row["publications"], row["reports"])


def _uncounted(row: asyncpg.Record) -> Uncounted:
    columns = (row["device_id"], row["installation"], row["first_sequence"], row["last_sequence"])
    runs = starmap(Run, zip(*columns, strict=True))
    return Uncounted(row["id"], row["stored_on"], row["reports"], list(runs), row["task_change_id"])
