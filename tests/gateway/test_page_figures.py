"""What the page reads from the database: the right figures, and never the whole of `report`."""

import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from gateway.cost.period import Period
from gateway.page_figures import NEW_EMERGENCIES_A_LOOK, FiguresReader, Ledger, OpenTasks
from gateway.page_scope import scope_of
from gateway.parcel import Parcel, Transport
from gateway.protocol.report import Report, Urgency
from gateway.queries import load_queries
from gateway.store import PostgresStore, open_pool
from tests.helpers.builders import NOW, build_report, build_reports
from tests.helpers.served_gateway import register

pytestmark = pytest.mark.asyncio

TODAY = datetime(2026, 11, 24, 4, tzinfo=UTC)
MONTH = scope_of(None, TODAY)
QUARTER = scope_of(Period(date(2008, 1, 1), date(2008, 3, 31)), TODAY)


@pytest_asyncio.fixture
async def pool(database_dsn: str) -> AsyncIterator[asyncpg.Pool]:
    """Connections to a database of the test's own."""
    pool = await open_pool(database_dsn, size=3)
    yield pool
    pool.terminate()


@pytest.fixture
def reader(pool: asyncpg.Pool) -> FiguresReader:
    """Under test, in the gateway `here`."""
    return FiguresReader(pool, "here")


async def store(pool: asyncpg.Pool, *reports: Report, device: int = 1, gateway: str = "a") -> None:
    """Store reports in one transaction."""
    parcel = Parcel(device, 1, Transport.TCP, b"", list(reports))
    await PostgresStore(pool, gateway=gateway).write([parcel])


def keys(reports: list[Any]) -> list[tuple[int, int]]:
    """Device and sequence of each."""
    return [(report.device, report.sequence) for report in reports]


async def test_a_database_without_anything(reader: FiguresReader) -> None:
    """Zeros, all streets, and empty lists."""
    quick, slow = await reader.quick(MONTH), await reader.slow(MONTH)
    assert quick == {
        "stored_today": 0, "ledger": Ledger(), "devices_online": 0, "newest": [], "emergencies": [],
    }  # fmt: skip
    assert (slow["counted"], slow["uncounted"], slow["devices_registered"]) == (0, 0, 0)
    assert slow["tasks"] == OpenTasks()
    assert len(slow["streets"]) == 13
    pinghu = slow["streets"][0]
    assert (pinghu.code, pinghu.name, pinghu.collection) == (440307003, "平湖街道", "market")
    assert (pinghu.lat, pinghu.lon) == (22.656, 114.151)


async def insert_ledger(pool: asyncpg.Pool, day: date, gateway: str, stored: int) -> None:
    """A day of a gateway: all kinds of outcome, each another number."""
    await pool.execute(
        "INSERT INTO ledger (day, gateway, lane, transport, received, stored, duplicate,"
        " quarantined, refused) VALUES ($1, $2, 0, 'tcp', $3 + 60, $3, 10, 20, 30)",
        day,
        gateway,
        stored,
    )


async def test_the_ledger_is_of_all_gateways_and_of_this_month(
    pool: asyncpg.Pool, reader: FiguresReader
) -> None:
    """From its first day on; a simulation's is of all days. Today is told by itself."""
    await insert_ledger(pool, date(2026, 10, 31), "a", 1_000)
    await insert_ledger(pool, date(2026, 11, 1), "a", 200)
    await insert_ledger(pool, date(2026, 11, 24), "a", 30)
    await insert_ledger(pool, date(2026, 11, 24), "b", 4)
    quick = await reader.quick(MONTH)
    assert quick["ledger"] == Ledger(234 + 180, 234, 30, 60, 90)
    assert quick["stored_today"] == 34
    assert (await reader.quick(QUARTER))["ledger"].stored == 1_234


async def test_the_newest_first(pool: asyncpg.Pool, reader: FiguresReader) -> None:
    """With the names of street and class, and the text as it is."""
    await store(pool, build_report(sequence=1))
    await store(pool, build_report(sequence=1, description="<b>粗</b>"), device=2)
    newest = (await reader.quick(MONTH))["newest"]
    assert keys(newest) == [(2, 1), (1, 1)]
    first = newest[0]
    assert (first.street, first.class_name, first.urgency, first.kind, first.description) == (
        "平湖街道", "占道广告牌", "ordinary", "event", "<b>粗</b>",
    )  # fmt: skip
    assert first.observed_at == datetime.fromtimestamp(NOW - 60, UTC)


async def test_unknown_codes_have_no_name(pool: asyncpg.Pool, reader: FiguresReader) -> None:
    """They are shown by their numbers, not left out."""
    await store(pool, build_report(class_code=9_999, grid=99_999_900_000_000))
    (only,) = (await reader.quick(MONTH))["newest"]
    assert (only.street, only.class_name) == ("", "")
    assert (only.street_code, only.class_code) == (999_999_000, 9_999)


