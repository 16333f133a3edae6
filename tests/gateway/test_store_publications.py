"""What the store leaves to be published: one row a transaction, true of what was stored in it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from gateway import store as module
from gateway.handlers.outcome import Rejected
from gateway.leadership import CHANNEL
from gateway.protocol.errors import RefusalCode
from gateway.protocol.report import Report, Urgency
from gateway.store import PostgresStore, open_pool
from gateway.store_errors import StoreUnavailableError
from tests.helpers.builders import build_report, build_reports, build_track
from tests.helpers.store_contract import DEVICE, INSTALLATION, parcel_of
from tests.helpers.tcp_gateway import until

pytestmark = pytest.mark.asyncio

Publication = tuple[int, int, list[tuple[int, int, int, int]], list[int]]
"""Reports, emergencies, runs, ids in quarantine."""


@pytest_asyncio.fixture
async def pool(database_dsn: str) -> AsyncIterator[asyncpg.Pool]:
    """Connections to a database of the test's own."""
    pool = await open_pool(database_dsn, size=4)
    yield pool
    pool.terminate()


@pytest.fixture
def store(pool: asyncpg.Pool) -> PostgresStore:
    """Without memory of what was committed: the database alone decides."""
    return PostgresStore(pool, gateway="test", remembered_reports=0)


async def left(pool: asyncpg.Pool) -> list[Publication]:
    """What is to be published, in order."""
    rows = await pool.fetch("SELECT * FROM publication ORDER BY id")
    return [
        (
            row["reports"],
            row["emergencies"],
            list(
                zip(
                    row["device_id"],
                    row["installation"],
                    row["first_sequence"],
                    row["last_sequence"],
                    strict=True,
                )
            ),
            row["quarantine_id"],
        )
        for row in rows
    ]


def run(first: int, last: int, device: int = DEVICE) -> tuple[int, int, int, int]:
    """A run of the contract's installation."""
    return (device, INSTALLATION, first, last)


async def test_one_row_for_a_transaction(pool: asyncpg.Pool, store: PostgresStore) -> None:
    """Its reports as runs in order of key, whatever the order of the parcels."""
    await store.write(
        [
            parcel_of(*build_reports(3, 10)),
            parcel_of(*build_reports(2), device_id=2),
            parcel_of(*build_reports(4)),
            parcel_of(*build_reports(1, 13)),
        ]
    )
    assert await left(pool) == [(10, 0, [run(1, 2, 2), run(1, 4), run(10, 13)], [])]


async def test_duplicates_are_not_published_again(pool: asyncpg.Pool, store: PostgresStore) -> None:
    """Neither those of an earlier transaction nor those within one; a batch of them leaves none."""
    reports = build_reports(5)
    await store.write([parcel_of(*reports[:3])])
    await store.write([parcel_of(*reports[:3]), parcel_of(*reports[:3])])
    assert len(await left(pool)) == 1
    await store.write([parcel_of(*reports), parcel_of(*reports)])
    assert (await left(pool))[1:] == [(2, 0, [run(4, 5)], [])]


async def test_what_is_remembered_is_not_published_again(pool: asyncpg.Pool) -> None:
    """The short cut past the database says the same."""
    store = PostgresStore(pool, gateway="test")
    for _ in range(2):
        await store.write([parcel_of(*build_reports(3))])
    assert await left(pool) == [(3, 0, [run(1, 3)], [])]


@pytest.mark.parametrize(
    "bad", [{"description": "a\0b"}, {"sequence": 0}], ids=["encoder", "table"]
)
async def test_neighbours_of_a_row_that_is_refused(
    pool: asyncpg.Pool, store: PostgresStore, bad: dict[str, Any]
) -> None:
    """It is published as quarantined, they as stored: also when the batch had to be halved."""
    refused = build_report(**{"sequence": 4, **bad})
    await store.write([parcel_of(*build_reports(3), refused, *build_reports(3, 5))])
    quarantined = [row["id"] for row in await pool.fetch("SELECT id FROM quarantine")]
    assert len(quarantined) == 1
    assert await left(pool) == [(6, 0, [run(1, 3), run(5, 7)], quarantined)]


async def test_a_conflict(pool: asyncpg.Pool, store: PostgresStore) -> None:
    """The first content was published; the second is one of quarantine, once."""
    await store.write([parcel_of(build_report(description="first"))])
    for _ in range(2):
        await store.write([parcel_of(build_report(description="second"), frame=b"second")])
    quarantined = [row["id"] for row in await pool.fetch("SELECT id FROM quarantine")]
    assert await left(pool) == [(1, 0, [run(1, 1)], []), (0, 0, [], quarantined)]


async def test_only_new_rows_of_quarantine(pool: asyncpg.Pool, store: PostgresStore) -> None:
    """What comes again is told to the device again, and to no subscriber."""
    bad = [Rejected(number, RefusalCode.UNKNOWN_CLASS, "") for number in (1, 2)]
    await store.write([parcel_of(rejected=bad)])
    await store.write([parcel_of(rejected=[*bad, Rejected(3, RefusalCode.UNKNOWN_CLASS, "")])])
    ids = {
        row["id"]: row["sequence"]
        for row in await pool.fetch("SELECT id, sequence FROM quarantine")
    }
    published = [[ids[number] for number in quarantined] for *_, quarantined in await left(pool)]
    assert published == [[1, 2], [3]]


async def test_nothing_to_publish_leaves_nothing(pool: asyncpg.Pool, store: PostgresStore) -> None:
    """Tracks are not published; nor are counts of refusals, nor nothing."""
    await store.write([parcel_of(tracks=[build_track()])])
    await store.write([parcel_of()])
    store.count_refused(parcel_of().transport)
    await store.flush_ledger()
    assert await left(pool) == []


async def test_without_a_relay(pool: asyncpg.Pool) -> None:
    """`relay.enabled = false`: no table grows that nobody reads."""
    store = PostgresStore(pool, gateway="test", publishes=False)
    bad = [Rejected(9, RefusalCode.UNKNOWN_CLASS, "")]
    await store.write([parcel_of(*build_reports(3), rejected=bad)])
    assert await left(pool) == []


async def test_what_is_not_committed_is_not_published(
    pool: asyncpg.Pool, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row goes with its transaction."""
    broken = {**module._QUERIES, "finish": "no SQL"}
    monkeypatch.setattr(module, "_QUERIES", broken)
    with pytest.raises(StoreUnavailableError):
        await store.write([parcel_of(*build_reports(3))])
    assert await pool.fetchval("SELECT count(*) FROM report") == 0
    assert await left(pool) == []


def urgent(sequence: int) -> Report:
    """An emergency."""
    return build_report(sequence=sequence, urgency=Urgency.EMERGENCY)


async def test_an_emergency_wakes_the_relay(
    pool: asyncpg.Pool, store: PostgresStore, database_dsn: str
) -> None:
    """When it is committed, new and sent by itself; nothing else does."""
    listener = await asyncpg.connect(database_dsn)
    heard: list[None] = []
    await listener.add_listener(CHANNEL, lambda *_: heard.append(None))
    await store.write([parcel_of(*build_reports(3))])
    await store.write([parcel_of(urgent(4), build_report(sequence=5), urgent(6))])
    await store.write([parcel_of(urgent(4))])
    await store.write([parcel_of(urgent(7))])
    await until(lambda: len(heard) == 1)
    async with asyncio.timeout(10):
        await listener.execute("SELECT 1")
    assert len(heard) == 1
    assert [(reports, emergencies) for reports, emergencies, *_ in await left(pool)] == [
        (3, 0),
        (3, 2),
        (1, 1),
    ]
    await listener.close()
