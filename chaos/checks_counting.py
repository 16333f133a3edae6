"""Each report is counted once after its commit, in both tables that are filled from it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

import asyncpg

from chaos.findings import Checked
from gateway.cost.old_texts import OldTexts, Templates
from gateway.protocol.report import Kind, Patrol, Report, Urgency

_REPORTS: Final = """
SELECT *, (stored_at AT TIME ZONE 'Asia/Shanghai')::date AS stored_on,
    (observed_at AT TIME ZONE 'Asia/Shanghai')::date AS observed_on
FROM report
"""
_SMS: Final = """
SELECT day, device_id, transport::text, reports, report_segments, confirmation_segments
FROM sms_avoided WHERE transport IS NOT NULL
"""
_COUNTS: Final = """
SELECT observed_on, street_code, kind::text, urgency::text, transport::text, simple, reports
FROM report_count
"""
_UNCOUNTED: Final = "SELECT count(*) FROM publication WHERE NOT is_counted"

Sums = Mapping[tuple[Any, ...], tuple[int, ...]]


async def check_counting(connection: asyncpg.Connection) -> Checked:
    """The counts beside a straight count over the reports."""
    reports = await connection.fetch(_REPORTS)
    sms = {tuple(row)[:3]: tuple(row)[3:] for row in await connection.fetch(_SMS)}
    counts = {tuple(row)[:6]: tuple(row)[6:] for row in await connection.fetch(_COUNTS)}
    checked = counting_findings(reports, sms, counts)
    if uncounted := await connection.fetchval(_UNCOUNTED):
        checked.found("not counted yet", f"{uncounted} publications")
    return checked


def counting_findings(reports: Iterable[Mapping[str, Any]], sms: Sums, counts: Sums) -> Checked:
    """Both tables say of each key what the reports say."""
    checked = Checked("counting")
    texts = OldTexts(Templates())
    expected_sms: dict[tuple[Any, ...], tuple[int, ...]] = {}
    expected_counts: Counter[tuple[Any, ...]] = Counter()
    for row in reports:
        checked.saw("reports")
        segments = texts.of_report(_report(row))
        key = (row["stored_on"], row["device_id"], row["transport"])
        number, up, down = expected_sms.get(key, (0, 0, 0))
        expected_sms[key] = (number + 1, up + segments.report, down + segments.confirmation)
        columns = ("observed_on", "street_code", "kind", "urgency", "transport", "simple")
        expected_counts[tuple(row[name] for name in columns)] += 1
    _compare(checked, "sms_avoided", expected_sms, sms)
    _compare(checked, "report_count", {k: (n,) for k, n in expected_counts.items()}, counts)
    return checked


def _compare(checked: Checked, table: str, expected: Sums, found: Sums) -> None:
    for key in expected.keys() | found.keys():
        if expected.get(key) != found.get(key):
            where = " ".join(map(str, key))
            checked.found(table, f"{where}: {found.get(key)} instead of {expected.get(key)}")


def _report(row: Mapping[str, Any]) -> Report:
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
