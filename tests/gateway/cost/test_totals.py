"""Sums of what was metered."""

from decimal import Decimal

import pytest

from gateway.cost.totals import ratio, sum_up
from tests.helpers.usages import use


def test_everything_is_added_up() -> None:
    """Two rows of one device and one of another; (700 + 300) / 3 = 333.33 bytes a report."""
    totals = sum_up(
        [
            use(bytes_up=400, bytes_down=300, connections=2, reports=2, report_segments=4),
            use(bytes_up=300, confirmation_segments=2, tasks=1, task_segments=3),
            use(device=2, reports=1, answers=1, answer_segments=1),
        ]
    )
    assert (totals.devices, totals.reports, totals.tasks, totals.answers) == (2, 3, 1, 1)
    assert (totals.bytes_up, totals.bytes_down, totals.connections) == (700, 300, 2)
    assert (totals.sms_segments_up, totals.sms_segments_down) == (5, 5)
    assert totals.bytes_per_report == Decimal("333.3")
    assert totals.idle_bytes == 0


def test_without_reports_there_is_no_mean() -> None:
    """None, and no division by zero."""
    assert sum_up([use(bytes_up=5)]).bytes_per_report is None
    assert sum_up([]).devices == 0


@pytest.mark.parametrize("part, told", [("1.04", "1.0"), ("1.05", "1.1"), ("-1.05", "-1.1")])
def test_half_a_step_is_rounded_away_from_zero(part: str, told: str) -> None:
    """As people round."""
    assert str(ratio(Decimal(part), Decimal(1), Decimal("0.1"))) == told
