"""An inspector's walk: positions in the beat, step by step, and the unit grid of each.

Where the unit grids of a street lie was never published. Here they lie on a spiral from the centre
of the street's disc outwards, in the order of their numbers, at equal distances, so that grids with
near numbers are near each other [A]. A beat is a disc around its two or three grids.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import atan2, cos, pi, radians, sin, sqrt
from random import Random
from typing import Final

from device_sim.reference import Street

METRES_PER_E5_LAT: Final = 1.113195
"""Metres in 1e-5 degree of latitude, on a sphere of 6,378,137 m."""

BEAT_RADIUS_M: Final = 600.0
"""How far from the middle of the beat an inspector goes: three grids of some 500 m side [A]."""

MIN_STEP_M: Final = 20.0
MAX_STEP_M: Final = 400.0
"""Way between two reports [A]."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a report was made."""

    lat_e5: int
    lon_e5: int
    grid: int


def street_radius_m(street: Street) -> float:
    """Radius of the disc that has the street's area."""
    return sqrt(street.area_km2 * 1e6 / pi)


def grid_centre_m(street: Street, index: int) -> tuple[float, float]:
    """Metres east and north of the street's centre of its grid number `index`.

    On the spiral of equal spacing; a beat around any grid stays inside the street's disc.
    """
    outwards = sqrt((index + 0.5) / len(street.grids))
    angle = 2 * sqrt(pi * (index + 0.5))
    radius = (street_radius_m(street) - BEAT_RADIUS_M) * outwards
    return radius * cos(angle), radius * sin(angle)


def walk(
    random: Random,
    street: Street,
    first_grid: int,
    grids: tuple[int, ...],
) -> Iterator[Position]:
    """Positions without end, each `MIN_STEP_M` to `MAX_STEP_M` from the one before.

    Short steps are likelier than long ones, and the direction changes by up to a right angle; a
    step that would leave the beat goes to its middle instead.
    """
    centres = [grid_centre_m(street, first_grid + i) for i in range(len(grids))]
    middle_x = sum(x for x, _ in centres) / len(centres)
    middle_y = sum(y for _, y in centres) / len(centres)
    metres_per_e5_lon = METRES_PER_E5_LAT * cos(radians(street.lat))
    near = [(x - middle_x, y - middle_y, grid) for (x, y), grid in zip(centres, grids, strict=True)]
    lat_e5 = street.lat * 1e5 + middle_y / METRES_PER_E5_LAT
    lon_e5 = street.lon * 1e5 + middle_x / metres_per_e5_lon
    chance = random.random
    x = y = 0.0
    heading = 2 * pi * chance()
    limit = BEAT_RADIUS_M * BEAT_RADIUS_M
    while True:
        heading += (chance() - 0.5) * pi
        step = MIN_STEP_M + (MAX_STEP_M - MIN_STEP_M) * chance() ** 2
        to_x, to_y = x + step * cos(heading), y + step * sin(heading)
        if to_x * to_x + to_y * to_y > limit:
            heading = atan2(-y, -x)
            to_x, to_y = x + step * cos(heading), y + step * sin(heading)
        x, y = to_x, to_y
        nearest = min([((x - a) * (x - a) + (y - b) * (y - b), grid) for a, b, grid in near])
        yield Position(
            round(lat_e5 + y / METRES_PER_E5_LAT),
            round(lon_e5 + x / metres_per_e5_lon),
            nearest[1],
        )
