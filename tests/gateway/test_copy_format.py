"""Rows of the binary COPY format, byte by byte, and what does not fit."""

import struct
from itertools import product

import pytest

from gateway.copy_format import (
    REPORT_COLUMNS,
    TRACK_COLUMNS,
    TRAITS,
    UnstorableError,
    copy_data,
    report_row,
    track_row,
)
from gateway.parcel import Transport
from gateway.protocol.report import Kind, Patrol, Urgency
from tests.helpers.builders import NOW, build_report, build_track, build_wide_report

POSTGRES_EPOCH = 946_684_800


def fields_of(row: bytes) -> list[bytes | None]:
    """The fields of one row, read as PostgreSQL's documentation says."""
    (count,) = struct.unpack_from(">h", row)
    place, fields = 2, []
    for _ in range(count):
        (length,) = struct.unpack_from(">i", row, place)
        place += 4
        fields.append(None if length < 0 else row[place : place + length])
        place += max(length, 0)
    assert place == len(row)
    return fields


def test_report_row() -> None:
    """Each column's value stands in its place, in network order."""
    report = build_report(component=4_403_070_101_000_123)
    fields = dict(zip(REPORT_COLUMNS, fields_of(row_of(report)), strict=True))
    numbers = {
        name: int.from_bytes(fields[name] or b"", signed=True)
        for name in (*REPORT_COLUMNS[:12], "component")
    }
    assert numbers == {
        "device_id": 5,
        "grid": report.grid,
        "observed_at": (report.observed_at - POSTGRES_EPOCH) * 1_000_000,
        "installation": 6,
        "sequence": 1,
        "class_code": 203,
        "street_code": 440_307_003,
        "lat_e5": report.lat_e5,
        "lon_e5": report.lon_e5,
        "accuracy_m": 12,
        "edition": 1,
        "pictures": 2,
        "component": 4_403_070_101_000_123,
    }
    texts = [fields[name] for name in ("kind", "urgency", "patrol", "simple", "transport")]
    assert texts == [b"event", b"ordinary", b"routine", b"\x01", b"tcp"]
    assert fields["description"] == report.description.encode()


def row_of(report: object) -> bytes:
    """A row of device 5, installation 6, over TCP."""
    return report_row(5, 6, TRAITS[Transport.TCP], report)  # type: ignore[arg-type]


def test_no_component_is_null() -> None:
    """A report about no component has null there, not zero."""
    assert fields_of(row_of(build_report()))[REPORT_COLUMNS.index("component")] is None


def test_street_of_a_wide_grid() -> None:
    """A 15-digit grid has its street in the first nine digits too."""
    field = fields_of(row_of(build_wide_report()))[REPORT_COLUMNS.index("street_code")]
    assert int.from_bytes(field or b"") == 440_307_003


@pytest.mark.parametrize("transport", list(Transport))
def test_every_combination_of_traits(transport: Transport) -> None:
    """Each kind, urgency, patrol and simple has its labels."""
    for kind, urgency, patrol, simple in product(Kind, Urgency, Patrol, (False, True)):
        fields = fields_of(b"\0\5" + TRAITS[transport][kind, urgency, patrol, simple])
        assert fields == [
            kind.name.lower().encode(),
            urgency.name.lower().encode(),
            patrol.name.lower().encode(),
            bytes([simple]),
            transport.value.encode(),
        ]


def test_track_row() -> None:
    """The four arrays hold one element for each point."""
    track = build_track(2)
    row = track_row(5, 6, Transport.MQTT, track)
    fields = dict(zip(TRACK_COLUMNS, fields_of(row), strict=True))
    assert fields["transport"] == b"mqtt"
    times = fields["observed_at"] or b""
    assert struct.unpack(">iiiiiiqiq", times) == (
        *(1, 0, 1184, 2, 1),
        *(8, (NOW - 120 - POSTGRES_EPOCH) * 1_000_000),
        *(8, (NOW - POSTGRES_EPOCH) * 1_000_000),
    )
    latitudes = struct.unpack(">iiiiiiiii", fields["lat_e5"] or b"")
    assert latitudes == (1, 0, 23, 2, 1, 4, 2_265_600, 4, 2_265_640)


def test_data_of_a_copy() -> None:
    """Signature, rows, trailer; a view of bytes, which the driver does not take for a file name."""
    data = copy_data([b"one", b"two"])
    assert bytes(data) == b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"onetwo\xff\xff"
    assert not isinstance(data, bytes)


def test_track_out_of_range() -> None:
    """A number out of its column's range is the track's own fault."""
    with pytest.raises(UnstorableError):
        track_row(5, 6, Transport.TCP, build_track(sequence=2**31))
