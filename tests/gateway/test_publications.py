"""SQL of the relay and of who is online, on a real database."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec
import pytest
import pytest_asyncio

from gateway.parcel import Parcel, Transport
from gateway.protocol.report import Report, Urgency
from gateway.publications import TAKEN_AT_ONCE, Publications, RelayState
from gateway.runs import portions, stretches
from gateway.store import PostgresStore, open_pool
from gateway.store_errors import StoreUnavailableError
from tests.helpers.builders import build_report, build_reports
from tests.helpers.fault_proxy import fault_proxy

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def pool(database_dsn: str) -> AsyncIterator[asyncpg.Pool]:
    """Connections to a database of the test's own."""
    pool = await open_pool(database_dsn, size=6)
    yield pool
    pool.terminate()


@pytest.fixture
def publications(pool: asyncpg.Pool) -> Publications:
    """Under test."""
    return Publications(pool)


async def store(pool: asyncpg.Pool, *reports: Report, device_id: int = 1) -> None:
    """Store reports in one transaction, which leaves one publication."""
    parcel = Parcel(device_id, 1, Transport.TCP, b"", list(reports))
    await PostgresStore(pool, gateway="test").write([parcel])


async def leave(pool: asyncpg.Pool, count: int, **columns: int) -> None:
    """Leave publications without reports in the table, with these columns."""
    names = "".join(f", {name}" for name in columns)
    values = "".join(f", {value}" for value in columns.values())
    await pool.execute(
        f"INSERT INTO publication (stored_at{names})"
        f" SELECT now(){values} FROM generate_series(1, {count})"
    )


async def positions(pool: asyncpg.Pool) -> list[tuple[Any, ...]]:
    """Id and position of each publication, in order of id."""
    return [tuple(r) for r in await pool.fetch("SELECT id, position FROM publication ORDER BY id")]


async def test_a_database_has_one_name(publications: Publications) -> None:
    """The same at each look."""
    source = await publications.source()
    assert source.startswith("/field-gateway/")
    assert await publications.source() == source


async def test_numbering_is_in_order_of_id_and_happens_once(
    pool: asyncpg.Pool, publications: Publications
) -> None:
    """What has a position keeps it; the next get the next."""
    await leave(pool, 3)
    await publications.number()
    await leave(pool, 2)
    await publications.number()
    await publications.number()
    assert await positions(pool) == [(n, n) for n in range(1, 6)]


async def test_numbering_at_the_same_time(pool: asyncpg.Pool, publications: Publications) -> None:
    """Relays that overlap for a moment give each publication one position, in order."""
    await leave(pool, 500)
    await asyncio.gather(*(publications.number() for _ in range(6)))
    numbered = await positions(pool)
    assert [row[0] for row in sorted(numbered, key=lambda row: row[1])] == list(range(1, 501))
    assert len({position for _, position in numbered}) == 500


async def test_numbering_waits_for_another_that_is_not_done(
    pool: asyncpg.Pool, publications: Publications
) -> None:
    """Else later ones would be seen, and published, before those of the other."""
    await leave(pool, 2)
    async with pool.acquire() as other:
        transaction = other.transaction()
        await transaction.start()
        await other.execute("UPDATE publication SET position = nextval('publication_position')")
        await leave(pool, 1)
        async with asyncio.TaskGroup() as tasks:
            numbering = tasks.create_task(publications.number())
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            async with asyncio.timeout(10):
                while not await pool.fetchval(waiting):  # noqa: ASYNC110 -- a fact of the server
                    await asyncio.sleep(0.01)
            assert await publications.undelivered(10) == []
            assert not numbering.done()
            await transaction.commit()
    assert await positions(pool) == [(1, 1), (2, 2), (3, 3)]


