"""Days in China, by which everything is counted and billed."""

from datetime import date, timedelta, timezone
from typing import Final

CHINA_SECONDS: Final = 8 * 3_600
"""China's time is ahead of UTC by so much, all year, for as long as there are reports."""

CHINA_TIME: Final = timezone(timedelta(seconds=CHINA_SECONDS))

DAY_SECONDS: Final = 86_400

EPOCH_DAY: Final = date(1970, 1, 1).toordinal()


def day_of(moment: int) -> date:
    """The day in China at a Unix time in seconds."""
    return date.fromordinal(EPOCH_DAY + (moment + CHINA_SECONDS) // DAY_SECONDS)
