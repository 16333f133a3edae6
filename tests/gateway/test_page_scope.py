"""Which days the page tells of."""

from datetime import UTC, date, datetime

import pytest

from gateway.cost.period import Period
from gateway.page_scope import Scope, scope_of

NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.mark.parametrize(
    "now, first, today",
    [
        (datetime(2026, 11, 30, 15, 59, 59, tzinfo=UTC), date(2026, 11, 1), date(2026, 11, 30)),
        (datetime(2026, 11, 30, 16, 0, tzinfo=UTC), date(2026, 12, 1), date(2026, 12, 1)),
    ],
)
def test_this_month_in_china(now: datetime, first: date, today: date) -> None:
    """It begins eight hours before that of Greenwich."""
    expected = Scope(Period(first, today), first, today, played=False, expected=None)
    assert scope_of(None, now) == expected


def test_the_quarter_that_was_published() -> None:
    """Its days, and how many reports it had; the ledger of a simulation is of all days."""
    scope = scope_of(
        Period(date(2008, 1, 1), date(2008, 3, 31)), datetime(2026, 11, 24, tzinfo=UTC)
    )
    assert scope.period == Period(date(2008, 1, 1), date(2008, 3, 31))
    assert (scope.played, scope.expected) == (True, 265_735)
    assert scope.ledger_from == date.min


def test_other_days_have_no_published_number() -> None:
    """Nobody knows how many reports they should have."""
    scope = scope_of(
        Period(date(2008, 1, 1), date(2008, 3, 30)), datetime(2026, 11, 24, tzinfo=UTC)
    )
    assert (scope.played, scope.expected) == (True, None)
