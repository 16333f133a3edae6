"""Row by row: what the fleet wrote against what PostgreSQL holds.

Both sides are read in the order of the key and merged, so memory does not grow with their number.
psycopg reads here, not asyncpg: a second driver, and no asyncio in the simulator.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import psycopg

from device_sim.outbox import Entry, State
from gateway.protocol.errors import RefusalCode
from gateway.protocol.report import Kind, Patrol, Report, Urgency
from gateway.protocol.tables import Edition

EXAMPLES: Final = 5
"""How many differences of each kind are told; all are counted."""

FETCH_ROWS: Final = 2_000
"""Rows of the database held in memory."""

Key = tuple[int, int, int]
"""Device, installation, sequence."""

_QUERY: Final = """
SELECT device_id, installation, sequence, edition, extract(epoch FROM observed_at)::bigint,
       kind::text, class_code, urgency::text, simple, patrol::text, grid, lat_e5, lon_e5,
       accuracy_m, description, pictures, component, street_code
FROM (SELECT * FROM report UNION ALL SELECT * FROM report_archive) AS report
WHERE device_id = ANY(%s) ORDER BY device_id, installation, sequence
"""
_KINDS: Final = {kind.name.lower(): int(kind) for kind in Kind}
_URGENCIES: Final = {urgency.name.lower(): int(urgency) for urgency in Urgency}
_PATROLS: Final = {patrol.name.lower(): int(patrol) for patrol in Patrol}


@dataclass(frozen=True, slots=True)
class Stored:
    """One row of the table."""

    device: int
    installation: int
    report: Report
    street_code: int


@dataclass(slots=True)
class Comparison:
    """What was found."""

    equal: int = 0
    missing: int = 0
    """Written by the fleet and not in the table, acked or not."""
    missing_acked: int = 0
    """Of these such as were acked: the contract is broken."""
    extra: int = 0
    """In the table for a device of the fleet, and not written by it."""
    altered: int = 0
    """In the table with another content."""
    examples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        """Whether nothing is missing, extra or altered."""
        return not (self.missing or self.extra or self.altered)

    def note(self, kind: str, text: str) -> None:
        """Keep one of the first few differences of a kind."""
        examples = self.examples.setdefault(kind, [])
        if len(examples) < EXAMPLES:
            examples.append(text)


def compare(entries: Iterable[Entry], rows: Iterable[Stored], edition: Edition) -> Comparison:
    """Merge the record and the table, both in the order of the key.

    A number that was refused because it is taken is expected to hold nothing of this fleet: its
    report went on under another one.
    """
    result = Comparison()
    left = (entry for entry in entries if entry.code != RefusalCode.SEQUENCE_CONFLICT)
    right = iter(rows)
    entry, row = next(left, None), next(right, None)
    while entry is not None or row is not None:
        if row is None or (entry is not None and _key(entry) < _key(row)):
            _missing(result, entry)
            entry = next(left, None)
        elif entry is None or _key(row) < _key(entry):
            result.extra += 1
            result.note("extra", f"{_name(row)}: {row.report.description!r}")
            row = next(right, None)
        else:
            _compare_pair(result, entry, row, edition)
            entry, row = next(left, None), next(right, None)
    return result


def _missing(result: Comparison, entry: Entry | None) -> None:
    if entry is None:
        return
    result.missing += 1
    known = entry.state.name.lower()
    if entry.state is State.ACKED:
        result.missing_acked += 1
    elif entry.code is not None:
        known = f"refused with code {entry.code}"
    result.note("missing", f"{_name(entry)}: {known}, sent {entry.transmissions} times")


def _compare_pair(result: Comparison, entry: Entry, row: Stored, edition: Edition) -> None:
    differences = _differences(entry.report, row.report)
    street = edition.street_of(entry.report.grid)
    if row.street_code != street:
        differences.append(f"street_code {street} became {row.street_code}")
    if differences:
        result.altered += 1
        result.note("altered", f"{_name(entry)}: {'; '.join(differences)}")
    else:
        result.equal += 1


def _differences(written: Report, stored: Report) -> list[str]:
    if written == stored:
        return []
    return [
        f"{name} {before!r} became {after!r}"
        for name in Report.__struct_fields__
        if (before := getattr(written, name)) != (after := getattr(stored, name))
    ]


def _key(item: Entry | Stored) -> Key:
    return item.device, item.installation, item.report.sequence


def _name(item: Entry | Stored) -> str:
    return "device {} installation {} sequence {}".format(*_key(item))


def stored_rows(dsn: str, devices: Sequence[int]) -> Iterator[Stored]:
    """The rows of these devices in the order of the key.

    Raises:
        psycopg.Error: the database cannot be reached or has no such table.
    """
    with psycopg.connect(dsn) as connection, connection.cursor("device_sim_verify") as cursor:
        cursor.itersize = FETCH_ROWS
        cursor.execute(_QUERY, (list(devices),))
        for row in cursor:
            yield _stored(row)


def _stored(row: Sequence[object]) -> Stored:
    device, installation, sequence, edition, observed_at, kind, class_code, urgency, *rest = row
    simple, patrol, *others, street_code = rest
    values = (
        sequence,
        edition,
        observed_at,
        _KINDS[str(kind)],
        class_code,
        _URGENCIES[str(urgency)],
        simple,
        _PATROLS[str(patrol)],
        *others,
    )
    return Stored(_int(device), _int(installation), Report(*values), _int(street_code))  # type: ignore[arg-type]  # the query's columns have Report's types


def _int(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"not a number: {value!r}")
    return value
