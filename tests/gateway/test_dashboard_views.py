"""The views that dashboards read: what they say, and what they do not read."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from tests.helpers.served_gateway import register

pytestmark = pytest.mark.asyncio

DAY = date(2026, 3, 2)


@pytest_asyncio.fixture
async def connection(database_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """Two devices of 平湖 and one of no street, which did something on two days."""
    await register(database_dsn)
    connection = await asyncpg.connect(database_dsn)
    await connection.execute("UPDATE device SET street_code = 440307003 WHERE id < 3")
    for number in range(2):
        day = DAY + timedelta(days=number)
        await connection.execute(
            "INSERT INTO traffic SELECT id, 1000 * id, 100 * id, 0, 2, 0, 1, $1, 'tcp' FROM device",
            day,
        )
        await connection.execute(
            "INSERT INTO sms_avoided (device_id, reports, report_segments, confirmation_segments,"
            " day, transport) SELECT id, 10, 21, 10, $1, 'tcp' FROM device",
            day,
        )
    await connection.execute(
        "INSERT INTO sms_avoided (device_id, tasks, task_segments, answers, answer_segments, day)"
        " VALUES (1, 2, 4, 1, 3, $1)",
        DAY,
    )
    await connection.execute(
        "INSERT INTO report_count VALUES (7, 440307003, $1, 'event', 'emergency', 'tcp', false),"
        " (5, 999999999, $1, 'component', 'ordinary', 'mqtt', true)",
        DAY,
    )
    yield connection
    await connection.close()


async def rows(connection: asyncpg.Connection, query: str) -> list[tuple[Any, ...]]:
    """What a query returns."""
    return [tuple(row) for row in await connection.fetch(query)]


async def test_usage_by_day_street_and_transport(connection: asyncpg.Connection) -> None:
    """Traffic and short messages side by side; tasks went over a transport that nobody noted."""
    found = await rows(
        connection,
        "SELECT street, collection, transport, bytes_up, bytes_down, connections, reports, tasks,"
        f" segments_up, segments_down FROM dashboard_usage WHERE day = '{DAY}' ORDER BY 1, 3",
    )
    assert found == [
        ("-", "-", "tcp", 3_000, 300, 1, 10, 0, 21, 10),
        ("平湖街道", "market", "tcp", 3_000, 300, 2, 20, 0, 42, 20),
        ("平湖街道", "market", None, 0, 0, 0, 0, 2, 3, 4),
    ]


async def test_a_report_of_an_unknown_street_is_shown(connection: asyncpg.Connection) -> None:
    """Under "-", so that sums are whole."""
    query = "SELECT street, collection, urgency, reports FROM dashboard_reports ORDER BY 1"
    assert await rows(connection, query) == [
        ("-", "-", "ordinary", 5),
        ("平湖街道", "market", "emergency", 7),
    ]


async def test_streets(connection: asyncpg.Connection) -> None:
    """All thirteen with their grids, and the one that is none."""
    query = "SELECT count(*), count(street_code), sum(grids)::int FROM dashboard_street"
    assert await rows(connection, query) == [(14, 13, 2_690)]


async def test_no_view_reads_reports(connection: asyncpg.Connection) -> None:
    """Neither the table, which has no index but its key, nor a view on it."""
    found = await rows(
        connection,
        "SELECT view_name, table_name FROM information_schema.view_table_usage"
        " WHERE view_name LIKE 'dashboard\\_%' AND table_name IN ('report', 'report_readable',"
        " 'quarter_by_collection', 'track')",
    )
    assert found == []


@pytest.mark.parametrize(
    "view, column, tables",
    [
        ("dashboard_usage", "day", ["traffic", "sms_avoided"]),
        ("dashboard_bill_by_day", "day", ["bill_by_day"]),
        ("dashboard_bill_by_street", "month", ["bill_by_street"]),
        ("dashboard_reports", "day", ["report_count"]),
    ],
)
async def test_days_are_found_by_index(
    connection: asyncpg.Connection, view: str, column: str, tables: list[str]
) -> None:
    """A dashboard of a week does not read the year: the planner may use the index, and does so
    where it has no other choice.
    """
    await connection.execute("SET enable_seqscan = off")
    query = f"EXPLAIN SELECT * FROM {view} WHERE {column} BETWEEN '2026-03-01' AND '2026-03-07'"
    plan = "\n".join(line for (line,) in await rows(connection, query))
    for table in tables:
        assert f"Seq Scan on {table}" not in plan
