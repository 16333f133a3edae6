"""What was metered, from a real database."""

from datetime import date

import asyncpg
import pytest

from gateway.cost.usage import OldMessages, Traffic, Usage
from gateway.metered import fetch_usage

pytestmark = pytest.mark.asyncio

FIRST, LAST = date(2026, 11, 1), date(2026, 11, 30)

METERED = """
INSERT INTO traffic (
    device_id, bytes_up, bytes_down, night_bytes, kib, night_kib, connections, day, transport
) VALUES
    (1, 10, 20, 30, 40, 50, 60, '2026-11-01', 'tcp'),
    (1, 1, 0, 0, 0, 0, 0, '2026-11-30', 'mqtt'),
    (1, 2, 0, 0, 0, 0, 0, '2026-10-31', 'tcp'),
    (1, 3, 0, 0, 0, 0, 0, '2026-12-01', 'tcp');
INSERT INTO sms_avoided (
    device_id, reports, report_segments, confirmation_segments, tasks, task_segments, answers,
    answer_segments, day, transport
) VALUES
    (1, 1, 2, 3, 4, 5, 6, 7, '2026-11-01', 'tcp'),
    (2, 0, 0, 0, 1, 2, 0, 0, '2026-11-02', NULL),
    (2, 9, 9, 9, 0, 0, 0, 0, '2026-12-01', 'tcp');
INSERT INTO device (id, street_code, stored_key, gateway_key)
    VALUES (1, 440307003, decode(repeat('00', 16), 'hex'), decode(repeat('00', 16), 'hex'));
"""


async def test_usage_of_a_period(database_dsn: str) -> None:
    """Both ends belong to it. Traffic and messages of a day, device and transport stand together;
    what only one table has is there with zeros for the other.
    """
    connection = await asyncpg.connect(database_dsn)
    await connection.execute(METERED)
    assert await fetch_usage(connection, FIRST, LAST) == [
        Usage(
            day=FIRST,
            device=1,
            transport="tcp",
            street=440307003,
            traffic=Traffic(10, 20, 30, 40, 50, 60),
            sms=OldMessages(1, 2, 3, 4, 5, 6, 7),
        ),
        Usage(
            day=date(2026, 11, 2),
            device=2,
            transport=None,
            street=None,
            sms=OldMessages(tasks=1, task_segments=2),
        ),
        Usage(day=LAST, device=1, transport="mqtt", street=440307003, traffic=Traffic(bytes_up=1)),
    ]
    await connection.close()


async def test_nothing_metered(database_dsn: str) -> None:
    """No rows."""
    connection = await asyncpg.connect(database_dsn)
    assert await fetch_usage(connection, FIRST, LAST) == []
    await connection.close()
