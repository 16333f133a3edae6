"""Tests of the comparison of record and table: the pure part, and the real table."""

import psycopg
import pytest

from device_sim.outbox import Entry, State
from device_sim.verify import EXAMPLES, Stored, compare, stored_rows
from gateway.protocol.errors import RefusalCode
from gateway.protocol.report import Report
from tests.helpers.builders import EDITION_2007, build_report, build_reports

STREET = 440307003


def entry(report: Report, state: State = State.ACKED, code: int | None = None) -> Entry:
    """A line of the record."""
    return Entry(1, 2, report, state, 1, code)


def stored(report: Report, street_code: int = STREET) -> Stored:
    """A row of the table."""
    return Stored(1, 2, report, street_code)


def test_equal_sides_are_clean() -> None:
    """Every report of the record is in the table as it was written."""
    reports = build_reports(3)
    result = compare(map(entry, reports), map(stored, reports), EDITION_2007)
    assert result.is_clean
    assert (result.equal, result.examples) == (3, {})


def test_nothing_is_clean_too() -> None:
    """Two empty sides are equal."""
    assert compare([], [], EDITION_2007).is_clean


def test_a_report_that_is_not_in_the_table_is_missing() -> None:
    """At the beginning, in the middle and at the end; acked ones break the contract."""
    reports = build_reports(5)
    entries = [entry(report) for report in reports]
    entries[2] = entry(reports[2], State.UNSETTLED)
    entries[4] = entry(reports[4], State.REFUSED, RefusalCode.UNKNOWN_GRID)
    result = compare(entries, map(stored, reports[1::2]), EDITION_2007)
    assert (result.missing, result.missing_acked, result.equal) == (3, 1, 2)
    assert not result.is_clean
    assert result.examples["missing"] == [
        "device 1 installation 2 sequence 1: acked, sent 1 times",
        "device 1 installation 2 sequence 3: unsettled, sent 1 times",
        "device 1 installation 2 sequence 5: refused with code 42, sent 1 times",
    ]


def test_a_row_that_was_not_written_is_extra() -> None:
    """Wherever it stands."""
    reports = build_reports(5)
    result = compare(map(entry, reports[1::2]), map(stored, reports), EDITION_2007)
    assert (result.extra, result.equal) == (3, 2)
    assert len(result.examples["extra"]) == 3


def test_a_taken_number_is_expected_to_hold_nothing_of_ours() -> None:
    """The report that was refused there went on under another number."""
    refused = entry(build_report(), State.REFUSED, RefusalCode.SEQUENCE_CONFLICT)
    assert compare([refused], [], EDITION_2007).is_clean
    assert compare([refused], [stored(build_report())], EDITION_2007).extra == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"edition": 2},
        {"observed_at": 1_206_000_001},
        {"kind": 0},
        {"class_code": 102},
        {"urgency": 1},
        {"simple": False},
        {"patrol": 2},
        {"grid": 44030700300102},
        {"lat_e5": 1},
        {"lon_e5": 1},
        {"accuracy_m": 13},
        {"description": "人行道有暴露垃圾。"},
        {"pictures": 1},
        {"component": 4403070203000001},
    ],
)
def test_any_other_content_is_altered(changes: dict[str, object]) -> None:
    """Each column counts, and the difference is named."""
    result = compare([entry(build_report())], [stored(build_report(**changes))], EDITION_2007)
    assert (result.altered, result.equal) == (1, 0)
    (text,) = result.examples["altered"]
    assert next(iter(changes)) in text


def test_the_street_that_the_gateway_worked_out_counts_too() -> None:
    """It must be that of the unit grid."""
    result = compare([entry(build_report())], [stored(build_report(), 1)], EDITION_2007)
    assert result.altered == 1


def test_only_the_first_few_differences_are_told() -> None:
    """All are counted."""
    result = compare(map(entry, build_reports(EXAMPLES + 3)), [], EDITION_2007)
    assert result.missing == EXAMPLES + 3
    assert len(result.examples["missing"]) == EXAMPLES


def test_rows_come_from_the_table_as_reports(database_dsn: str) -> None:
    """Enumerations, time and missing components are what was reported; other devices stay out."""
    with psycopg.connect(database_dsn) as connection:
        connection.execute(
            "INSERT INTO report (device_id, installation, sequence, edition, observed_at, kind,"
            " class_code, urgency, simple, patrol, grid, street_code, lat_e5, lon_e5, accuracy_m,"
            " description, pictures, component, transport)"
            " SELECT device, 2, 1, 1, to_timestamp(1205999940), 'event', 203, 'ordinary', true,"
            " 'routine', 44030700300101, 440307003, 2265600, 11415100, 12,"
            " '人行道有暴露垃圾', 2, NULL, 'tcp' FROM unnest(ARRAY[1, 99]) AS device"
        )
    assert list(stored_rows(database_dsn, [1])) == [stored(build_report())]
