"""The arithmetic of identities, in both lengths."""

import pytest

from gateway.protocol.tables import Edition
from tests.helpers.builders import EDITION_2007, EDITION_WIDE


@pytest.mark.parametrize(
    "edition, base", [(EDITION_2007, 44_030_700_000_000), (EDITION_WIDE, 440_307_000_000_000)]
)
def test_grid_base(edition: Edition, base: int) -> None:
    """The district's six digits in front, zeros behind, 14 or 15 digits in all."""
    assert edition.grid_base == base
    assert len(str(edition.grid_base)) == edition.grid_digits


@pytest.mark.parametrize(
    "edition, class_code, base",
    [
        (EDITION_2007, 101, 4_403_070_101_000_000),
        (EDITION_2007, 9_999, 4_403_079_999_000_000),
        (EDITION_WIDE, 10_101, 44_030_710_101_000_000),
        (EDITION_WIDE, 1, 44_030_700_001_000_000),
    ],
)
def test_component_base(edition: Edition, class_code: int, base: int) -> None:
    """District, class in its digits, six zeros: 16 or 17 digits in all."""
    assert edition.component_base(class_code) == base
    assert len(str(base)) == edition.class_digits + 12


@pytest.mark.parametrize(
    "edition, grid, street",
    [
        (EDITION_2007, 44_030_700_300_101, 440_307_003),
        (EDITION_2007, 44_030_700_399_999, 440_307_003),
        (EDITION_2007, 44_030_700_400_000, 440_307_004),
        (EDITION_WIDE, 440_307_003_001_001, 440_307_003),
        (EDITION_WIDE, 440_307_003_999_999, 440_307_003),
    ],
)
def test_street_of_a_grid(edition: Edition, grid: int, street: int) -> None:
    """The first nine digits of a unit grid are its street."""
    assert edition.street_of(grid) == street
