"""The code tables that a report is checked against. A table is data with an edition, never code."""

from collections.abc import Mapping

import msgspec


class Edition(msgspec.Struct, frozen=True):
    """One edition of the code tables for one district.

    Positions and unit grids on the wire are relative to `district`, `lat0_e5` and `lon0_e5`, so
    these never change within an edition: a change is a new edition.
    """

    number: int
    """1 to 127; stands in every report, so that an old backlog keeps its meaning."""
    name: str
    district: int
    """Six digits; the first digits of every unit grid and component identity."""
    lat0_e5: int
    """Origin of positions, in 1e-5 degree north (1.11 m)."""
    lon0_e5: int
    """Origin of positions, in 1e-5 degree east (1.03 m at this latitude)."""
    grid_digits: int
    """Digits of a whole unit-grid identity: 14 or 15."""
    class_digits: int
    """Digits of a class code: 4, or 5 in the 2026 edition. A component identity has 12 more."""
    component_classes: frozenset[int]
    event_classes: frozenset[int]
    streets: frozenset[int]
    """Nine-digit street codes: the first nine digits of a unit grid."""

    @property
    def grid_base(self) -> int:
        """What to add to a unit grid on the wire to get its whole identity."""
        return self.district * _power_of_ten(self.grid_digits - 6)

    def component_base(self, class_code: int) -> int:
        """What to add to a component's number within its class to get its whole identity."""
        return (self.district * _power_of_ten(self.class_digits) + class_code) * 10**6

    def street_of(self, grid: int) -> int:
        """The nine-digit street code of a whole unit-grid identity."""
        return grid // _power_of_ten(self.grid_digits - 9)


class Tables(msgspec.Struct, frozen=True):
    """All editions that a gateway knows, and the one that handsets should use now."""

    editions: Mapping[int, Edition]
    current: int


def _power_of_ten(exponent: int) -> int:
    return int(10**exponent)