async def test_a_transaction_that_is_not_committed_is_not_seen(
    pool: asyncpg.Pool, publications: Publications
) -> None:
    """It gets a later position when it is, however low its id."""
    async with pool.acquire() as slow:
        transaction = slow.transaction()
        await transaction.start()
        await slow.execute("INSERT INTO publication DEFAULT VALUES")
        await leave(pool, 1)
        await publications.number()
        assert [p.position for p in await publications.undelivered(10)] == [1]
        await transaction.commit()
    await publications.number()
    assert await positions(pool) == [(1, 2), (2, 1)]


@pytest.mark.parametrize("most, taken", [(1, 1), (9, 1), (10, 1), (11, 2), (20, 2), (21, 3)])
async def test_a_round_ends_at_its_limit_of_reports(
    pool: asyncpg.Pool, publications: Publications, most: int, taken: int
) -> None:
    """What begins below the limit is taken whole, and always one."""
    await leave(pool, 4, reports=10)
    await publications.number()
    found = await publications.undelivered(most)
    assert [p.position for p in found] == list(range(1, taken + 1))


async def test_a_round_ends_at_its_limit_of_publications(
    pool: asyncpg.Pool, publications: Publications
) -> None:
    """Those without a report count too."""
    await leave(pool, TAKEN_AT_ONCE + 1, emergencies=1)
    assert await publications.undelivered(1_000) == []
    await publications.number()
    assert len(await publications.undelivered(1_000)) == TAKEN_AT_ONCE
    assert len(await publications.unhurried()) == TAKEN_AT_ONCE


async def test_what_a_publication_holds(pool: asyncpg.Pool, publications: Publications) -> None:
    """Runs, and the ids of what is no report."""
    await pool.execute(
        "INSERT INTO publication (reports, device_id, installation, first_sequence, last_sequence,"
        " quarantine_id, task_change_id, task_verdict_id, budget_warning_id) VALUES"
        " (3, '{1,2}', '{1,1}', '{5,9}', '{6,9}', '{7}', '{8,9}', '{10}', '{11}')"
    )
    await leave(pool, 1)
    await publications.number()
    found, empty = await publications.undelivered(10)
    assert [(r.device_id, r.first, r.last) for r in found.runs] == [(1, 5, 6), (2, 9, 9)]
    assert (found.quarantine_ids, found.task_change_ids, found.task_verdict_ids) == (
        [7],
        [8, 9],
        [10],
    )
    assert found.budget_warning_ids == [11]
    assert found.holds_more_than_reports
    assert (empty.runs, empty.reports, empty.holds_more_than_reports) == ([], 0, False)


@pytest.mark.parametrize("most", [1, 3, 4, 100])
async def test_each_report_has_its_place(
    pool: asyncpg.Pool, publications: Publications, most: int
) -> None:
    """Position and index are those of the publication, however its runs are divided."""
    await store(pool, *build_reports(5), *build_reports(4, 10))
    await store(pool, *build_reports(2), device_id=2)
    await publications.number()
    found = await publications.undelivered(100)
    whole = [stretch for p in found for stretch in stretches(p.position, p.runs)]
    rows = [row for portion in portions(whole, most) for row in await publications.reports(portion)]
    assert [
        (position, index, row["device_id"], row["sequence"]) for position, index, row in rows
    ] == [
        *(
            (1, index, 1, sequence)
            for index, sequence in enumerate([1, 2, 3, 4, 5, 10, 11, 12, 13])
        ),
        *((2, index, 2, sequence) for index, sequence in enumerate([1, 2])),
    ]


async def test_only_emergencies(pool: asyncpg.Pool, publications: Publications) -> None:
    """They keep the places that they have among the others."""
    urgent = build_report(sequence=2, urgency=Urgency.EMERGENCY)
    await store(pool, build_report(sequence=1), urgent, build_report(sequence=3))
    await publications.number()
    (publication,) = await publications.unhurried()
    of_it = list(stretches(publication.position, publication.runs))
    rows = await publications.reports(of_it, only_emergencies=True)
    assert [(position, index, row["urgency"]) for position, index, row in rows] == [
        (1, 1, "emergency")
    ]


