"""SQL of counting, on a real database."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime

import asyncpg
import pytest
import pytest_asyncio

from gateway.cost.counts import Counts
from gateway.parcel import Parcel, Transport
from gateway.protocol.report import Report
from gateway.protocol.task_messages import Answer
from gateway.runs import Run, Stretch
from gateway.store import PostgresStore, open_pool
from gateway.tasks import Tasks
from gateway.uncounted import TAKEN_AT_ONCE, CountTables, Waiting
from tests.helpers.builders import build_report, build_reports
from tests.helpers.counting import report_count, sms_avoided
from tests.helpers.served_gateway import register
from tests.helpers.task_requests import answered, build_request, noted

pytestmark = pytest.mark.asyncio

DAY = date(2026, 11, 24)


@pytest_asyncio.fixture
async def pool(database_dsn: str) -> AsyncIterator[asyncpg.Pool]:
    """Connections to a database of the test's own."""
    pool = await open_pool(database_dsn, size=4)
    yield pool
    pool.terminate()


@pytest.fixture
def tables(pool: asyncpg.Pool) -> CountTables:
    """Under test."""
    return CountTables(pool)


async def store(pool: asyncpg.Pool, *reports: Report, device_id: int = 1) -> None:
    """Store reports in one transaction, which leaves one publication."""
    parcel = Parcel(device_id, 1, Transport.TCP, b"", list(reports))
    await PostgresStore(pool, gateway="test").write([parcel])


def some(device: int = 1, amount: int = 1) -> Counts:
    """Sums of a device, all the same."""
    counts = Counts()
    counts.sms[DAY, device, "tcp"] = [amount] * 7
    counts.reports[DAY, 440307003, "event", "ordinary", "tcp", True] = amount
    return counts


async def leave(pool: asyncpg.Pool, count: int, reports: int = 0) -> None:
    """Leave publications with such a number of reports."""
    await pool.execute(
        f"INSERT INTO publication (reports) SELECT {reports} FROM generate_series(1, {count})"
    )


async def test_what_is_uncounted(pool: asyncpg.Pool, tables: CountTables) -> None:
    """Runs, tasks, and the day in China, which begins at 16:00 UTC."""
    await store(pool, build_report(sequence=4), build_report(sequence=5))
    await pool.execute("INSERT INTO publication (task_change_id) VALUES ('{8,9}')")
    await pool.execute(
        "UPDATE publication SET stored_at = $1", datetime(2026, 11, 23, 16, tzinfo=UTC)
    )
    first, second = await tables.uncounted(100)
    assert (first.stored_on, first.reports, first.runs) == (DAY, 2, [Run(1, 1, 4, 5)])
    assert (second.runs, second.task_change_ids) == ([], [8, 9])
    assert await tables.uncounted(100, [first.id]) == [second]


@pytest.mark.parametrize("most, found", [(1, 1), (10, 1), (11, 2), (20, 2), (21, 3)])
async def test_a_round_ends_when_it_is_full(
    pool: asyncpg.Pool, tables: CountTables, most: int, found: int
) -> None:
    """With the publication that fills it, and one at least."""
    await leave(pool, 3, reports=10)
    assert len(await tables.uncounted(most)) == found


async def test_a_round_has_so_many_publications(pool: asyncpg.Pool, tables: CountTables) -> None:
    """However few reports they hold."""
    await leave(pool, TAKEN_AT_ONCE + 1)
    assert len(await tables.uncounted(1_000)) == TAKEN_AT_ONCE


async def test_rows_say_which_stretch_they_are_of(pool: asyncpg.Pool, tables: CountTables) -> None:
    """Those that were deleted are missing."""
    await store(pool, *build_reports(3))
    await store(pool, build_report(sequence=9), device_id=2)
    await pool.execute("DELETE FROM report WHERE sequence = 2")
    rows = await tables.reports(
        [
            Stretch(0, 0, Run(1, 1, 1, 3)),
            Stretch(1, 0, Run(2, 1, 9, 9)),
            Stretch(1, 1, Run(3, 1, 1, 1)),
        ]
    )
    assert sorted((row[0], row[1], row[8]) for row in rows) == [(1, 1, 1), (1, 1, 3), (2, 2, 9)]


async def test_counts_are_added_and_marked(pool: asyncpg.Pool, tables: CountTables) -> None:
    """A second publication of the same keys goes on top; both are counted now."""
    await leave(pool, 2)
    first, second = [one.id for one in await tables.uncounted(10)]
    assert (await tables.add({first: some()}))[0] == 1
    added, sums = await tables.add({second: some(amount=2)})
    assert (added, sums.messages()) == (1, 6)
    assert await sms_avoided(pool) == {(DAY, 1, "tcp"): (3,) * 7}
    assert list((await report_count(pool)).values()) == [(3,)]
    assert await tables.uncounted(10) == []


