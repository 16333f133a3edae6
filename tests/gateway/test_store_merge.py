"""The merge, for batches that COPY could not take whole."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from gateway.parcel import Verdict
from gateway.protocol.report import Report
from gateway.recent import RecentlyCommitted
from gateway.store_batch import Batch
from gateway.store_merge import REPORT, Target, merge_rows
from tests.helpers.builders import build_report, build_reports
from tests.helpers.store_contract import parcel_of


@pytest_asyncio.fixture
async def connection(database_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """In a database of the test's own."""
    connection = await asyncpg.connect(database_dsn)
    yield connection
    await connection.close()


def built(*reports: Report) -> Batch:
    """A batch of one parcel."""
    batch = Batch([parcel_of(*reports)], RecentlyCommitted(0))
    for _ in batch.build():
        pass
    return batch


async def merged(
    connection: asyncpg.Connection, *sequences: int, target: Target = REPORT
) -> list[Verdict]:
    """Merge reports under these numbers in one transaction; the verdicts."""
    reports = [build_report(sequence=sequence) for sequence in sequences]
    batch = built(*reports)
    async with connection.transaction():
        await merge_rows(connection, target, batch, batch.reports)
    return [item.verdict for item in batch.verdicts[0]]


@pytest.mark.asyncio
async def test_bad_rows_among_many(connection: asyncpg.Connection) -> None:
    """Each of several bad rows is found, wherever it stands, and all others are stored."""
    bad = {0, 17, 18, 63}
    sequences = [-number if number in bad else number + 1 for number in range(64)]
    verdicts = await merged(connection, *sequences)
    assert [v is Verdict.QUARANTINED for v in verdicts] == [n in bad for n in range(64)]
    assert await connection.fetchval("SELECT count(*) FROM report") == 60


@pytest.mark.asyncio
async def test_again_on_the_same_connection(connection: asyncpg.Connection) -> None:
    """The stage is empty at each begin, also after a transaction that failed."""
    assert await merged(connection, 1, 2) == [Verdict.STORED] * 2
    batch = built(build_report(sequence=3))
    transaction = connection.transaction()
    await transaction.start()
    await merge_rows(connection, REPORT, batch, batch.reports)
    await transaction.rollback()
    expected = [Verdict.DUPLICATE, Verdict.STORED, Verdict.STORED]
    assert await merged(connection, 2, 3, 4) == expected


@pytest.mark.asyncio
async def test_comparison_reads_the_index(connection: asyncpg.Connection) -> None:
    """A merge into a large table looks its keys up and never reads the table through."""
    batch = built(*build_reports(5_000))
    async with connection.transaction():
        await merge_rows(connection, REPORT, batch, batch.reports)
        keys = ([row.key[place] for row in batch.reports] for place in range(3))
        plan = await connection.fetch(f"EXPLAIN {REPORT.compare}", *keys)
    text = "\n".join(row[0] for row in plan)
    assert "report_pkey" in text
    assert "Seq Scan on report " not in text + " "
