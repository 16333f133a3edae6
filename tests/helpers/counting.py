"""Counts as the database holds them, beside a straight count over the reports themselves."""

from typing import Any

import asyncpg

from gateway.cost.old_texts import OldTexts, Templates
from gateway.protocol.report import Kind, Patrol, Report, Urgency

Counted = dict[tuple[Any, ...], tuple[int, ...]]

TEXTS = OldTexts(Templates())


async def sms_avoided(pool: asyncpg.Pool) -> Counted:
    """The rows of the table by day, device and transport."""
    rows = await pool.fetch(
        "SELECT day, device_id, transport::text, reports, report_segments, confirmation_segments,"
        " tasks, task_segments, answers, answer_segments FROM sms_avoided"
    )
    return {tuple(row)[:3]: tuple(row)[3:] for row in rows}


async def report_count(pool: asyncpg.Pool) -> Counted:
    """The rows of the table by day of observation, street, kind, urgency, transport, simple."""
    rows = await pool.fetch(
        "SELECT observed_on, street_code, kind::text, urgency::text, transport::text, simple,"
        " reports FROM report_count"
    )
    return {tuple(row)[:6]: tuple(row)[6:] for row in rows}


async def sms_of_reports(pool: asyncpg.Pool) -> Counted:
    """What `sms_avoided` must hold, from the reports one by one."""
    sums: dict[tuple[Any, ...], list[int]] = {}
    for row in await pool.fetch(
        "SELECT *, (stored_at AT TIME ZONE 'Asia/Shanghai')::date AS day FROM report"
    ):
        segments = TEXTS.of_report(_report(row))
        key = (row["day"], row["device_id"], row["transport"])
        own = sums.setdefault(key, [0] * 7)
        for place, amount in enumerate((1, segments.report, segments.confirmation)):
            own[place] += amount
    return {key: tuple(own) for key, own in sums.items()}


async def count_of_reports(pool: asyncpg.Pool) -> Counted:
    """What `report_count` must hold, as PostgreSQL counts it."""
    rows = await pool.fetch(
        "SELECT (observed_at AT TIME ZONE 'Asia/Shanghai')::date, street_code, kind::text,"
        " urgency::text, transport::text, simple, count(*) FROM report GROUP BY 1, 2, 3, 4, 5, 6"
    )
    return {tuple(row)[:6]: tuple(row)[6:] for row in rows}


async def assert_counted(pool: asyncpg.Pool, reports: int) -> None:
    """Every report is counted once, and there are so many."""
    assert await sms_avoided(pool) == await sms_of_reports(pool)
    assert await report_count(pool) == await count_of_reports(pool)
    assert await pool.fetchval("SELECT sum(reports)::int FROM report_count") == reports
    assert not await pool.fetchval("SELECT count(*) FROM publication WHERE NOT is_counted")


def _report(row: asyncpg.Record) -> Report:
    return Report(
        sequence=row["sequence"],
        edition=row["edition"],
        observed_at=int(row["observed_at"].timestamp()),
        kind=Kind[row["kind"].upper()],
        class_code=row["class_code"],
        urgency=Urgency[row["urgency"].upper()],
        simple=row["simple"],
        patrol=Patrol[row["patrol"].upper()],
        grid=row["grid"],
        lat_e5=row["lat_e5"],
        lon_e5=row["lon_e5"],
        accuracy_m=row["accuracy_m"],
        description=row["description"],
        pictures=row["pictures"],
        component=row["component"],
    )
