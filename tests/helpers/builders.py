"""Valid values of the domain, with what a test cares about changed by name."""

from typing import Any, Final

import msgspec

from gateway.handlers.context import Context
from gateway.protocol.report import Kind, Patrol, Report, Track, TrackPoint, Urgency
from gateway.protocol.tables import Edition, Tables
from gateway.protocol.task_messages import Task, TaskKind

NOW: Final = 1_206_000_000
"""2008-03-20T08:00:00Z: the gateway's clock in tests, within the quarter that is played."""

EDITION_2007: Final = Edition(
    number=1,
    name="CJ/T 214-2007",
    district=440307,
    lat0_e5=2_265_000,
    lon0_e5=11_429_000,
    grid_digits=14,
    class_digits=4,
    component_classes=frozenset({101, 102, 601}),
    event_classes=frozenset({101, 102, 203, 605}),
    streets=frozenset({440307003, 440307006}),
)

EDITION_WIDE: Final = Edition(
    number=2,
    name="synthetic, with the digits of 2026",
    district=440307,
    lat0_e5=2_250_000,
    lon0_e5=11_400_000,
    grid_digits=15,
    class_digits=5,
    component_classes=frozenset({10_101, 99_999}),
    event_classes=frozenset({20_101}),
    streets=frozenset({440307003}),
)

TABLES: Final = Tables(editions={1: EDITION_2007, 2: EDITION_WIDE}, current=1)

CONTEXT: Final = Context(tables=TABLES, now=NOW)

_REPORT: Final = Report(
    sequence=1,
    edition=1,
    observed_at=NOW - 60,
    kind=Kind.EVENT,
    class_code=203,
    urgency=Urgency.ORDINARY,
    simple=True,
    patrol=Patrol.ROUTINE,
    grid=44_030_700_300_101,
    lat_e5=2_265_600,
    lon_e5=11_415_100,
    accuracy_m=12,
    description="人行道有暴露垃圾",
    pictures=2,
    component=None,
)

_REPORT_WIDE: Final = msgspec.structs.replace(
    _REPORT,
    edition=2,
    class_code=20_101,
    grid=440_307_003_001_001,
)


def build_report(**changes: Any) -> Report:
    """A report that edition 1 accepts at `NOW`."""
    return msgspec.structs.replace(_REPORT, **changes)


def build_wide_report(**changes: Any) -> Report:
    """A report that the synthetic edition with wide codes accepts at `NOW`."""
    return msgspec.structs.replace(_REPORT_WIDE, **changes)


def build_reports(count: int, first_sequence: int = 1, **changes: Any) -> list[Report]:
    """Reports with consecutive numbers, a minute and a few metres apart, the last at `NOW`."""
    return [
        build_report(
            sequence=first_sequence + place,
            observed_at=NOW - 60 * (count - 1 - place),
            lat_e5=2_265_600 + 7 * place,
            lon_e5=11_415_100 - 5 * place,
            **changes,
        )
        for place in range(count)
    ]


def build_point(**changes: Any) -> TrackPoint:
    """A position within the district, a minute before `NOW`."""
    point = TrackPoint(observed_at=NOW - 60, lat_e5=2_265_600, lon_e5=11_415_100, accuracy_m=12)
    return msgspec.structs.replace(point, **changes)


def build_track(points: int = 3, **changes: Any) -> Track:
    """A track of positions two minutes apart, the last at `NOW`."""
    run = tuple(
        build_point(observed_at=NOW - 120 * (points - 1 - place), lat_e5=2_265_600 + 40 * place)
        for place in range(points)
    )
    return msgspec.structs.replace(Track(sequence=9, edition=1, points=run), **changes)


def build_task(**changes: Any) -> Task:
    """A task that is open at `NOW`, and for an hour."""
    task = Task(
        task=1,
        kind=TaskKind.VERIFY,
        issued_at=NOW - 60,
        expires_at=NOW + 3_600,
        text="核实市民投诉：人行道有暴露垃圾",
        case_number="龙城管-000001",
    )
    return msgspec.structs.replace(task, **changes)
