"""Tests of the edition that handsets have."""

import pytest

from device_sim.edition import edition
from device_sim.scenario import EDITION
from tests.helpers.builders import EDITION_2007


def test_the_scenarios_edition_has_the_origins_of_the_gateways() -> None:
    """Otherwise every position on the wire would be shifted."""
    ours = edition(EDITION)
    assert ours.number == EDITION
    assert (ours.lat0_e5, ours.lon0_e5) == (EDITION_2007.lat0_e5, EDITION_2007.lon0_e5)
    assert ours.grid_base == EDITION_2007.grid_base
    assert ours.component_base(101) == EDITION_2007.component_base(101)


def test_an_edition_that_does_not_exist() -> None:
    """Is an error of the caller."""
    with pytest.raises(KeyError):
        edition(126)
