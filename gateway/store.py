"""Writes parcels into PostgreSQL: one transaction a batch, one verdict an item."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Final

import asyncpg

from gateway.database import (
    COMMAND_TIMEOUT_SECONDS,
    CONNECT_TIMEOUT_SECONDS,
    connection_of,
    transaction,
)
from gateway.parcel import ItemVerdict, Parcel, Transport, Verdict
from gateway.queries import load_queries
from gateway.recent import DEFAULT_REMEMBERED_REPORTS, RecentlyCommitted
from gateway.runs import run_columns
from gateway.store_batch import Batch, by_key, frame_digest
from gateway.store_errors import ROW_ERRORS, TRANSIENT_ERRORS, StoreUnavailableError
from gateway.store_merge import REPORT, TRACK, copy_rows, merge_rows

_NOTHING: Final[tuple[object, ...]] = (0, 0, [], [], [], [], [])
"""To publish."""

_QUERIES = load_queries("store.sql")


async def open_pool(
    dsn: str, *, size: int, command_timeout_seconds: float = COMMAND_TIMEOUT_SECONDS
) -> asyncpg.Pool:
    """A pool for the store and the other users of the database, with all its connections made.

    Args:
        dsn: Where the database is.
        size: Connections.
        command_timeout_seconds: A statement that takes longer is taken for a dead link.

    Raises:
        OSError: The server cannot be reached.
        asyncpg.PostgresError: The server refuses the connection.
    """
    return await asyncpg.create_pool(
        dsn,
        # All at once and kept: an emergency must not wait for a connection to be made.
        min_size=size,
        max_size=size,
        max_inactive_connection_lifetime=0,
        init=_learn_types,
        timeout=CONNECT_TIMEOUT_SECONDS,
        command_timeout=command_timeout_seconds,
        reset=_keep_as_it_is,
        server_settings={
            "application_name": "field-gateway",
            "jit": "off",
            # What an ack promises must not hang on how somebody set up the role.
            "synchronous_commit": "on",
        },
    )


async def _learn_types(connection: asyncpg.Connection) -> None:
    """Let the driver ask now what it would ask before the first batch: what our types are."""
    try:
        await connection.prepare(_QUERIES["finish"])
    except asyncpg.PostgresError:
        return  # there may be no schema yet
    except BaseException:
        connection.terminate()  # see `gateway.database`; the pool itself would wait
        raise


async def _keep_as_it_is(_connection: asyncpg.Connection) -> None:
    """Nothing here changes a session's settings, so the usual reset, a round trip, is saved."""