async def test_of_a_backlog_the_last_four(pool: asyncpg.Pool, reader: FiguresReader) -> None:
    """A device that comes back with much does not fill the list."""
    await store(pool, build_report(sequence=1), device=2)
    await store(pool, *build_reports(100))
    newest = (await reader.quick(MONTH))["newest"]
    assert keys(newest) == [(1, 100), (1, 99), (1, 98), (1, 97), (2, 1)]


async def test_of_a_storm_a_few_devices_from_everywhere(
    pool: asyncpg.Pool, reader: FiguresReader
) -> None:
    """A transaction of a thousand devices is not read whole."""
    parcels = [
        Parcel(device, 1, Transport.TCP, b"", [build_report(observed_at=NOW - 9_999 + device)])
        for device in range(1, 1_001)
    ]
    await PostgresStore(pool, gateway="a").write(parcels)
    devices = [report.device for report in (await reader.quick(MONTH))["newest"]]
    assert devices == list(range(925, 0, -84))


async def test_emergencies(pool: asyncpg.Pool, reader: FiguresReader) -> None:
    """Those alone, out of large transactions too; what was found before stays without a search."""
    emergency = {"urgency": Urgency.EMERGENCY}
    backlog = build_reports(50)
    backlog[20] = build_report(sequence=21, **emergency)
    await store(pool, *backlog)
    await store(pool, build_report(sequence=1, **emergency), device=2)
    await store(pool, build_report(sequence=2), device=2)
    found = (await reader.quick(MONTH))["emergencies"]
    assert keys(found) == [(2, 1), (1, 21)]
    assert {report.urgency for report in found} == {"emergency"}
    await pool.execute("TRUNCATE report")
    assert (await reader.quick(MONTH))["emergencies"] == found


async def test_only_some_transactions_are_searched_at_a_time(
    pool: asyncpg.Pool, reader: FiguresReader
) -> None:
    """The newest first, the others at the next looks; what is too old is forgotten."""
    for device in range(1, 15):
        await store(pool, build_report(urgency=Urgency.EMERGENCY), device=device)
    for looks in range(1, 5):
        found = keys((await reader.quick(MONTH))["emergencies"])
        assert found == [(d, 1) for d in range(14, 14 - NEW_EMERGENCIES_A_LOOK * looks, -1)]
    await store(pool, build_report(urgency=Urgency.EMERGENCY), device=15)
    found = keys((await reader.quick(MONTH))["emergencies"])
    assert found == [(d, 1) for d in range(15, 3, -1)]
    assert len(reader._emergencies) == 12


async def count_reports(
    pool: asyncpg.Pool, day: date, reports: int, street: int = 440307003, urgency: str = "ordinary"
) -> None:
    """Add to the table of reports by street and day."""
    await pool.execute(
        "INSERT INTO report_count VALUES ($1, $2, $3, 'event', $4, 'tcp', true)",
        reports, street, day, urgency,
    )  # fmt: skip


async def test_streets_in_the_period(pool: asyncpg.Pool, reader: FiguresReader) -> None:
    """Both ends belong to it; reports from nowhere are counted, but stand on no map."""
    first, last = QUARTER.period.first, QUARTER.period.last
    await count_reports(pool, first, 1)
    await count_reports(pool, last, 20)
    await count_reports(pool, last, 300, urgency="emergency")
    await count_reports(pool, date(2008, 4, 1), 4_000)
    await count_reports(pool, date(2007, 12, 31), 50_000)
    await count_reports(pool, last, 7, street=999_999_999)
    slow = await reader.slow(QUARTER)
    assert {s.code: (s.reports, s.emergencies) for s in slow["streets"] if s.reports} == {
        440307003: (321, 300)
    }
    assert slow["counted"] == 328


async def test_what_is_still_to_be_counted(pool: asyncpg.Pool, reader: FiguresReader) -> None:
    """Reports of transactions that nobody has counted."""
    await store(pool, *build_reports(5))
    await store(pool, *build_reports(7), device=2)
    assert (await reader.slow(MONTH))["uncounted"] == 12
    await pool.execute("UPDATE publication SET is_counted = true WHERE reports = 5")
    assert (await reader.slow(MONTH))["uncounted"] == 7


