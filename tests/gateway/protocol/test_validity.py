"""Each fault at its limit and just past it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.errors import RefusalCode
from gateway.protocol.report import Kind, Report, Track
from gateway.protocol.tables import Edition
from gateway.protocol.validity import report_fault, track_fault
from tests.helpers.builders import (
    EDITION_2007,
    EDITION_WIDE,
    NOW,
    build_point,
    build_report,
    build_track,
    build_wide_report,
)
from tests.helpers.strategies import UNHURRIED, reports


def _code(report: Report, edition: Edition = EDITION_2007) -> RefusalCode | None:
    fault = report_fault(report, edition, NOW)
    if fault is None:
        return None
    assert fault[1], "a fault has a sentence"
    return fault[0]


def test_usual_reports_are_accepted() -> None:
    """The builders make valid reports in both editions."""
    assert _code(build_report()) is None
    assert _code(build_wide_report(), EDITION_WIDE) is None


GOOD: list[dict[str, Any]] = [
    {"class_code": 605},
    {"kind": Kind.COMPONENT, "class_code": 601},
    {"urgency": 2},
    {"patrol": 2},
    {"grid": 44_030_700_300_000},
    {"grid": 44_030_700_699_999},
    {"lat_e5": 9_000_000},
    {"lat_e5": -9_000_000},
    {"lon_e5": 18_000_000},
    {"lon_e5": -18_000_000},
    {"observed_at": 946_684_800},
    {"observed_at": NOW + 86_400},
    {"component": 10**15},
    {"component": 10**16 - 1},
    {"description": ""},
    {"description": "井" * 500},
    {"description": "\U0002008a" * 500},
]


@pytest.mark.parametrize("changes", GOOD, ids=str)
def test_at_the_limit(changes: dict[str, Any]) -> None:
    """Each value at its limit is accepted."""
    assert _code(build_report(**changes)) is None


BAD: list[tuple[dict[str, Any], RefusalCode]] = [
    ({"class_code": 606}, RefusalCode.UNKNOWN_CLASS),
    ({"kind": Kind.COMPONENT, "class_code": 605}, RefusalCode.UNKNOWN_CLASS),
    ({"kind": Kind.EVENT, "class_code": 601}, RefusalCode.UNKNOWN_CLASS),
    ({"urgency": 3}, RefusalCode.BAD_TRAITS),
    ({"patrol": 3}, RefusalCode.BAD_TRAITS),
    ({"grid": 44_030_700_299_999}, RefusalCode.UNKNOWN_GRID),
    ({"grid": 44_030_700_700_000}, RefusalCode.UNKNOWN_GRID),
    ({"grid": 4_403_070_030_010}, RefusalCode.UNKNOWN_GRID),  # 13 digits
    ({"grid": 440_307_003_001_001}, RefusalCode.UNKNOWN_GRID),  # 15 digits
    ({"grid": -44_030_700_300_101}, RefusalCode.UNKNOWN_GRID),
    ({"grid": 0}, RefusalCode.UNKNOWN_GRID),
    ({"lat_e5": 9_000_001}, RefusalCode.BAD_POSITION),
    ({"lat_e5": -9_000_001}, RefusalCode.BAD_POSITION),
    ({"lon_e5": 18_000_001}, RefusalCode.BAD_POSITION),
    ({"lon_e5": -18_000_001}, RefusalCode.BAD_POSITION),
    ({"observed_at": 946_684_799}, RefusalCode.BAD_TIME),
    ({"observed_at": 0}, RefusalCode.BAD_TIME),
    ({"observed_at": NOW + 86_401}, RefusalCode.BAD_TIME),
    ({"observed_at": 2**64}, RefusalCode.BAD_TIME),
    ({"component": 10**15 - 1}, RefusalCode.BAD_COMPONENT),
    ({"component": 10**16}, RefusalCode.BAD_COMPONENT),
    ({"component": 0}, RefusalCode.BAD_COMPONENT),
    ({"description": "井" * 501}, RefusalCode.BAD_TEXT),
    ({"description": "a\x00b"}, RefusalCode.BAD_TEXT),
    ({"description": "a\nb"}, RefusalCode.BAD_TEXT),
    ({"description": "\ud800"}, RefusalCode.BAD_TEXT),
]


@pytest.mark.parametrize("changes, code", BAD, ids=str)
def test_just_past_the_limit(changes: dict[str, Any], code: RefusalCode) -> None:
    """Each value just past its limit has its own code."""
    assert _code(build_report(**changes)) is code


@pytest.mark.parametrize(
    "changes, code",
    [
        ({"component": 10**16}, None),
        ({"component": 10**17 - 1}, None),
        ({"component": 10**16 - 1}, RefusalCode.BAD_COMPONENT),
        ({"component": 10**17}, RefusalCode.BAD_COMPONENT),
        ({"grid": 440_307_003_999_999}, None),
        ({"grid": 44_030_700_300_101}, RefusalCode.UNKNOWN_GRID),
        ({"class_code": 10_101}, RefusalCode.UNKNOWN_CLASS),
        ({"kind": Kind.COMPONENT, "class_code": 99_999}, None),
    ],
)
def test_wide_edition(changes: dict[str, Any], code: RefusalCode | None) -> None:
    """An edition with longer identities has its own limits."""
    assert _code(build_wide_report(**changes), EDITION_WIDE) is code


@UNHURRIED
@given(reports(EDITION_2007), st.integers(0, 2**32))
def test_any_report_is_judged(report: Report, now: int) -> None:
    """Whatever comes off the wire is accepted or has a fault; nothing raises."""
    fault = report_fault(report, EDITION_2007, now)
    assert fault is None or (fault[0] in RefusalCode and fault[1])


def test_track_is_accepted() -> None:
    """A usual track has no fault."""
    assert track_fault(build_track(), NOW) is None


@pytest.mark.parametrize(
    "changes, code",
    [
        ({"lat_e5": 9_000_000}, None),
        ({"lat_e5": 9_000_001}, RefusalCode.BAD_POSITION),
        ({"lon_e5": -18_000_001}, RefusalCode.BAD_POSITION),
        ({"observed_at": 946_684_800}, None),
        ({"observed_at": 946_684_799}, RefusalCode.BAD_TIME),
        ({"observed_at": NOW + 86_400}, None),
        ({"observed_at": NOW + 86_401}, RefusalCode.BAD_TIME),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_each_point_of_a_track_is_judged(
    place: int, changes: dict[str, int], code: RefusalCode | None
) -> None:
    """One bad point spoils a track, wherever it stands."""
    points = [build_point(), build_point(), build_point()]
    points[place] = build_point(**changes)
    fault = track_fault(Track(1, 1, tuple(points)), NOW)
    assert (fault[0] if fault else None) is code
