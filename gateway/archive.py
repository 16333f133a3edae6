"""Takes old reports and tracks out of the tables that gateways write to, a portion at a time.

Each portion is one statement and so one transaction: a process that is killed at any moment leaves
each row in one place. What makes a repetition of an archived report a duplicate stands in
`sql/store.sql` and in the trigger `report_guard_archive`.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Final, TypeAlias

import asyncpg

from gateway.database import CONNECT_TIMEOUT_SECONDS, transaction
from gateway.devices import MAX_NUMBERS_SCANNED
from gateway.queries import load_queries
from gateway.settings import ArchiveSettings

LOCK_KEY: Final = 0x6669656C64677733
"""The bytes of `fieldgw3`; migrations have `fieldgw1`, the relay that leads `fieldgw2`."""

PORTION_ROWS: Final = 1_000
"""Most in one transaction: some 20 ms, so no batch waits longer for a key that is being moved."""

PAGE_INSTALLATIONS: Final = 500
"""Looked at by one statement: some milliseconds."""

LOCK_TIMEOUT_MS: Final = 2_000
"""How long to wait for a lock of a whole table, while greetings queue behind: less than any
handset waits for its welcome."""

CHINA: Final = timezone(timedelta(hours=8))

Told: TypeAlias = Callable[[str, int], None]
"""Told as it goes: the table, and how many of its rows have been moved so far."""

_QUERIES = load_queries("archive.sql")


class ArchiveBusyError(Exception):
    """Another archiver is at work."""


class ArchiveHeldError(Exception):
    """A table is held for long, by a backup perhaps. What was done before stays; try again."""


@dataclass(frozen=True, slots=True)
class Table:
    """What is archived alike."""

    name: str
    many: str
    after_days: int
    drop_after_days: int
    """0: never."""

    def sql(self, query: str, **names: str) -> str:
        """A statement for this table."""
        text = _QUERIES[query].replace("{table}", self.name).replace("{many}", self.many)
        for name, value in names.items():
            text = text.replace(f"{{{name}}}", value)
        return text


def tables_of(settings: ArchiveSettings) -> tuple[Table, Table]:
    """Reports and tracks, each with its own times."""
    return (
        Table("report", "reports", settings.reports_after_days, settings.drop_reports_after_days),
        Table("track", "tracks", settings.tracks_after_days, settings.drop_tracks_after_days),
    )


@asynccontextmanager
async def archive_of(dsn: str) -> AsyncIterator["Archive"]:
    """The archive, for one archiver at a time, through a connection of its own.

    Raises:
        ArchiveBusyError: Another archiver is at work.
        OSError, asyncpg.PostgresError: The database is away.
    """
    connection = await asyncpg.connect(
        dsn, timeout=CONNECT_TIMEOUT_SECONDS, server_settings={"jit": "off"}
    )
    try:
        if not await connection.fetchval(_QUERIES["begin"], LOCK_KEY):
            raise ArchiveBusyError("another archiver is at work")
        await connection.fetchval(_QUERIES["wait_briefly"], str(LOCK_TIMEOUT_MS))
        yield Archive(connection)
    finally:
        connection.terminate()


class Archive:
    """Moves and drops. `should_stop` is asked between two transactions."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def count_old(self, table: Table) -> int:
        """How many rows are old enough to be moved; some may have to wait for a gap to close."""
        before = await self._settled_before(table)
        return int(await self._connection.fetchval(table.sql("count_old"), before))

    async def move(
        self, table: Table, *, should_stop: Callable[[], bool] = lambda: False, tell: Told
    ) -> int:
        """Move all that is old enough, settled, published and counted; returns how many rows."""
        before = await self._settled_before(table)
        total = 0
        after = (0, -(2**31))
        while not should_stop():
            page = await self._connection.fetch(
                table.sql("installations"), *after, before, PAGE_INSTALLATIONS
            )
            if not page:
                break
            after = tuple(page[-1])[:2]
            old = [(row["device_id"], row["installation"]) for row in page if row["is_old"]]
            if old:
                await self._settle(old)
            for device_id, installation in old:
                total += await self._move_one(table, device_id, installation, before, should_stop)
            tell(table.name, total)
        return total

    def months_to_drop(self, table: Table, parts: list[str], now: datetime) -> Iterator[str]:
        """The months all of whose rows are past their keeping time; none unless it is asked for."""
        if not table.drop_after_days:
            return
        kept_from = now - timedelta(days=table.drop_after_days)
        for part in parts:
            if _midnight(_following(_month_of(part))) <= kept_from:
                yield part

    async def parts(self, table: Table) -> list[str]:
        """The tables of the months, oldest first."""
        return [row["relname"] for row in await self._connection.fetch(table.sql("parts"))]

    async def drop(self, table: Table, part: str) -> None:
        """Drop a month. Its numbers stay taken: what comes again is kept in quarantine.

        Raises:
            ArchiveHeldError: Somebody reads the archive for long; nothing was dropped.
        """
        await self._connection.execute(table.sql("mark_dropped", part=part))
        try:
            await self._connection.execute(table.sql("drop_part", part=part))
        except asyncpg.LockNotAvailableError as error:
            raise ArchiveHeldError(f"{part} is being read (a backup?): try again later") from error

    async def _settled_before(self, table: Table) -> datetime:
        before = await self._connection.fetchval(_QUERIES["settled_before"], table.after_days)
        assert isinstance(before, datetime)  # noqa: S101 - `least` of two moments
        return before

    async def _settle(self, installations: list[tuple[int, int]]) -> None:
        devices, numbers = map(list, zip(*installations, strict=True))
        settle = _QUERIES["settle"]
        # The result is that of the last statement: "INSERT 0 <rows>". Each raises by a scan.
        while await self._connection.execute(settle, devices, numbers, MAX_NUMBERS_SCANNED) != (
            "INSERT 0 0"
        ):
            pass

    async def _move_one(
        self,
        table: Table,
        device_id: int,
        installation: int,
        before: datetime,
        should_stop: Callable[[], bool],
    ) -> int:
        total = 0
        while not should_stop():
            key = (device_id, installation, before, PORTION_ROWS)
            for row in await self._connection.fetch(table.sql("months"), *key):
                await self._make_month(table, row["month"])
            moved = await self._connection.fetchval(table.sql("move"), *key) or 0
            total += moved
            if moved < PORTION_ROWS:
                break
        return total

    async def _make_month(self, table: Table, month: date) -> None:
        part = f"{table.name}_archive_{month:%Y_%m}"
        if part in await self.parts(table):
            return
        following = _following(month)
        make = table.sql("make_part", part=part, first=f"{month}", next=f"{following}")
        try:
            async with transaction(self._connection):
                await self._connection.execute(make)
        except asyncpg.LockNotAvailableError as error:
            raise ArchiveHeldError(f"{table.name}_archive is held: try again later") from error


def _month_of(part: str) -> date:
    year, month = part.rsplit("_", 2)[1:]
    return date(int(year), int(month), 1)


def _following(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=CHINA).astimezone(UTC)
