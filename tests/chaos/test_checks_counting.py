"""Counts beside a straight count, each time with one defect."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from chaos.checks_counting import Sums, counting_findings

DAY = date(2026, 11, 24)
ROW: dict[str, Any] = {
    "device_id": 1,
    "transport": "tcp",
    "stored_on": DAY,
    "observed_on": DAY,
    "observed_at": datetime(2026, 11, 24, 8, tzinfo=UTC),
    "street_code": 440307003,
    "sequence": 1,
    "edition": 1,
    "kind": "event",
    "class_code": 203,
    "urgency": "ordinary",
    "simple": False,
    "patrol": "routine",
    "grid": 44_030_700_300_101,
    "lat_e5": 0,
    "lon_e5": 0,
    "accuracy_m": 8,
    "description": "人行道有暴露垃圾",
    "pictures": 0,
    "component": None,
}
STREET = (DAY, 440307003, "event", "ordinary", "tcp", False)
DEVICE = (DAY, 1, "tcp")


def found(sms: Sums, counts: Sums) -> list[str]:
    """The sorts of findings with two reports alike."""
    return list(counting_findings([ROW, {**ROW, "sequence": 2}], sms, counts).sorts)


def segments() -> tuple[int, int, int]:
    """What both come to, taken from what the check says is missing."""
    (finding,) = counting_findings([ROW], {}, {STREET: (1,)}).findings
    _, _, expected = finding.partition(" instead of ")
    number, up, down = (int(part) for part in expected.strip("()").split(","))
    return 2 * number, 2 * up, 2 * down


def test_each_report_is_counted_once() -> None:
    """Nothing is found, and both were seen."""
    checked = counting_findings([ROW, ROW], {DEVICE: segments()}, {STREET: (2,)})
    assert checked.findings == []
    assert checked.counts == {"reports": 2}
    assert segments()[0] == 2
    assert segments()[1] >= 2


@pytest.mark.parametrize("counted", [{}, {STREET: (1,)}, {STREET: (3,)}])
def test_a_report_counted_never_or_twice(counted: Sums) -> None:
    """One too few and one too many are found."""
    assert found({DEVICE: segments()}, counted) == ["report_count"]


def test_a_segment_too_many() -> None:
    """Money hangs on it."""
    number, up, down = segments()
    assert found({DEVICE: (number, up + 1, down)}, {STREET: (2,)}) == ["sms_avoided"]


def test_a_count_of_what_is_not_there() -> None:
    """A key that no report has."""
    other = (DAY, 2, "mqtt")
    sms = {DEVICE: segments(), other: (1, 1, 1)}
    assert found(sms, {STREET: (2,)}) == ["sms_avoided"]