async def test_reports_that_are_gone_move_no_other(
    pool: asyncpg.Pool, publications: Publications
) -> None:
    """Rows that somebody deleted are left out; no reports at all is no error."""
    await store(pool, *build_reports(3))
    await pool.execute("DELETE FROM report WHERE sequence = 2")
    await publications.number()
    (publication,) = await publications.undelivered(10)
    rows = await publications.reports(list(stretches(1, publication.runs)))
    assert [index for _, index, _ in rows] == [0, 2]
    assert await publications.reports([]) == []


async def test_hurried_and_delivered(pool: asyncpg.Pool, publications: Publications) -> None:
    """Each takes a publication out of its own list, and the first moment stays."""
    await leave(pool, 2, emergencies=1)
    await publications.number()
    await publications.hurried([1])
    assert [p.position for p in await publications.unhurried()] == [2]
    assert [p.position for p in await publications.undelivered(10)] == [1, 2]
    await publications.delivered([1, 2])
    assert await publications.undelivered(10) == []
    moments = "SELECT hurried_at, delivered_at FROM publication WHERE position = 1"
    before = await pool.fetchrow(moments)
    await publications.hurried([1])
    await publications.delivered([1])
    assert await pool.fetchrow(moments) == before


async def test_emergencies_alone_are_numbered_and_given_at_once(
    pool: asyncpg.Pool, publications: Publications
) -> None:
    """Those just committed and those that were left; not what came with other reports."""
    urgent = build_report(sequence=1, urgency=Urgency.EMERGENCY)
    await store(pool, urgent)
    assert [p.position for p in await publications.number_unhurried()] == [1]
    also = build_report(sequence=2, urgency=Urgency.EMERGENCY)
    await store(pool, also, build_report(sequence=3))
    await store(pool, msgspec.structs.replace(urgent, sequence=4))
    assert [p.position for p in await publications.number_unhurried()] == [1, 3]
    assert [p.position for p in await publications.unhurried()] == [2]
    await publications.hurried([1, 3])
    assert await publications.number_unhurried() == []


async def test_again(pool: asyncpg.Pool, publications: Publications) -> None:
    """What was stored since then is published once more, in its old place; what waits is let be."""
    await leave(pool, 3, emergencies=1)
    await publications.number()
    await publications.hurried([1, 2, 3])
    await publications.delivered([1, 2])
    await pool.execute("UPDATE publication SET stored_at = '2008-01-01' WHERE position = 1")
    assert await publications.again(datetime(2008, 1, 2, tzinfo=UTC)) == 1
    assert [p.position for p in await publications.undelivered(10)] == [2, 3]
    assert await publications.unhurried() == []  # what was an emergency then is none now


async def test_forget(pool: asyncpg.Pool, publications: Publications) -> None:
    """Only what was delivered, long enough ago, emergencies included."""
    await leave(pool, 4)
    await leave(pool, 1, emergencies=1)
    await publications.number()
    await publications.delivered([1, 2, 3, 5])
    for position, days in ((1, 31), (2, 29), (5, 31)):
        await pool.execute(
            "UPDATE publication SET delivered_at = now() - $2::interval WHERE position = $1",
            position,
            timedelta(days=days),
        )
    await publications.forget(timedelta(days=30), only_counted=False)
    assert [row[0] for row in await positions(pool)] == [2, 3, 4, 5]
    await publications.hurried([5])
    await publications.forget(timedelta(days=30), only_counted=False)
    assert [row[0] for row in await positions(pool)] == [2, 3, 4]


async def test_what_is_not_counted_is_kept(pool: asyncpg.Pool, publications: Publications) -> None:
    """Where reports are counted: else those of a counter that stood still would never be."""
    await leave(pool, 2)
    await publications.number()
    await publications.delivered([1, 2])
    await pool.execute(
        "UPDATE publication SET delivered_at = now() - interval '31 days', is_counted = id = 1"
    )
    await publications.forget(timedelta(days=30), only_counted=True)
    assert [row[0] for row in await positions(pool)] == [2]
    await publications.forget(timedelta(days=30), only_counted=False)
    assert await positions(pool) == []