async def test_tasks_have_a_row_without_transport(pool: asyncpg.Pool, tables: CountTables) -> None:
    """Once: nulls of the key are the same there."""
    await leave(pool, 2)
    for one in await tables.uncounted(10):
        counts = Counts()
        counts.sms[DAY, 1, None] = [0, 0, 0, 1, 2, 0, 0]
        await tables.add({one.id: counts})
    assert await sms_avoided(pool) == {(DAY, 1, None): (0, 0, 0, 2, 4, 0, 0)}


async def test_what_is_counted_is_not_added_again(pool: asyncpg.Pool, tables: CountTables) -> None:
    """Of two that calculated the same, the second adds what only it has."""
    await leave(pool, 2)
    first, second = [one.id for one in await tables.uncounted(10)]
    await tables.add({first: some(1)})
    added, sums = await tables.add({first: some(1), second: some(2)})
    assert (added, list(sums.sms)) == (1, [(DAY, 2, "tcp")])
    assert await sms_avoided(pool) == {(DAY, 1, "tcp"): (1,) * 7, (DAY, 2, "tcp"): (1,) * 7}


async def test_many_that_add_the_same_at_once(pool: asyncpg.Pool, tables: CountTables) -> None:
    """In whatever order: each publication counts once, and nobody waits in a circle."""
    await leave(pool, 200)
    ids = [one.id for one in await tables.uncounted(10_000)]
    parts = [ids[start:] + ids[:start] for start in (0, 50, 100, 150)] * 3
    added = await asyncio.gather(
        *(tables.add({one: some(one % 7) for one in part}) for part in parts)
    )
    while left := await tables.uncounted(10_000):
        added.append(await tables.add({one.id: some(one.id % 7) for one in left}))
    assert sum(count for count, _ in added) == 200
    assert sum(figures[0] for figures in (await sms_avoided(pool)).values()) == 200


async def test_one_that_the_relay_is_changing_is_left(
    pool: asyncpg.Pool, tables: CountTables
) -> None:
    """Neither waits for the other; a later round counts it."""
    await leave(pool, 2)
    first, second = [one.id for one in await tables.uncounted(10)]
    async with pool.acquire() as relay, relay.transaction():
        await relay.execute("UPDATE publication SET position = 1 WHERE id = $1", first)
        assert (await tables.add({first: some(1), second: some(2)}))[0] == 1
    assert [one.id for one in await tables.uncounted(10)] == [first]


async def test_nothing_is_marked_when_adding_fails(pool: asyncpg.Pool, tables: CountTables) -> None:
    """One transaction: sums and marks, or neither."""
    await leave(pool, 1)
    (one,) = await tables.uncounted(10)
    counts = some()
    counts.reports[DAY, 2**40, "event", "ordinary", "tcp", True] = 1
    with pytest.raises(asyncpg.DataError):
        await tables.add({one.id: counts})
    assert await sms_avoided(pool) == {}
    assert await tables.uncounted(10) == [one]


async def test_changes_of_tasks(pool: asyncpg.Pool, database_dsn: str, tables: CountTables) -> None:
    """The first sending and each answer, in time and late; neither notes nor another sending."""
    await register(database_dsn)
    tasks = Tasks(pool, retry_seconds=0)
    await tasks.settle([build_request("a")])
    for installation in (1, 2):  # the second is that of a handset that was wiped
        await tasks.claim_due([(1, installation)])
        await tasks.settle([noted(1, installation=installation)])
    await tasks.settle([answered(1, Answer.EXISTS, installation=2)])
    await tasks.settle([answered(1, Answer.ABSENT, installation=2)])
    ids = [i for one in await tables.uncounted(100) for i in one.task_change_ids]
    changes = await tables.task_changes(ids)
    assert len(ids) > len(changes)
    told = {(c["is_first_sending"], c["answer"]) for c in changes}
    assert told == {(True, None), (False, "exists"), (False, "absent")}
    assert len(changes) == 3
    assert {(c["device"], c["kind"], c["task"]) for c in changes} == {(1, "verify", 1)}


async def test_waiting(pool: asyncpg.Pool, tables: CountTables) -> None:
    """Publications and their reports."""
    assert await tables.waiting() == Waiting(0, 0)
    await leave(pool, 2, reports=10)
    assert await tables.waiting() == Waiting(2, 20)
