"""Days and months of a period."""

from datetime import date

import pytest
from hypothesis import given

from fuzz.seeds import SEEDS
from fuzz.targets.arguments import check
from gateway.cost.period import MAX_PLAYED_DAYS, Period, parse_period
from tests.helpers.hostile import changed
from tests.helpers.strategies import UNHURRIED

QUARTER = Period(date(2008, 1, 1), date(2008, 3, 31))


def test_the_quarter() -> None:
    """31 days, 29 in a leap year, 31."""
    assert QUARTER.count_days() == 91
    assert len(list(QUARTER.days())) == 91
    assert list(QUARTER.months().items()) == [
        (date(2008, 1, 1), 31),
        (date(2008, 2, 1), 29),
        (date(2008, 3, 1), 31),
    ]


def test_parts_of_months_over_a_new_year() -> None:
    """Each month is named by its first day in the period."""
    assert Period(date(2007, 12, 30), date(2008, 1, 3)).months() == {
        date(2007, 12, 30): 2,
        date(2008, 1, 1): 3,
    }


def test_one_day() -> None:
    """Both ends belong to it."""
    day = Period(date(2008, 1, 31), date(2008, 1, 31))
    assert (day.count_days(), day.months()) == (1, {date(2008, 1, 31): 1})


def test_the_last_month_of_the_calendar() -> None:
    """No day is asked for that does not exist."""
    end = Period(date(9999, 11, 30), date.max)
    assert end.months() == {date(9999, 11, 30): 1, date(9999, 12, 1): 31}


def test_an_end_before_the_beginning() -> None:
    """Is a mistake."""
    with pytest.raises(ValueError, match="2008-01-02/2008-01-01"):
        Period(date(2008, 1, 2), date(2008, 1, 1))


def test_a_period_as_text() -> None:
    """Both ends belong to it."""
    assert parse_period("2008-01-01/2008-03-31") == QUARTER


@pytest.mark.parametrize("text", ["2008-01-01", "2008-01-01/", "2008-01-01/2008-02-30", "", "x/y"])
def test_a_text_that_is_no_period(text: str) -> None:
    """It says how one looks."""
    with pytest.raises(ValueError, match="is no period like"):
        parse_period(text)


def test_ten_years_and_a_day_more() -> None:
    """A century would fill the memory."""
    assert parse_period("2008-01-01/2018-01-07").count_days() == MAX_PLAYED_DAYS
    with pytest.raises(ValueError, match="more than 3,660 days"):
        parse_period("2008-01-01/2018-01-08")


@UNHURRIED
@given(changed(SEEDS["arguments"]()))
def test_hostile_bytes(data: bytes) -> None:
    """A text is days, or it is none."""
    check(data)
