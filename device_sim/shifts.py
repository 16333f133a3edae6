"""When an inspector reports: the days of the quarter, the hours of a shift, all assumptions [A]."""

from datetime import date, datetime, timedelta, timezone
from itertools import accumulate
from random import Random
from typing import Final

CHINA_TIME: Final = timezone(timedelta(hours=8))

FIRST_DAY: Final = date(2008, 1, 1)
DAYS: Final = 91
DAY_SECONDS: Final = 86_400
HOUR_SECONDS: Final = 3_600

QUARTER_START: Final = int(datetime(2008, 1, 1, tzinfo=CHINA_TIME).timestamp())
"""First second of the quarter in China, Unix time."""

QUARTER_END: Final = QUARTER_START + DAYS * DAY_SECONDS
"""First second after the quarter."""

HOLIDAYS: Final = frozenset(
    {date(2008, 1, 1), *(date(2008, 2, 6) + timedelta(days=day) for day in range(7))},
)
"""New Year's Day and the week of the Spring Festival of 2008."""

SATURDAY: Final = 5
SUNDAY: Final = 6
DAY_WEIGHTS: Final = {SATURDAY: 0.6, SUNDAY: 0.4}
HOLIDAY_WEIGHT: Final = 0.25
REST_WEIGHT: Final = 0.05
"""On the weekday an inspector has off: a report on the way home, now and then."""

SHIFTS: Final = (
    # Hours 0 to 23 of the day: two normal day shifts, and one of three that goes on into the night.
    (0, 0, 0, 0, 0, 0, 0, 2, 10, 14, 14, 11, 3, 3, 10, 13, 12, 8, 2, 1, 0, 0, 0, 0),
    (0, 0, 0, 0, 0, 0, 1, 6, 13, 14, 12, 8, 2, 4, 12, 13, 9, 4, 1, 0, 0, 0, 0, 0),
    (0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 3, 6, 10, 12, 11, 9, 8, 10, 11, 8, 4, 1),
)


def day_weights(random: Random) -> list[float]:
    """How much of an inspector's work falls on each of the 91 days."""
    day_off = random.randrange(SATURDAY)
    weights: list[float] = []
    for number in range(DAYS):
        day = FIRST_DAY + timedelta(days=number)
        weight = DAY_WEIGHTS.get(day.weekday(), 1.0)
        if day.weekday() == day_off and number % 2:
            weight = REST_WEIGHT
        if day in HOLIDAYS:
            weight = HOLIDAY_WEIGHT
        weights.append(weight * random.uniform(0.6, 1.4))
    return weights


def observation_times(random: Random, count: int) -> list[int]:
    """Unix times of an inspector's `count` reports, strictly increasing, within the quarter.

    Raises:
        ValueError: if the quarter has fewer seconds than `count`.
    """
    if count > DAYS * DAY_SECONDS:
        raise ValueError(f"the quarter has fewer than {count} seconds")
    days = random.choices(range(DAYS), cum_weights=list(accumulate(day_weights(random))), k=count)
    hours = random.choices(range(24), weights=random.choice(SHIFTS), k=count)
    chance = random.random
    times = sorted(
        day * DAY_SECONDS + hour * HOUR_SECONDS + int(chance() * HOUR_SECONDS)
        for day, hour in zip(days, hours, strict=True)
    )
    return _strictly_increasing(times)


def _strictly_increasing(times: list[int]) -> list[int]:
    """Move equal times apart: forwards, and back again what was pushed over the end."""
    last = -1
    for i, time in enumerate(times):
        last = times[i] = max(time, last + 1)
    bound = DAYS * DAY_SECONDS
    for i in range(len(times) - 1, -1, -1):
        if times[i] < bound:
            break
        bound -= 1
        times[i] = bound
    return [QUARTER_START + time for time in times]
