"""The ledger closes, and no watermark leads what the rows say."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import asyncpg

from chaos.findings import Checked

_LEDGER: Final = """
SELECT day, gateway, lane, transport::text, received, stored, duplicate, quarantined, refused
FROM ledger
"""
_TABLES: Final = """
SELECT (SELECT count(*) FROM report) + (SELECT count(*) FROM track) AS stored,
    (SELECT count(*) FROM quarantine) AS quarantined
"""
_WATERMARKS: Final = """
SELECT device_id, installation, settled_through, (
    SELECT count(*) FROM (
        SELECT sequence FROM report AS r
        WHERE (r.device_id, r.installation) = (i.device_id, i.installation)
            AND sequence <= settled_through
        UNION
        SELECT sequence FROM track AS t
        WHERE (t.device_id, t.installation) = (i.device_id, i.installation)
            AND sequence <= settled_through
        UNION
        SELECT sequence FROM quarantine AS q
        WHERE (q.device_id, q.installation) = (i.device_id, i.installation)
            AND sequence <= settled_through
    ) AS numbers
) AS there
FROM installation AS i
"""


async def check_ledger(connection: asyncpg.Connection) -> Checked:
    """What the ledger says became of everything received, beside the tables."""
    rows = await connection.fetch(_LEDGER)
    tables = await connection.fetchrow(_TABLES)
    return ledger_findings(rows, tables["stored"], tables["quarantined"])


def ledger_findings(rows: Iterable[Mapping[str, Any]], stored: int, quarantined: int) -> Checked:
    """Each row closes; new rows by the ledger are the rows of the tables. What was repeated counts
    again in `quarantined`, so that is an upper bound of what the table holds.
    """
    checked = Checked("ledger")
    sums = dict.fromkeys(("received", "stored", "duplicate", "quarantined", "refused"), 0)
    for row in rows:
        parts = row["stored"] + row["duplicate"] + row["quarantined"] + row["refused"]
        if row["received"] != parts:
            where = f"{row['day']} {row['gateway']} lane {row['lane']} {row['transport']}"
            checked.found("does not close", f"{where}: {row['received']} received, {parts} known")
        for name in sums:
            sums[name] += row[name]
    if sums["stored"] != stored:
        checked.found("stored", f"{sums['stored']} by the ledger, {stored} in the tables")
    if sums["quarantined"] < quarantined:
        kept = sums["quarantined"]
        checked.found("quarantined", f"{kept} by the ledger, {quarantined} in the table")
    checked.counts = sums
    return checked


async def check_watermarks(connection: asyncpg.Connection) -> Checked:
    """What installations are remembered to have settled, beside their rows."""
    return watermark_findings(await connection.fetch(_WATERMARKS))


def watermark_findings(rows: Iterable[Mapping[str, Any]]) -> Checked:
    """A watermark may lag and never lead: each number up to it is in one of the tables."""
    checked = Checked("watermarks")
    for row in rows:
        checked.saw("installations")
        if row["there"] < row["settled_through"]:
            where = f"device {row['device_id']} installation {row['installation']}"
            numbers = f"through {row['settled_through']}, of which {row['there']} are there"
            checked.found("leads", f"{where}: {numbers}")
    return checked
