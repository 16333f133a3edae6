"""The first quarter of 2008 in Longgang as reports: exact where published, seeded elsewhere.

Exact: the total of each collection, the number of inspectors, the dates. Everything else is an
assumption, listed in `docs/scenario.md`. Pure: the same arguments give the same reports, and each
inspector's can be made alone, in any order, without holding the others in memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Final

from device_sim.fleet import Fleet, Inspector, TransportChoice, build_fleet, split_by_group
from device_sim.reference import Finding, findings, quarter
from device_sim.shifts import observation_times
from device_sim.texts import DescriptionWriter
from device_sim.walk import walk
from gateway.protocol.report import Kind, Patrol, Report, Urgency

EDITION: Final = 1
"""Number of the code tables of CJ/T 214-2007 for Longgang."""

EMERGENCY_CLASSES: Final = range(401, 500)
"""Major class 04 of the events, 突发事件."""

EMERGENCY_SHARE: Final = 0.6
"""Of reports in the emergency classes; the others, as old puddles, can wait."""

SUDDEN_SHARE: Final = 0.002
"""Emergencies among all other classes, as a hole without its cover on a carriageway."""

DIFFICULT_SHARE: Final = 0.05

SIMPLE_SHARE: Final = 706 / 2693 / 0.94
"""Of ordinary reports, so that about 706 of 2,693 of all are handled on the spot: the share of
one street team in Jinan."""

SPECIAL_SHARE: Final = 0.08
HOTLINE_SHARE: Final = 0.02

PICTURES: Final = (0, 0, 1, 1, 1, 1, 1, 2, 2, 3)
"""Number of pictures of a report, each of these equally likely."""

MIN_ACCURACY_M: Final = 3
ACCURACY_SPREAD_M: Final = 58
"""Stated accuracy is 3 to 60 m, mostly the better half."""

IDENTIFIED_SHARE: Final = 0.5
"""Component reports in which the inspector gave the component's identity."""

COMPONENTS_PER_BEAT: Final = 500
"""Components of one class in a beat: identities of neighbours are near each other."""

MAX_COMPONENT_SEQUENCE: Final = 999_999
DISTRICT: Final = 440307


@dataclass(frozen=True, slots=True)
class Scenario:
    """A fleet and what it reports."""

    seed: int
    fleet: Fleet
    totals: dict[str, int]
    """Reports by collection, "market" and "self"."""

    @property
    def total(self) -> int:
        """Reports of all inspectors."""
        return sum(self.totals.values())

    def reports_of(self, inspector: Inspector) -> Iterator[Report]:
        """All reports of one inspector in order of time, with sequence numbers from 1."""
        return _reports(Random(f"reports/{self.seed}/{inspector.device_id}"), inspector)


def longgang_q1(
    seed: int,
    devices: int | None = None,
    reports: int | None = None,
    transport: TransportChoice = "mixed",
) -> Scenario:
    """The quarter, or the quarter scaled to other numbers of inspectors or reports.

    Args:
        seed: of everything that was not published.
        devices: inspectors; None for the published 773.
        reports: total; None for the published 265,735. Another total is shared between the
            collections in the published proportion (largest remainder).
        transport: of the handsets; "mixed" gives every other one MQTT.

    Raises:
        ValueError: if `devices` is out of range or `reports` negative.
    """
    published = quarter().reports
    totals = dict(published) if reports is None else split_by_group(reports, published)
    return Scenario(seed, build_fleet(seed, totals, devices, transport), totals)


def _urgency(chance: float, finding: Finding) -> Urgency:
    """Emergencies mostly in their own classes; `chance` is 0 to 1."""
    sudden = finding.kind == Kind.EVENT and finding.class_code in EMERGENCY_CLASSES
    emergency = EMERGENCY_SHARE if sudden else SUDDEN_SHARE
    if chance < emergency:
        return Urgency.EMERGENCY
    return Urgency.DIFFICULT if chance > 1 - DIFFICULT_SHARE else Urgency.ORDINARY


def _patrol(chance: float) -> Patrol:
    if chance < HOTLINE_SHARE:
        return Patrol.HOTLINE
    return Patrol.SPECIAL if chance < HOTLINE_SHARE + SPECIAL_SHARE else Patrol.ROUTINE


def _component_identity(class_code: int, number: int) -> int:
    """16 digits: district, class, sequence."""
    sequence = 1 + number % MAX_COMPONENT_SEQUENCE
    return (DISTRICT * 10**4 + class_code) * 10**6 + sequence


def _reports(random: Random, inspector: Inspector) -> Iterator[Report]:
    times = observation_times(random, inspector.reports)
    classes = findings()
    cumulative = list(accumulate(finding.weight for finding in classes))
    found = random.choices(classes, cum_weights=cumulative, k=len(times))
    positions = walk(random, inspector.street, inspector.first_grid, inspector.grids)
    writer = DescriptionWriter(random, inspector.street)
    first_component = random.randrange(MAX_COMPONENT_SEQUENCE)
    chance = random.random
    # The walk has no end: it yields one position for each time.
    steps = zip(times, found, positions, strict=False)
    for sequence, (observed_at, finding, position) in enumerate(steps, start=1):
        urgency = _urgency(chance(), finding)
        simple = urgency == Urgency.ORDINARY and chance() < SIMPLE_SHARE
        patrol = _patrol(chance())
        component = None
        if finding.kind == Kind.COMPONENT and chance() < IDENTIFIED_SHARE:
            number = first_component + int(chance() * COMPONENTS_PER_BEAT)
            component = _component_identity(finding.class_code, number)
        yield Report(
            sequence=sequence,
            edition=EDITION,
            observed_at=observed_at,
            kind=finding.kind,
            class_code=finding.class_code,
            urgency=urgency,
            simple=simple,
            patrol=patrol,
            grid=position.grid,
            lat_e5=position.lat_e5,
            lon_e5=position.lon_e5,
            accuracy_m=MIN_ACCURACY_M + int(ACCURACY_SPREAD_M * chance() ** 2),
            description=writer.write(finding, urgency, patrol, simple=simple),
            pictures=PICTURES[int(chance() * len(PICTURES))],
            component=component,
        )
