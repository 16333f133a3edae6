"""Days and months that are billed."""

from collections.abc import Iterator
from datetime import date, timedelta

import msgspec


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
        while begin <= self.last:
            after = (begin.replace(day=1) + timedelta(32)).replace(day=1)
            end = min(after - timedelta(1), self.last)
            months[begin] = (end - begin).days + 1
            begin = after
        return months


def parse_period(text: str) -> Period:
    """The days of a text like 2008-01-01/2008-03-31. Raises `ValueError`, saying what is wrong."""
    first, _, last = text.partition("/")
    try:
        ends = date.fromisoformat(first), date.fromisoformat(last)
    except ValueError:
        raise ValueError(f"{text!r} is no period like 2008-01-01/2008-03-31") from None
    return Period(*ends)
