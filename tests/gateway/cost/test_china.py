"""Days in China."""

from datetime import UTC, date, datetime

import pytest

from gateway.cost.china import day_of


@pytest.mark.parametrize(
    "moment, day",
    [
        ("2026-03-31T15:59:59", date(2026, 3, 31)),
        ("2026-03-31T16:00:00", date(2026, 4, 1)),
        ("2000-01-01T00:00:00", date(2000, 1, 1)),
        ("1969-12-31T15:59:59", date(1969, 12, 31)),
    ],
)
def test_a_day_begins_at_midnight_in_china(moment: str, day: date) -> None:
    """Which is 16:00 in UTC, to the second."""
    assert day_of(int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp())) == day
