"""Which days the page tells of: this month, or for a simulation the days that it stands for."""

from datetime import date, datetime
from functools import cache

import msgspec

from gateway import quarter
from gateway.cost.china import day_of
from gateway.cost.period import Period


class Scope(msgspec.Struct, frozen=True):
    """The days that a page tells of."""

    period: Period
    ledger_from: date
    """The ledger counts from here on."""
    today: date
    played: bool
    """Whether it is a simulation."""
    expected: int | None
    """How many reports the period had, where it is the published quarter."""


def scope_of(played_as: Period | None, now: datetime) -> Scope:
    """The days to show.

    Args:
        played_as: Setting `cost.played_as`; None where nothing is played.
        now: A moment with its zone.
    """
    today = day_of(int(now.timestamp()))
    month = Period(today.replace(day=1), today)
    if played_as is None:
        return Scope(month, month.first, today, played=False, expected=None)
    published = _published()
    is_published = played_as == Period(published.first_day, published.last_day)
    # A simulation has a database of its own: all days on which it ran belong to it.
    return Scope(
        played_as,
        date.min,
        today,
        played=True,
        expected=published.total if is_published else None,
    )


@cache
def _published() -> quarter.Published:
    return quarter.load_published()
