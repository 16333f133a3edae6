"""Reads the crew's journal, and the rows of its devices."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

from chaos.crew_claims import Kind, content_of
from device_sim.verify import stored_rows
from gateway.protocol.report import Track, TrackPoint

_CLAIMS: Final = """
SELECT device, installation, sequence, kind, code, content, acked, outcome FROM claim ORDER BY id
"""
_TRACKS: Final = """
SELECT device_id, installation, sequence, edition,
    ARRAY(
        SELECT extract(epoch FROM at)::bigint
        FROM unnest(observed_at) WITH ORDINALITY AS point (at, place) ORDER BY place
    ),
    lat_e5, lon_e5, accuracy_m
FROM track WHERE device_id = ANY(%s)
"""
_QUARANTINE: Final = """
SELECT quarantine.id, device_id, installation, sequence, code, coalesce(frame, '')
FROM quarantine LEFT JOIN quarantined_frame ON digest = frame_digest
WHERE device_id = ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class Sent:
    """A claim of the journal, and what was heard of it."""

    device: int
    installation: int
    sequence: int | None
    kind: Kind
    code: int
    """What must become of it: 0, or a refusal code."""
    content: bytes
    acked: bool
    """Whether its number was."""
    outcome: int | None
    """What became of it."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A row of quarantine with its frame."""

    number: int
    device: int
    installation: int
    sequence: int | None
    code: int
    frame: bytes

    @property
    def where(self) -> str:
        """For people."""
        place = f"device {self.device} installation {self.installation} sequence {self.sequence}"
        return f"quarantine {self.number}: {place}, code {self.code}"


def read_journal(
    journal: Path,
) -> tuple[
    list[Sent],
    set[tuple[int, int, bytes]],
    list[tuple[int, int, bytes]],
    list[tuple[int, int, int, int]],
    dict[tuple[int, int], int],
]:
    """Claims, frames, strays, refusals, and the highest cumulative acks."""
    with closing(sqlite3.connect(journal)) as database:
        sent = [
            Sent(device, installation, sequence, Kind(kind), code, content, bool(acked), outcome)
            for device, installation, sequence, kind, code, content, acked, outcome in (
                database.execute(_CLAIMS)
            )
        ]
        frames = set(database.execute("SELECT device, installation, body FROM frame"))
        strays = list(database.execute("SELECT device, installation, bytes FROM stray"))
        refusals = list(
            database.execute("SELECT device, installation, sequence, code FROM refusal")
        )
        through = {
            (device, installation): number
            for device, installation, number in database.execute("SELECT * FROM through")
        }
    return sent, frames, strays, refusals, through


def read_tables(
    dsn: str, devices: Sequence[int]
) -> tuple[dict[tuple[Kind, int, int, int], bytes], list[Kept]]:
    """Contents of reports and tracks by key, and the quarantine, of these devices."""
    rows = {
        (Kind.REPORT, row.device, row.installation, row.report.sequence): content_of(row.report)
        for row in stored_rows(dsn, devices)
    }
    with psycopg.connect(dsn) as connection:
        for found in connection.execute(_TRACKS, (list(devices),)):
            device, installation, track = _track(found)
            rows[Kind.TRACK, device, installation, track.sequence] = content_of(track)
        kept = [
            Kept(number, device, installation, sequence, code, bytes(frame))
            for number, device, installation, sequence, code, frame in connection.execute(
                _QUARANTINE, (list(devices),)
            )
        ]
    return rows, kept


def _track(row: Sequence[Any]) -> tuple[int, int, Track]:
    device, installation, sequence, edition, *columns = row
    points = tuple(TrackPoint(*values) for values in zip(*columns, strict=True))
    return device, installation, Track(sequence, edition, points)
