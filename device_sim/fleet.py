"""Who walks where: the inspectors of the quarter, their handsets, streets and unit grids."""

from dataclasses import dataclass
from random import Random
from typing import Final, Literal

from device_sim.apportion import apportion
from device_sim.reference import Street, quarter, streets

Transport = Literal["tcp", "mqtt"]
TransportChoice = Literal["tcp", "mqtt", "mixed"]

FIRST_DEVICE_ID: Final = 440_307_0001
"""The district and four digits: readable in a log, and short of any real IMEI."""

MIN_DEVICES: Final = 2
"""One inspector for each collection, for each has reports to send."""

MAX_DEVICES: Final = 9_999
"""What the four digits of a device id can number."""

BEAT_GRIDS: Final = (2, 3)
"""Unit grids of one inspector: "二到三个基础单元网格至少设定一个监督员" in the source."""


@dataclass(frozen=True, slots=True)
class Inspector:
    """One inspector with one handset."""

    device_id: int
    street: Street
    first_grid: int
    """Index in `street.grids` of the first grid of the beat; the others follow it."""
    grids: tuple[int, ...]
    """Whole identities of the 2 or 3 unit grids of the beat."""
    transport: Transport
    reports: int
    """Reports this inspector sends in the whole scenario."""

    @property
    def collection(self) -> str:
        """Who employs this inspector: "market" or "self"."""
        return self.street.collection


@dataclass(frozen=True, slots=True)
class Fleet:
    """All inspectors of a scenario, in the order of their device ids."""

    inspectors: tuple[Inspector, ...]

    @property
    def device_ids(self) -> tuple[int, ...]:
        """The ids to enroll at the gateway."""
        return tuple(inspector.device_id for inspector in self.inspectors)


def split_by_group(total: int, published: dict[str, int]) -> dict[str, int]:
    """Share `total` over the collections in the published proportion, exactly."""
    shares = apportion(total, list(published.values()))
    return dict(zip(published, shares, strict=True))


def inspectors_by_group(devices: int | None) -> dict[str, int]:
    """Inspectors of each collection: the published numbers, or `devices` in their proportion.

    Raises:
        ValueError: if `devices` is outside `MIN_DEVICES` to `MAX_DEVICES`.
    """
    published = quarter().inspectors
    if devices is None:
        return dict(published)
    if not MIN_DEVICES <= devices <= MAX_DEVICES:
        raise ValueError(f"devices must be {MIN_DEVICES} to {MAX_DEVICES}, not {devices}")
    return split_by_group(devices, published)


def _reports_of_group(random: Random, total: int, inspectors: int) -> list[int]:
    """Share a group's reports: most inspectors within a factor of two, a few far off [A]."""
    diligence = [random.lognormvariate(0.0, 0.35) for _ in range(inspectors)]
    return apportion(total, diligence)


def _beat(random: Random, street: Street, place: int, inspectors: int) -> tuple[int, int]:
    """First grid and number of grids of the inspector in `place` of a street's `inspectors`."""
    count = min(random.choice(BEAT_GRIDS), len(street.grids))
    first = place * len(street.grids) // inspectors
    return min(first, len(street.grids) - count), count


def build_fleet(
    seed: int,
    reports: dict[str, int],
    devices: int | None = None,
    transport: TransportChoice = "mixed",
) -> Fleet:
    """The fleet of a scenario; the same arguments always give the same fleet.

    Inspectors fall on the streets of their collection in proportion to unit grids [A], so that a
    market inspector has about two grids and one of the other streets about five, of which he walks
    two or three. `mixed` gives every other handset MQTT.

    Args:
        seed: of everything random.
        reports: total of each collection ("market", "self"), met exactly.
        devices: inspectors of all streets; None for the published 773.
        transport: of every handset, or mixed.

    Raises:
        ValueError: if `devices` is out of range.
    """
    random = Random(f"fleet/{seed}")
    inspectors: list[Inspector] = []
    for group, number in inspectors_by_group(devices).items():
        own = [street for street in streets() if street.collection == group]
        per_street = apportion(number, [len(street.grids) for street in own])
        shares = iter(_reports_of_group(random, reports[group], number))
        for street, count in zip(own, per_street, strict=True):
            for place in range(count):
                first, size = _beat(random, street, place, count)
                index = len(inspectors)
                alternate: Transport = "mqtt" if index % 2 else "tcp"
                inspectors.append(
                    Inspector(
                        device_id=FIRST_DEVICE_ID + index,
                        street=street,
                        first_grid=first,
                        grids=street.grids[first : first + size],
                        transport=alternate if transport == "mixed" else transport,
                        reports=next(shares),
                    ),
                )
    return Fleet(tuple(inspectors))