async def test_devices(pool: asyncpg.Pool, database_dsn: str, reader: FiguresReader) -> None:
    """Online at other gateways, because who is here is known without; registered, if admitted."""
    await pool.execute(
        "INSERT INTO presence (device_id, session, installation, transport, gateway)"
        " VALUES (1, 1, 1, 'tcp', 'here'), (2, 1, 1, 'tcp', 'there'), (3, 1, 1, 'mqtt', 'there')"
    )
    await register(database_dsn, range(1, 6))
    await pool.execute("UPDATE device SET revoked_at = now() WHERE id = 5")
    assert (await reader.quick(MONTH))["devices_online"] == 2
    assert (await reader.slow(MONTH))["devices_registered"] == 4


async def test_open_tasks(pool: asyncpg.Pool, database_dsn: str, reader: FiguresReader) -> None:
    """By state; what is over does not count, even if its end is still to be sent."""
    await register(database_dsn, range(1, 5))
    await pool.execute(
        "INSERT INTO task_request (id, kind, text, case_number, expires_at, pictures)"
        " VALUES ('r', 'verify', 't', '', now() + interval '1 day', '{}')"
    )
    await pool.execute(
        "INSERT INTO task (device_id, request, kind, expires_at, next_try_at)"
        " SELECT id, 'r', 'verify', now() + interval '1 day', now() FROM device"
    )
    for device, states in {2: ["sent"], 3: ["sent", "received"], 4: ["cancelled"]}.items():
        for state in states:
            await pool.execute(
                f"UPDATE task SET state = '{state}', sent_at = now() WHERE device_id = {device}"
            )
    assert (await reader.slow(MONTH))["tasks"] == OpenTasks(queued=1, sent=1, received=1)


# What it costs.

FILL = """
INSERT INTO report SELECT
    n / 500 + 1, 44030700300101, now(), now(), 1, n % 500 + 1, 203, 440307003, 1, 1, 1, 'event',
    'ordinary', 'routine', 'tcp', 1, 0, null, false, repeat('x', 60)
FROM generate_series(0, 59999) AS n;
INSERT INTO publication
    (reports, emergencies, device_id, installation, first_sequence, last_sequence)
SELECT 20, n % 2, array[n / 25 + 1], '{1}', array[n % 25 * 20 + 1], array[n % 25 * 20 + 20]
FROM generate_series(0, 2999) AS n;
INSERT INTO task_request (id, kind, text, case_number, expires_at, pictures)
VALUES ('r', 'notice', 't', '', now() + interval '1 day', '{}');
INSERT INTO device (id, stored_key, gateway_key)
SELECT n, decode(repeat('00', 16), 'hex'), decode(repeat('00', 16), 'hex')
FROM generate_series(1, 5000) AS n;
INSERT INTO task (device_id, request, kind, expires_at, next_try_at)
SELECT n, 'r', 'notice', now() + interval '1 day', null FROM generate_series(1, 5000) AS n;
UPDATE task SET state = 'expired' WHERE number > 20;
INSERT INTO ledger (day, gateway, lane, transport)
SELECT date '2020-01-01' + n, 'a', 0, 'tcp' FROM generate_series(0, 2500) AS n;
INSERT INTO report_count
SELECT 1, street.code, date '2020-01-01' + n, 'event', 'ordinary', 'tcp', true
FROM street, generate_series(0, 2500) AS n;
"""
"""Enough that the planner has to choose."""

READ_WHOLE = {"presence", "device", "street", "class_code"}
"""Small tables that may be: a row for each device or code."""

ARGUMENTS: Mapping[str, tuple[object, ...]] = {
    "ledger": (MONTH.ledger_from, MONTH.today),
    "streets": (MONTH.period.first, MONTH.period.last),
    "emergencies": (1,),
    "online_elsewhere": ("here",),
}


def scans(plan: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Kind of scan and table, everywhere in a plan."""
    own = [(plan["Node Type"], plan["Relation Name"])] if "Relation Name" in plan else []
    return own + [scan for child in plan.get("Plans", []) for scan in scans(child)]


async def test_no_statement_reads_a_growing_table_whole(pool: asyncpg.Pool) -> None:
    """Each is planned by a database with many rows, as PostgreSQL does it after a few runs."""
    await pool.execute(FILL)
    await pool.execute("ANALYZE")
    queries = load_queries("page.sql")
    async with pool.acquire() as connection:
        await connection.set_type_codec(
            "json", encoder=json.dumps, decoder=json.loads, schema="pg_catalog"
        )
        for mode in ("force_custom_plan", "force_generic_plan"):
            await connection.execute(f"SET plan_cache_mode = {mode}")
            for name, query in queries.items():
                (explained,) = await connection.fetchval(
                    f"EXPLAIN (FORMAT JSON) {query}", *ARGUMENTS.get(name, ())
                )
                whole = {table for kind, table in scans(explained["Plan"]) if kind == "Seq Scan"}
                assert whole <= READ_WHOLE, (name, mode, whole)
