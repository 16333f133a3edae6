"""Which days the page tells of: this month, or for a simulation the days that it stands for."""

from datetime import date, datetime, timedelta, timezone
from typing import Final

import msgspec

from gateway import quarter
from gateway.cost.period import Period

CHINA_TIME: Final = timezone(timedelta(hours=8))
"""One time zone, no daylight saving time: days of the ledger and of the bill are days there."""


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


def scope_of(played_as: str, now: datetime) -> Scope:
    """The days to show.

    Args:
        played_as: Setting `cost.played_as`: empty, or a first and a last day.
        now: A moment with its zone.
    """
    today = now.astimezone(CHINA_TIME).date()
    month = Period(today.replace(day=1), today)
    if not played_as:
        return Scope(month, month.first, today, played=False, expected=None)
    first, last = (date.fromisoformat(day) for day in played_as.split("/"))
    period = Period(first, last)
    published = quarter.load_published()
    is_published = period == Period(published.first_day, published.last_day)
    # A simulation has a database of its own: all days on which it ran belong to it.
    return Scope(
        period,
        date.min,
        today,
        played=True,
        expected=published.total if is_published else None,
    )
