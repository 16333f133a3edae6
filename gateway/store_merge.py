"""The slower way into a table, for batches that COPY could not take whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from gateway.copy_format import REPORT_COLUMNS, TRACK_COLUMNS, copy_data
from gateway.database import transaction
from gateway.queries import load_queries
from gateway.recent import Key
from gateway.store_batch import Batch, Row, encoded
from gateway.store_errors import ROW_ERRORS

_QUERIES = load_queries("store.sql")


@dataclass(frozen=True, slots=True)
class Target:
    """A table that rows are copied or merged into, with its statements."""

    table: str
    columns: tuple[str, ...]
    stage: str
    make_stage: str
    merge: str
    compare: str


REPORT: Final = Target(
    table="report",
    columns=REPORT_COLUMNS,
    stage="report_stage",
    make_stage=_QUERIES["make_report_stage"],
    merge=_QUERIES["merge_reports"],
    compare=_QUERIES["compare_reports"],
)
TRACK: Final = Target(
    table="track",
    columns=TRACK_COLUMNS,
    stage="track_stage",
    make_stage=_QUERIES["make_track_stage"],
    merge=_QUERIES["merge_tracks"],
    compare=_QUERIES["compare_tracks"],
)


async def copy_rows(
    connection: asyncpg.Connection, table: str, columns: Sequence[str], rows: Sequence[Row]
) -> None:
    """COPY the rows straight into a table; one bad row or known key fails them all."""
    await connection.copy_to_table(
        table, source=copy_data(encoded(rows)), columns=columns, format="binary"
    )


async def merge_rows(
    connection: asyncpg.Connection, target: Target, batch: Batch, rows: Sequence[Row]
) -> None:
    """Store the rows that are new and correct the verdicts of those that are not.

    A row that the database refuses costs only itself: the rows are halved, each half behind its
    own savepoint, until it stands alone. Must run in a transaction.
    """
    try:
        async with transaction(connection):
            known = await _merge(connection, target, rows)
    except asyncpg.UniqueViolationError:
        # Known keys are passed over, so it is the guard of the archive: a key was moved there while
        # the insert waited for it. It moves once, and the next statement sees it there.
        await merge_rows(connection, target, batch, rows)
        return
    except ROW_ERRORS as error:
        if len(rows) == 1:
            batch.unstorable(rows[0], str(error))
            return
        middle = len(rows) // 2
        await merge_rows(connection, target, batch, rows[:middle])
        await merge_rows(connection, target, batch, rows[middle:])
        return
    for row in rows:
        differs = known.get(row.key)
        if differs:
            batch.conflict(row)
        elif differs is not None:
            batch.duplicate(row)


async def _merge(
    connection: asyncpg.Connection, target: Target, rows: Sequence[Row]
) -> Mapping[Key, bool]:
    """Insert what is new. Returns the other keys, with whether their content differs."""
    await connection.execute(target.make_stage)
    await copy_rows(connection, target.stage, target.columns, rows)
    inserted = {tuple(key) for key in await connection.fetch(target.merge)}
    known = [row.key for row in rows if row.key not in inserted]
    if not known:
        return {}
    # A new statement sees what another transaction has committed while the insert waited for it.
    found = await connection.fetch(target.compare, *map(list, zip(*known, strict=True)))
    differing = {(d, i, s): bool(differs) for d, i, s, differs in found}
    # A row that is gone again was committed all the same.
    return {key: differing.get(key, False) for key in known}
