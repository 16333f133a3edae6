"""What makes a report acceptable: limits and the edition's code tables.

A handset may ask the same questions before it sends. What fails is refused with a code and kept in
quarantine; it never costs its neighbours anything.
"""

from typing import Final

from gateway.protocol.errors import RefusalCode
from gateway.protocol.limits import MAX_CLOCK_AHEAD_SECONDS, MIN_OBSERVED_AT
from gateway.protocol.report import Kind, Patrol, Report, Track, Urgency
from gateway.protocol.tables import Edition
from gateway.protocol.text import check_description

Fault = tuple[RefusalCode, str]
"""The code for the wire and a sentence for the log and the quarantine."""

MAX_LAT_E5: Final = 9_000_000
MAX_LON_E5: Final = 18_000_000
_MAX_URGENCY: Final = max(Urgency)
_MAX_PATROL: Final = max(Patrol)
_COMPONENT_DIGITS_BESIDE_CLASS: Final = 12


def report_fault(report: Report, edition: Edition, now: int) -> Fault | None:
    """What is wrong with a report, or None. `now` is the gateway's Unix time in seconds."""
    classes = edition.event_classes if report.kind == Kind.EVENT else edition.component_classes
    if report.class_code not in classes:
        kind = Kind(report.kind).name.lower()
        return RefusalCode.UNKNOWN_CLASS, f"no {kind} class {report.class_code} in {edition.name}"
    if report.urgency > _MAX_URGENCY or report.patrol > _MAX_PATROL:
        detail = f"urgency {report.urgency}, patrol {report.patrol}"
        return RefusalCode.BAD_TRAITS, detail
    if edition.street_of(report.grid) not in edition.streets:
        return RefusalCode.UNKNOWN_GRID, f"unit grid {report.grid} is in no street we know"
    fault = _place_and_time_fault(report.lat_e5, report.lon_e5, report.observed_at, now)
    if fault:
        return fault
    if report.component is not None:
        digits = edition.class_digits + _COMPONENT_DIGITS_BESIDE_CLASS
        if len(str(report.component)) != digits:
            detail = f"a component identity has {digits} digits, not {report.component}"
            return RefusalCode.BAD_COMPONENT, detail
    reason = check_description(report.description)
    return (RefusalCode.BAD_TEXT, reason) if reason else None


def track_fault(track: Track, now: int) -> Fault | None:
    """What is wrong with a track, or None: its first bad point."""
    for point in track.points:
        fault = _place_and_time_fault(point.lat_e5, point.lon_e5, point.observed_at, now)
        if fault:
            return fault
    return None


def _place_and_time_fault(lat_e5: int, lon_e5: int, observed_at: int, now: int) -> Fault | None:
    if not (-MAX_LAT_E5 <= lat_e5 <= MAX_LAT_E5 and -MAX_LON_E5 <= lon_e5 <= MAX_LON_E5):
        return RefusalCode.BAD_POSITION, f"latitude {lat_e5}e-5, longitude {lon_e5}e-5"
    if not MIN_OBSERVED_AT <= observed_at <= now + MAX_CLOCK_AHEAD_SECONDS:
        return RefusalCode.BAD_TIME, f"observed at Unix time {observed_at}, our clock says {now}"
    return None
