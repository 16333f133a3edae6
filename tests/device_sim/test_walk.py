"""Tests of the walk: steps, beat, disc and grids."""

from itertools import islice, pairwise
from math import cos, hypot, radians
from random import Random

import pytest

from device_sim.reference import Street, streets
from device_sim.walk import (
    BEAT_RADIUS_M,
    MAX_STEP_M,
    METRES_PER_E5_LAT,
    MIN_STEP_M,
    Position,
    grid_centre_m,
    street_radius_m,
    walk,
)

ROUNDING_M = 1.6
"""A position is rounded to 1e-5 degree: half of the diagonal at each end."""


def _metres(street: Street, position: Position) -> tuple[float, float]:
    east = (position.lon_e5 - street.lon * 1e5) * METRES_PER_E5_LAT * cos(radians(street.lat))
    return east, (position.lat_e5 - street.lat * 1e5) * METRES_PER_E5_LAT


@pytest.mark.parametrize("place", ["first", "last"])
@pytest.mark.parametrize("street", streets(), ids=lambda street: str(street.code))
def test_stays_in_the_street_and_walks_in_steps(street: Street, place: str) -> None:
    """Every position is in the street's disc, every step is 20 to 400 m, every grid of the beat."""
    first = 0 if place == "first" else len(street.grids) - 3
    grids = street.grids[first : first + 3]
    track = list(islice(walk(Random(street.code), street, first, grids), 2000))
    points = [_metres(street, position) for position in track]
    assert all(hypot(x, y) <= street_radius_m(street) + ROUNDING_M for x, y in points)
    for (x, y), (to_x, to_y) in pairwise(points):
        step = hypot(to_x - x, to_y - y)
        assert MIN_STEP_M - ROUNDING_M <= step <= MAX_STEP_M + ROUNDING_M
    assert {position.grid for position in track} == set(grids)


def test_the_grid_is_the_nearest_of_the_beat() -> None:
    """A position and its grid do not contradict each other."""
    street = streets()[0]
    grids = street.grids[40:43]
    centres = {grid: grid_centre_m(street, 40 + i) for i, grid in enumerate(grids)}
    for position in islice(walk(Random(1), street, 40, grids), 500):
        x, y = _metres(street, position)
        distance = {grid: hypot(x - a, y - b) for grid, (a, b) in centres.items()}
        assert distance[position.grid] <= min(distance.values()) + 2 * ROUNDING_M


@pytest.mark.parametrize("street", streets(), ids=lambda street: str(street.code))
def test_neighbouring_numbers_are_neighbours(street: Street) -> None:
    """Three grids in a row fit into a beat."""
    centres = [grid_centre_m(street, i) for i in range(len(street.grids))]
    for (x, y), (to_x, to_y) in zip(centres, centres[2:], strict=False):
        assert hypot(to_x - x, to_y - y) <= 2 * BEAT_RADIUS_M