class PostgresStore:
    """The one place that commits what devices send.

    `write` may run several times at once, and any number of gateways may write to the same
    database.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        *,
        gateway: str,
        publishes: bool = True,
        remembered_reports: int = DEFAULT_REMEMBERED_REPORTS,
    ) -> None:
        """Args:
        pool: From `open_pool`, with a connection for each writer.
        gateway: Name of this gateway in the ledger.
        publishes: Whether to note in each transaction what the relay is to publish.
        remembered_reports: Most reports whose content is remembered to recognise repetitions.
        """
        self._publishes = publishes
        self._pool = pool
        self._gateway = gateway
        self._busy_lanes: set[int] = set()
        self._recent = RecentlyCommitted(remembered_reports)
        self._refused: Counter[Transport] = Counter()

    def count_refused(self, transport: Transport, items: int = 1) -> None:
        """Count what was refused without being kept; goes into the ledger with the next batch."""
        self._refused[transport] += items

    async def flush_ledger(self) -> None:
        """Write what `count_refused` has counted, when no batch is to come.

        Raises:
            StoreUnavailableError: See there.
        """
        if self._refused.total():
            await self.write([])

    async def write(self, parcels: Sequence[Parcel]) -> list[list[ItemVerdict]]:
        """Store all parcels in one transaction.

        Returns:
            For each parcel the verdicts on its reports, tracks and rejected items, in this order.
            All are committed; none is FAILED.

        Raises:
            StoreUnavailableError: Nothing is known to be committed; write the same again later.
        """
        batch = Batch(parcels, self._recent)
        for _ in batch.build():
            await asyncio.sleep(0)
        refused, self._refused = self._refused, Counter()
        try:
            with self._lane() as lane:
                async with connection_of(self._pool) as connection:
                    await self._store(connection, batch, lane, refused)
        except BaseException as error:
            self._refused.update(refused)
            if isinstance(error, TRANSIENT_ERRORS) and not isinstance(error, ROW_ERRORS):
                raise StoreUnavailableError(f"{type(error).__name__}: {error}") from error
            raise
        self._recent.remember(batch.committed())
        return batch.verdicts

    async def is_ready(self) -> bool:
        """Whether the database answers, has our schema and can be written to."""
        try:
            async with connection_of(self._pool) as connection:
                return bool(await connection.fetchval(_QUERIES["is_ready"]))
        except TRANSIENT_ERRORS:
            return False

    @contextmanager
    def _lane(self) -> Iterator[int]:
        """The lowest free number, so that each writer has its own row in the ledger."""
        lane = next(number for number in count() if number not in self._busy_lanes)
        self._busy_lanes.add(lane)
        try:
            yield lane
        finally:
            self._busy_lanes.remove(lane)

    async def _store(
        self, connection: asyncpg.Connection, batch: Batch, lane: int, refused: Counter[Transport]
    ) -> None:
        try:
            async with transaction(connection):
                if batch.reports:
                    await copy_rows(connection, REPORT.table, REPORT.columns, batch.reports)
                if batch.tracks:
                    await copy_rows(connection, TRACK.table, TRACK.columns, batch.tracks)
                await self._finish(connection, batch, lane, refused)
        except ROW_ERRORS:
            # A key that is there already, or a row that cannot be: look at each.
            async with transaction(connection):
                if batch.reports:
                    await merge_rows(connection, REPORT, batch, batch.reports)
                if batch.tracks:
                    await merge_rows(connection, TRACK, batch, batch.tracks)
                await self._finish(connection, batch, lane, refused)

    async def _finish(
        self, connection: asyncpg.Connection, batch: Batch, lane: int, refused: Counter[Transport]
    ) -> None:
        batch.settle_repeats()
        quarantined = await self._quarantine(connection, batch) if batch.kept else []
        counts = _count(batch, refused)
        if counts:
            columns = map(list, zip(*counts, strict=True))
            publication = _publication(batch, quarantined) if self._publishes else _NOTHING
            await connection.execute(
                _QUERIES["finish"], self._gateway, lane, *columns, *publication
            )

    async def _quarantine(self, connection: asyncpg.Connection, batch: Batch) -> list[int]:
        """Keep what must be kept; returns the ids of rows that were not there before."""
        digests = {id(kept.parcel): frame_digest(kept.parcel.frame) for kept in batch.kept}
        rows = [
            (
                *(kept.parcel.device_id, kept.parcel.installation, kept.sequence),
                *(kept.parcel.transport.value, kept.code, kept.distinct_by),
                *(digests[id(kept.parcel)], kept.detail),
            )
            for kept in batch.kept
        ]
        frames = {digests[id(kept.parcel)]: kept.parcel.frame for kept in batch.kept}
        new = await connection.fetch(
            _QUERIES["quarantine"],
            *map(list, zip(*rows, strict=True)),
            list(frames),
            list(frames.values()),
        )
        return [row["id"] for row in new]


def _publication(batch: Batch, quarantined: list[int]) -> tuple[object, ...]:
    """What the relay is to publish once this transaction is committed: how many reports, how many
    emergencies, the runs of keys in four columns, and what is in quarantine.
    """
    stored = batch.stored()
    return (
        len(stored),
        batch.stored_emergencies(),
        *run_columns(map(by_key, stored)),
        quarantined,
    )


def _count(batch: Batch, refused: Counter[Transport]) -> list[tuple[str, int, int, int, int, int]]:
    """Rows of the ledger: transport, received, stored, duplicate, quarantined, refused."""
    counts: Counter[tuple[Transport, Verdict]] = Counter()
    for parcel, verdicts in zip(batch.parcels, batch.verdicts, strict=True):
        transport = parcel.transport
        for item in verdicts:
            counts[transport, item.verdict] += 1
    rows = []
    for transport in Transport:
        stored, duplicate = counts[transport, Verdict.STORED], counts[transport, Verdict.DUPLICATE]
        kept = counts[transport, Verdict.QUARANTINED]
        received = stored + duplicate + kept + refused[transport]
        if received:
            rows.append((transport.value, received, stored, duplicate, kept, refused[transport]))
    return rows
