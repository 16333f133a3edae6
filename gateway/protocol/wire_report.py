"""From a report in full values to its few bytes on the wire, and back.

Nothing is judged here: `validity` does that. What is relative on the wire (position, unit grid,
component) is relative to the edition, which stands in the frame, so each frame is complete in
itself: on TCP, on MQTT and in quarantine.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Final

from gateway.protocol.errors import RefusalCode, RemoteProtocolError
from gateway.protocol.limits import (
    MAX_COMPONENT_SEQUENCE,
    MAX_DESCRIPTION_CHARACTERS,
    MAX_SEQUENCE,
)
from gateway.protocol.messages import BadFrame, Message, WireBacklog, WireReport, WireTrack
from gateway.protocol.report import Report, Track, TrackPoint, Urgency
from gateway.protocol.tables import Edition
from gateway.protocol.text import TextError, decode_text, decode_texts, encode_text, encode_texts

_KIND_BIT: Final = 0b1
_URGENCY_SHIFT: Final = 1
_TWO_BITS: Final = 0b11
_SIMPLE_BIT: Final = 0b1000
_PATROL_SHIFT: Final = 4
_URGENCY_BITS: Final = _TWO_BITS << _URGENCY_SHIFT
_EMERGENCY: Final = Urgency.EMERGENCY << _URGENCY_SHIFT


def is_urgent(event: Message | BadFrame) -> bool:
    """Whether it is an emergency, which devices send as a single report. It may prove unacceptable
    yet. One in a backlog has the time that a backlog has.
    """
    return isinstance(event, WireReport) and event.traits & _URGENCY_BITS == _EMERGENCY


def pack_report(report: Report, edition: Edition) -> WireReport:
    """A report as it stands alone on the wire."""
    return WireReport(
        edition=report.edition,
        sequence=report.sequence,
        observed_at=report.observed_at,
        class_code=report.class_code,
        traits=pack_traits(report),
        grid=report.grid - edition.grid_base,
        lat=report.lat_e5 - edition.lat0_e5,
        lon=report.lon_e5 - edition.lon0_e5,
        accuracy_m=report.accuracy_m,
        pictures=report.pictures,
        text=encode_text(report.description),
        component=_pack_component(report, edition),
    )


def unpack_report(wire: WireReport, edition: Edition) -> Report:
    """The report in full values.

    Raises `RemoteProtocolError` (`BAD_TEXT`) when the text does not decode.
    """
    traits = wire.traits
    try:
        description = decode_text(wire.text, MAX_DESCRIPTION_CHARACTERS)
    except TextError as error:
        raise RemoteProtocolError(RefusalCode.BAD_TEXT, str(error)) from None
    return Report(
        wire.sequence,
        wire.edition,
        wire.observed_at,
        traits & _KIND_BIT,
        wire.class_code,
        traits >> _URGENCY_SHIFT & _TWO_BITS,
        bool(traits & _SIMPLE_BIT),
        traits >> _PATROL_SHIFT & _TWO_BITS,
        wire.grid + edition.grid_base,
        wire.lat + edition.lat0_e5,
        wire.lon + edition.lon0_e5,
        wire.accuracy_m,
        description,
        wire.pictures,
        _unpack_component(wire.component, wire.class_code, edition),
    )


def pack_backlog(reports: Sequence[Report], edition: Edition) -> WireBacklog:
    """Reports of one edition with consecutive sequence numbers as one message."""
    components = [_pack_component(report, edition) for report in reports]
    return WireBacklog(
        edition=edition.number,
        first_sequence=reports[0].sequence,
        times=_differences(report.observed_at for report in reports),
        class_codes=[report.class_code for report in reports],
        traits=[pack_traits(report) for report in reports],
        grids=_differences(report.grid - edition.grid_base for report in reports),
        lats=_differences(report.lat_e5 - edition.lat0_e5 for report in reports),
        lons=_differences(report.lon_e5 - edition.lon0_e5 for report in reports),
        accuracies_m=[report.accuracy_m for report in reports],
        pictures=[report.pictures for report in reports],
        texts=encode_texts([report.description for report in reports]),
        components=components if any(c is not None for c in components) else [],
    )


def unpack_backlog(wire: WireBacklog, edition: Edition) -> list[Report]:
    """The reports in full values, in order.

    Raises `RemoteProtocolError`: `MALFORMED_MESSAGE` when the columns
    differ in length or the numbers pass the end, `BAD_TEXT` when the texts do not decode.
    """
    count = len(wire.times)
    components = wire.components or [None] * count
    _check_columns(count, wire.class_codes, wire.traits, wire.grids, wire.lats, wire.lons)
    _check_columns(count, wire.accuracies_m, wire.pictures, components)
    if wire.first_sequence + count - 1 > MAX_SEQUENCE:
        detail = "the sequence numbers pass the largest one"
        raise RemoteProtocolError(RefusalCode.MALFORMED_MESSAGE, detail)
    texts = _texts(wire, count)
    return [
        Report(
            sequence,
            wire.edition,
            observed_at,
            traits & _KIND_BIT,
            class_code,
            traits >> _URGENCY_SHIFT & _TWO_BITS,
            bool(traits & _SIMPLE_BIT),
            traits >> _PATROL_SHIFT & _TWO_BITS,
            grid,
            lat,
            lon,
            accuracy_m,
            description,
            pictures,
            _unpack_component(component, class_code, edition),
        )
        for (
            sequence,
            observed_at,
            class_code,
            traits,
            grid,
            lat,
            lon,
            accuracy_m,
            description,
            pictures,
            component,
        ) in zip(
            range(wire.first_sequence, wire.first_sequence + count),
            accumulate(wire.times),
            wire.class_codes,
            wire.traits,
            _sums(wire.grids, edition.grid_base),
            _sums(wire.lats, edition.lat0_e5),
            _sums(wire.lons, edition.lon0_e5),
            wire.accuracies_m,
            texts,
            wire.pictures,
            components,
            strict=True,
        )
    ]


def pack_track(track: Track, edition: Edition) -> WireTrack:
    """A track as it stands on the wire."""
    points = track.points
    return WireTrack(
        edition=track.edition,
        sequence=track.sequence,
        times=_differences(point.observed_at for point in points),
        lats=_differences(point.lat_e5 - edition.lat0_e5 for point in points),
        lons=_differences(point.lon_e5 - edition.lon0_e5 for point in points),
        accuracies_m=[point.accuracy_m for point in points],
    )


def unpack_track(wire: WireTrack, edition: Edition) -> Track:
    """The track in full values. Raises `RemoteProtocolError` when the columns differ in length."""
    _check_columns(len(wire.times), wire.lats, wire.lons, wire.accuracies_m)
    points = map(
        TrackPoint,
        accumulate(wire.times),
        _sums(wire.lats, edition.lat0_e5),
        _sums(wire.lons, edition.lon0_e5),
        wire.accuracies_m,
    )
    return Track(wire.sequence, wire.edition, tuple(points))


def pack_traits(report: Report) -> int:
    """Kind, urgency, simple case and patrol in six bits."""
    return (
        report.kind
        | report.urgency << _URGENCY_SHIFT
        | (_SIMPLE_BIT if report.simple else 0)
        | report.patrol << _PATROL_SHIFT
    )


def _pack_component(report: Report, edition: Edition) -> int | None:
    if report.component is None:
        return None
    number = report.component - edition.component_base(report.class_code)
    return number if 0 <= number <= MAX_COMPONENT_SEQUENCE else report.component


def _unpack_component(wire: int | None, class_code: int, edition: Edition) -> int | None:
    if wire is None or wire > MAX_COMPONENT_SEQUENCE:
        return wire
    return edition.component_base(class_code) + wire


def _texts(wire: WireBacklog, count: int) -> list[str]:
    try:
        return decode_texts(wire.texts, count)
    except TextError as error:
        raise RemoteProtocolError(RefusalCode.BAD_TEXT, str(error)) from None


def _differences(values: Iterable[int]) -> list[int]:
    """The first value, then each one less the one before it."""
    return [b - a for a, b in pairwise((0, *values))]


def _sums(differences: list[int], origin: int) -> Iterator[int]:
    """Full values from a column of differences."""
    return accumulate((differences[0] + origin, *differences[1:]))


def _check_columns(count: int, *columns: Sequence[object]) -> None:
    if any(len(column) != count for column in columns):
        detail = "the columns differ in length"
        raise RemoteProtocolError(RefusalCode.MALFORMED_MESSAGE, detail)