async def test_state(pool: asyncpg.Pool, publications: Publications) -> None:
    """What waits, numbered or not, and the age of the oldest."""
    assert await publications.state() == RelayState(0, 0, 0)
    await leave(pool, 2, reports=10)
    await pool.execute("UPDATE publication SET stored_at = now() - interval '1 hour' WHERE id = 1")
    state = await publications.state()
    assert (state.publications_waiting, state.reports_waiting) == (2, 20)
    assert 3_600 <= state.lag_seconds < 3_660
    await publications.number()
    await publications.delivered([1])
    state = await publications.state()
    assert (state.publications_waiting, state.reports_waiting) == (1, 10)
    assert 0 <= state.lag_seconds < 60


# Who is online.


async def online(pool: asyncpg.Pool) -> list[tuple[Any, ...]]:
    """Device, session and gateway of all that are noted."""
    rows = await pool.fetch("SELECT device_id, session, gateway FROM presence ORDER BY 1")
    return [tuple(row) for row in rows]


async def test_devices_come_and_go(pool: asyncpg.Pool, publications: Publications) -> None:
    """Each time with a higher sequence."""
    came = await publications.came([(2, 20, 1, "tcp"), (1, 10, 7, "mqtt")], "a")
    assert [(r["device_id"], r["installation"], r["transport"]) for r in came] == [
        (1, 7, "mqtt"),
        (2, 1, "tcp"),
    ]
    left = await publications.left([(1, 10)])
    assert [(r["device_id"], r["transport"]) for r in left] == [(1, "mqtt")]
    assert await online(pool) == [(2, 20, "a")]
    sequences = [row["sequence"] for row in [*came, *left]]
    assert sequences == sorted(set(sequences))
    assert all(row["at"].tzinfo for row in [*came, *left])


async def test_noted_again_because_the_answer_was_lost(publications: Publications) -> None:
    """Coming is told again, with a higher sequence; going has nobody left to tell of."""
    first, second = [await publications.came([(1, 10, 1, "tcp")], "a") for _ in range(2)]
    assert second[0]["sequence"] > first[0]["sequence"]
    assert len(await publications.left([(1, 10)])) == 1
    assert await publications.left([(1, 10)]) == []


async def test_a_device_that_moved_to_another_gateway(
    pool: asyncpg.Pool, publications: Publications
) -> None:
    """The old gateway notices late, and may not say that it is gone; nor does its next start."""
    await publications.came([(1, 10, 1, "tcp"), (2, 20, 1, "tcp")], "a")
    await publications.came([(1, 11, 1, "tcp")], "b")
    assert await publications.left([(1, 10)]) == []
    assert [row["device_id"] for row in await publications.clear("a")] == [2]
    assert await online(pool) == [(1, 11, "b")]
    assert await publications.clear("a") == []


# A database that is away.


async def test_a_database_that_is_away(database_dsn: str) -> None:
    """The relay is told so, and a dead link is noticed."""
    async with fault_proxy(database_dsn) as proxy:
        pool = await open_pool(proxy.dsn(database_dsn), size=2, command_timeout_seconds=0.2)
        publications = Publications(pool)
        await publications.source()
        proxy.hang()
        with pytest.raises(StoreUnavailableError, match="TimeoutError"):
            await publications.source()
        proxy.flow()
        proxy.cut()
        with pytest.raises(StoreUnavailableError):
            await publications.source()
        proxy.flow()
        assert await publications.source()
        pool.terminate()


async def test_a_value_that_no_column_holds_is_no_outage(publications: Publications) -> None:
    """A fault of ours: trying again would never end."""
    with pytest.raises(asyncpg.DataError):
        await publications.hurried([2**63])
