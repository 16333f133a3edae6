"""The day on which the table of devices has 100,000 rows: no query that a greeting or a bill waits
for reads the whole of it.
"""

import re
from collections.abc import AsyncIterator
from datetime import date
from typing import Final

import asyncpg
import pytest
import pytest_asyncio

from gateway import devices as devices_module
from gateway import metered as metered_module
from gateway.devices import Devices
from gateway.metered import fetch_usage
from gateway.store import open_pool

pytestmark = pytest.mark.asyncio

COUNT: Final = 100_000
DAY: Final = date(2026, 11, 1)

FILL: Final = f"""
INSERT INTO device (id, street_code, stored_key, gateway_key)
    SELECT id, 440307003, decode(repeat('01', 16), 'hex'), decode(repeat('02', 16), 'hex')
    FROM generate_series(1, {COUNT}) AS id;
INSERT INTO traffic (
    device_id, bytes_up, bytes_down, night_bytes, kib, night_kib, connections, day, transport
) SELECT id, 1000, 500, 0, 2, 0, 1, '{DAY}', 'tcp' FROM generate_series(1, {COUNT}) AS id;
ANALYZE device, traffic;
"""

_WHOLE_TABLE: Final = re.compile(r"Seq Scan on (device|traffic|sms_avoided)\b")


@pytest_asyncio.fixture
async def pool(database_dsn: str) -> AsyncIterator[asyncpg.Pool]:
    """Connections to a database with that many devices."""
    pool = await open_pool(database_dsn, size=4)
    await pool.execute(FILL)
    yield pool
    pool.terminate()


async def test_greetings(pool: asyncpg.Pool) -> None:
    """The few that greet are found by their keys."""
    found = await Devices(pool).lookup([(COUNT, 7, 0), (COUNT + 1, 7, 0)])
    assert {key: keys.stored_key for key, keys in found.items()} == {(COUNT, 7): b"\1" * 16}
    arguments = ([1, COUNT], [7, 7], [0, 0], 10, 10, 10)
    plan = await pool.fetch(f"EXPLAIN {devices_module._QUERIES['look_up']}", *arguments)
    text = "\n".join(line[0] for line in plan)
    assert "device_pkey" in text
    assert not _WHOLE_TABLE.search(text), text


async def test_a_bill(pool: asyncpg.Pool) -> None:
    """Its days are found without reading their rows, and read one by one."""
    query = metered_module._QUERIES["metered_days"]
    plan = await pool.fetch(f"EXPLAIN {query}", date(2026, 1, 1), date(2026, 12, 31))
    text = "\n".join(line[0] for line in plan)
    assert "traffic_pkey" in text
    assert not _WHOLE_TABLE.search(text), text
    usages = await fetch_usage(pool, date(1, 1, 1), date(9999, 12, 31))
    assert (len(usages), {usage.day for usage in usages}) == (COUNT, {DAY})
