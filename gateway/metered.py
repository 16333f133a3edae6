"""Reads what was metered from the database."""

from datetime import date

import asyncpg

from gateway.cost.usage import OldMessages, Traffic, Usage
from gateway.queries import load_queries

_QUERIES = load_queries("cost.sql")


async def fetch_usage(
    connection: asyncpg.Connection | asyncpg.Pool, first: date, last: date
) -> list[Usage]:
    """What was metered from one day to another, both included: one for each day, device and
    transport, in this order.

    Read a day at a time. All rows of a month would hold the event loop for long, and with 100,000
    devices take longer than a statement may.
    """
    usages: list[Usage] = []
    for row in await connection.fetch(_QUERIES["metered_days"], first, last):
        usages += await _fetch_day(connection, row["day"])
    return usages


async def _fetch_day(connection: asyncpg.Connection | asyncpg.Pool, day: date) -> list[Usage]:
    rows = await connection.fetch(_QUERIES["usage"], day)
    return [
        Usage(
            day=row["day"],
            device=row["device_id"],
            transport=row["transport"],
            street=row["street_code"],
            traffic=Traffic(**{name: row[name] for name in Traffic.__struct_fields__}),
            sms=OldMessages(**{name: row[name] for name in OldMessages.__struct_fields__}),
        )
        for row in rows
    ]
