"""Tasks in the database: what is asked and answered, what is due for whom, what has expired."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final

import asyncpg
import msgspec

from gateway.database import connection_of, transaction
from gateway.protocol.task_messages import Task, TaskKind, TaskWithdrawal, Withdrawal
from gateway.protocol.text import encode_text
from gateway.queries import load_queries
from gateway.store_errors import ROW_ERRORS, TRANSIENT_ERRORS, StoreUnavailableError
from gateway.task_work import Fate, RequestVerdict, Work, do, locking_order

MAX_CLAIMED: Final = 500
"""Most tasks claimed with one statement: some 100 KB of frames. What is left follows at once."""

MAX_EXPIRED: Final = 1_000
"""Most tasks expired with one statement: some 20 ms."""

LIST_PAGE_TASKS: Final = 1_000
"""Tasks read at a time when listing: some 300 KB."""

_QUERIES: Final = load_queries("tasks.sql")


class Claimed(msgspec.Struct, frozen=True):
    """A task, or a withdrawal, that this gateway has to send now, and no other does."""

    device_id: int
    message: Task | TaskWithdrawal


class ListedTask(msgspec.Struct, frozen=True):
    """A task as an operator sees it."""

    number: int
    request: str
    device_id: int
    kind: str
    state: str
    attempts: int
    expires_at: datetime
    answer: str | None
    answer_text: str | None


class ListedVerdict(msgspec.Struct, frozen=True):
    """What became of a request or a cancellation."""

    at: datetime
    action: str
    accepted: bool
    repeated: bool
    tasks: int
    reason: str


class ListedChange(msgspec.Struct, frozen=True):
    """One change of one task, or a late answer."""

    task: int
    device_id: int
    at: datetime
    previous: str | None
    state: str
    late_answer: bool
    answer: str | None
    answer_text: str | None
    answered_at: datetime | None


class Tasks:
    """SQL access to tasks. May be used by several asyncio tasks and gateways at once."""

    def __init__(self, pool: asyncpg.Pool, *, retry_seconds: float) -> None:
        """Args:
        pool: From `store.open_pool`.
        retry_seconds: When what was sent and not noted is due again.
        """
        self._pool = pool
        self._retry = timedelta(seconds=retry_seconds)

    async def settle(self, works: Sequence[Work]) -> list[RequestVerdict | Fate]:
        """Do all in one transaction.

        Returns:
            What became of each, in the same order. All is committed.

        Raises:
            StoreUnavailableError: Nothing is known to be committed; do the same again later.
        """
        done: dict[int, RequestVerdict | Fate] = {}
        order = sorted(range(len(works)), key=lambda place: locking_order(works[place]))
        async with self._connection() as connection, transaction(connection):
            for place in order:
                done[place] = await do(connection, works[place])
        return [done[place] for place in range(len(works))]

    async def claim_due(
        self, devices: Sequence[tuple[int, int]], after: int = 0
    ) -> Sequence[Claimed]:
        """Claim what is due for these devices, each with the installation that is here: at most
        `MAX_CLAIMED`, by number, from the first above `after`. Send it after this returns.

        Raises:
            StoreUnavailableError: The database is away; ask again later. What was claimed all the
                same is due again after the retry time.
        """
        return await self._claim("claim_due", devices, after)

    async def claim_arrived(
        self, devices: Sequence[tuple[int, int]], after: int = 0
    ) -> Sequence[Claimed]:
        """As `claim_due`, for devices that have just greeted: what was sent and not noted comes
        again, and what an earlier installation had received.

        Raises:
            StoreUnavailableError: As there.
        """
        return await self._claim("claim_arrived", devices, after)

    async def expire(self) -> int:
        """End the tasks whose time is over, at most `MAX_EXPIRED`; returns how many.

        Raises:
            StoreUnavailableError: The database is away.
        """
        rows = await self._fetch("expire", MAX_EXPIRED)
        return sum(row["state"] == "expired" for row in rows)

    async def list(
        self, state: str | None = None, device_id: int | None = None, request: str | None = None
    ) -> Sequence[ListedTask]:
        """Tasks by number, those of a state, a device or a request alone where one is named.

        Raises:
            StoreUnavailableError: The database is away.
        """
        found: list[ListedTask] = []
        while True:
            after = found[-1].number if found else 0
            page = await self._fetch("list", after, state, device_id, request, LIST_PAGE_TASKS)
            found += (ListedTask(*row) for row in page)
            if len(page) < LIST_PAGE_TASKS:
                return found

    async def history(self, request: str) -> tuple[Sequence[ListedVerdict], Sequence[ListedChange]]:
        """All verdicts on a request, and all changes of its tasks, oldest first.

        Raises:
            StoreUnavailableError: The database is away.
        """
        verdicts = [ListedVerdict(*row) for row in await self._fetch("verdicts", request)]
        return verdicts, [ListedChange(*row) for row in await self._fetch("history", request)]

    async def _claim(
        self, query: str, devices: Sequence[tuple[int, int]], after: int
    ) -> Sequence[Claimed]:
        ids, installations = [device for device, _ in devices], [number for _, number in devices]
        rows = await self._fetch(query, ids, installations, self._retry, MAX_CLAIMED, after)
        claimed = [Claimed(row["device_id"], _message(row)) for row in rows]
        return sorted(claimed, key=lambda task: task.message.task)

    async def _fetch(self, query: str, *arguments: object) -> Sequence[asyncpg.Record]:
        async with self._connection() as connection:
            rows: Sequence[asyncpg.Record] = await connection.fetch(_QUERIES[query], *arguments)
        return rows

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.Connection]:
        try:
            async with connection_of(self._pool) as connection:
                yield connection
        except ROW_ERRORS:
            raise  # a value that no column can hold: a fault of the work, not of the server
        except TRANSIENT_ERRORS as error:
            raise StoreUnavailableError(f"{type(error).__name__}: {error}") from error


def _message(row: asyncpg.Record) -> Task | TaskWithdrawal:
    """A claimed row as the handset gets it."""
    number, state = row["number"], row["state"]
    if state != "sent":
        superseded = state == "superseded"
        return TaskWithdrawal(number, Withdrawal.SUPERSEDED if superseded else Withdrawal.CANCELLED)
    return Task(
        task=number,
        kind=TaskKind[row["kind"].upper()],
        issued_at=int(row["issued_at"].timestamp()),
        expires_at=int(row["expires_at"].timestamp()),
        text=encode_text(row["text"]),
        case_number=row["case_number"],
        grid=row["grid"] or 0,
        lat_e5=row["lat_e5"],
        lon_e5=row["lon_e5"],
        pictures=row["pictures"],
    )
