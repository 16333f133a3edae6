"""Reports and tracks as rows of PostgreSQL's binary COPY format.

The format is part of PostgreSQL's documentation ("COPY", section "Binary Format"): a row is its
number of fields (16 bits), then for each field its length (32 bits, -1 for null) and its bytes in
network order. Packed here and not by the driver because it costs half (measured: 2 us against 4 us
a report), and because a value that does not fit fails for its own row alone.
"""

import struct
from collections.abc import Iterable, Mapping
from itertools import chain, product
from types import MappingProxyType
from typing import Final, TypeAlias

from gateway.parcel import Transport
from gateway.protocol.report import Kind, Patrol, Report, Track, Urgency

REPORT_COLUMNS: Final = (
    *("device_id", "grid", "observed_at", "installation", "sequence", "class_code"),
    *("street_code", "lat_e5", "lon_e5", "accuracy_m", "edition", "pictures"),
    *("kind", "urgency", "patrol", "simple", "transport", "component", "description"),
)
"""Columns of `report` in the order in which `report_row` writes them."""

TRACK_COLUMNS: Final = (
    *("device_id", "installation", "sequence", "edition", "transport"),
    *("observed_at", "lat_e5", "lon_e5", "accuracy_m"),
)
"""Columns of `track` in the order in which `track_row` writes them."""

HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
"""Begins the data: signature, no flags, no header extension."""

TRAILER: Final = b"\xff\xff"
"""Ends the data: a row of -1 fields."""

_POSTGRES_EPOCH: Final = 946_684_800
"""2000-01-01T00:00:00Z, which PostgreSQL counts time from, in Unix seconds."""

_MICROSECONDS: Final = 1_000_000
_INT4_OID: Final = 23
_TIMESTAMPTZ_OID: Final = 1184
"""Types of array elements: numbers that PostgreSQL never changes (pg_type.dat)."""

_BIG, _INT, _SMALL = 8, 4, 2
_NULL: Final = b"\xff\xff\xff\xff"
_length_before = struct.Struct(">i").pack
_component_field = struct.Struct(">iq").pack
_report_head = struct.Struct(">h" + "iq" * 3 + "ii" * 7 + "ih" * 2).pack
_track_head = struct.Struct(">h" + "iq" + "ii" * 2 + "ih").pack
_array_head = struct.Struct(">iiiii").pack

Traits: TypeAlias = Mapping[tuple[int, int, int, bool], bytes]


class UnstorableError(ValueError):
    """A value does not fit its column. Says which item, never harms its neighbours."""


def _field(value: bytes) -> bytes:
    return _length_before(len(value)) + value


def _traits(transport: Transport) -> Traits:
    """The fields kind, urgency, patrol, simple and transport, made once for each combination."""
    return MappingProxyType(
        {
            (kind, urgency, patrol, simple): b"".join(
                map(
                    _field,
                    (
                        kind.name.lower().encode(),
                        urgency.name.lower().encode(),
                        patrol.name.lower().encode(),
                        bytes([simple]),
                        transport.encode(),
                    ),
                )
            )
            for kind, urgency, patrol, simple in product(Kind, Urgency, Patrol, (False, True))
        }
    )


TRAITS: Final[Mapping[Transport, Traits]] = MappingProxyType(
    {transport: _traits(transport) for transport in Transport}
)


def report_row(device_id: int, installation: int, traits: Traits, report: Report) -> bytes:
    """One row of `report`.

    Args:
        device_id: Whose report it is.
        installation: Of the handset's software.
        traits: `TRAITS` of the transport that it came over.
        report: The report.

    Raises:
        UnstorableError: A number is out of its column's range, or the text holds NUL or a
            surrogate, which PostgreSQL cannot store.
    """
    description = report.description
    if "\0" in description:
        raise UnstorableError("the description holds NUL")
    grid, component = report.grid, report.component
    try:
        # fmt: off
        head = _report_head(
            len(REPORT_COLUMNS),
            _BIG, device_id, _BIG, grid,
            _BIG, (report.observed_at - _POSTGRES_EPOCH) * _MICROSECONDS,
            _INT, installation, _INT, report.sequence, _INT, report.class_code,
            _INT, _street_of(grid), _INT, report.lat_e5, _INT, report.lon_e5,
            _INT, report.accuracy_m, _SMALL, report.edition, _SMALL, report.pictures,
        )
        # fmt: on
        fixed = traits[report.kind, report.urgency, report.patrol, report.simple]
        owner = _NULL if component is None else _component_field(_BIG, component)
        text = description.encode()
    except (struct.error, UnicodeEncodeError, KeyError) as error:
        raise UnstorableError(f"{type(error).__name__}: {error}") from error
    return head + fixed + owner + _length_before(len(text)) + text


def track_row(device_id: int, installation: int, transport: Transport, track: Track) -> bytes:
    """One row of `track`.

    Raises:
        UnstorableError: A number is out of its column's range.
    """
    points = track.points
    times = ((point.observed_at - _POSTGRES_EPOCH) * _MICROSECONDS for point in points)
    try:
        # fmt: off
        head = _track_head(
            len(TRACK_COLUMNS),
            _BIG, device_id, _INT, installation, _INT, track.sequence, _SMALL, track.edition,
        )
        # fmt: on
        return b"".join(
            (
                head,
                _field(transport.encode()),
                _array(_TIMESTAMPTZ_OID, "iq", _BIG, times),
                _array(_INT4_OID, "ii", _INT, (point.lat_e5 for point in points)),
                _array(_INT4_OID, "ii", _INT, (point.lon_e5 for point in points)),
                _array(_INT4_OID, "ii", _INT, (point.accuracy_m for point in points)),
            )
        )
    except struct.error as error:
        raise UnstorableError(f"{type(error).__name__}: {error}") from error


def copy_data(rows: Iterable[bytes]) -> memoryview:
    """The whole data of one COPY."""
    # asyncpg takes bytes for the name of a file, and a view of them for the data.
    return memoryview(b"".join((HEADER, *rows, TRAILER)))


def _street_of(grid: int) -> int:
    """The first nine of the 14 or 15 digits of a unit grid."""
    return grid // 100_000 if grid < 10**14 else grid // 1_000_000


def _array(element_oid: int, element: str, width: int, values: Iterable[int]) -> bytes:
    """A field that holds an array of one dimension: its head, then each value with its length."""
    pairs = tuple(chain.from_iterable((width, value) for value in values))
    count = len(pairs) // 2
    body = struct.pack(">" + element * count, *pairs)
    return _field(_array_head(1, 0, element_oid, count, 1) + body)
