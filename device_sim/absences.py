"""When handsets are offline while tasks come: seeded, as parts of the run. All shares: [A]."""

from dataclasses import dataclass
from random import Random
from typing import Final

import trio

from device_sim.courier import Courier
from device_sim.pace import Pace

ABSENT_SHARE: Final = 0.6
"""Handsets that are offline at least once."""

TWICE_SHARE: Final = 0.3
"""Of these such as are offline a second time."""

BEGINS_UNTIL: Final = 0.8
LASTS: Final = (0.05, 0.25)
"""How long, as a part of the run."""


@dataclass(frozen=True, slots=True)
class Absence:
    """A handset is offline for a while."""

    begins_after: float
    """Seconds since the beginning of the run."""
    seconds: float


def absences(seed: int, device: int, seconds: float) -> list[Absence]:
    """When a handset is offline in a run of so many seconds, in order of time."""
    random = Random(f"absences/{seed}/{device}")
    if random.random() >= ABSENT_SHARE:
        return []
    count = 2 if random.random() < TWICE_SHARE else 1
    return sorted(
        (
            Absence(seconds * BEGINS_UNTIL * random.random(), seconds * random.uniform(*LASTS))
            for _ in range(count)
        ),
        key=lambda absence: absence.begins_after,
    )


async def be_absent(courier: Courier, planned: list[Absence], pace: Pace) -> None:
    """Take a handset off its link when the time has come. The pace must not be that of full speed,
    at which nothing lasts.
    """
    began = trio.current_time()
    for absence in planned:
        await trio.sleep_until(began + absence.begins_after)
        courier.go_offline(absence.seconds * pace.speed)
