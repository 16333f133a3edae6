"""Days and months that are billed."""

from calendar import monthrange
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

import msgspec

MAX_PLAYED_DAYS: Final = 3_660
"""Ten years: what a simulation played is kept in memory for each device and each of its days."""


class Period(msgspec.Struct, frozen=True):
    """Whole days, China time; both ends belong to it."""

    first: date
    last: date

    def __post_init__(self) -> None:
        """Raise `ValueError` for a period that ends before it begins."""
        if self.last < self.first:
            raise ValueError(f"a period ends on its first day or later: {self.first}/{self.last}")

    def count_days(self) -> int:
        """How many days it has."""
        return (self.last - self.first).days + 1

    def days(self) -> Iterator[date]:
        """Each of its days."""
        return (self.first + timedelta(number) for number in range(self.count_days()))

    def months(self) -> dict[date, int]:
        """How many of its days lie in each calendar month; each is named by its first day in the
        period.
        """
        months: dict[date, int] = {}
        begin = self.first
        while True:
            end = begin.replace(day=monthrange(begin.year, begin.month)[1])
            months[begin] = (min(end, self.last) - begin).days + 1
            if end >= self.last:
                return months
            begin = end + timedelta(1)


def parse_period(text: str) -> Period:
    """The days of a text like 2008-01-01/2008-03-31, at most `MAX_PLAYED_DAYS`. Raises
    `ValueError`, saying what is wrong.
    """
    first, _, last = text.partition("/")
    try:
        ends = date.fromisoformat(first), date.fromisoformat(last)
    except ValueError:
        raise ValueError(f"{text!r} is no period like 2008-01-01/2008-03-31") from None
    period = Period(*ends)
    if period.count_days() > MAX_PLAYED_DAYS:
        raise ValueError(f"{text} has more than {MAX_PLAYED_DAYS:,} days: is it a slip?")
    return period
