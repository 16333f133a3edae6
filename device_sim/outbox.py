"""The fleet's durable outbox: one SQLite file that says what was written, sent, acked and refused.

A report is in the file before it is first sent. Marks of sending and settling may lag behind by
one `flush`: a run that resumes from the file takes everything unsettled as perhaps sent and sends
it again, which the gateway recognises. The file is also the record that verification reads.

Calls are synchronous and short (a commit takes about 0.1 ms), and there is one writer.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, unique
from pathlib import Path
from typing import Final

import msgspec

from device_sim import task_record
from device_sim.task_record import TaskRecord
from gateway.protocol.errors import RefusalCode
from gateway.protocol.report import Report

FORMAT: Final = "2"
"""Of the file. A file of another format is refused, never converted."""

READ_ROWS: Final = 2_000
"""Rows fetched at a time when the whole file is read: bounds memory to about a megabyte."""

SCHEMA: Final = """
CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE handset (
    device INTEGER PRIMARY KEY,
    installation INTEGER NOT NULL,
    installations INTEGER NOT NULL    -- how many this handset has had, the present one included
);
CREATE TABLE report (
    device INTEGER NOT NULL,
    installation INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    serial INTEGER NOT NULL,          -- which of the inspector's reports: 1, 2, ... as written
    state INTEGER NOT NULL,           -- 0 unsettled, 1 acked, 2 refused
    transmissions INTEGER NOT NULL,
    code INTEGER,                     -- of the refusal
    content BLOB NOT NULL,            -- msgpack: the fields of Report behind `sequence`
    PRIMARY KEY (device, installation, sequence)
) WITHOUT ROWID;
"""


@unique
class State(IntEnum):
    """What is known of a report."""

    UNSETTLED = 0
    ACKED = 1
    REFUSED = 2


class OutboxMismatchError(Exception):
    """The file belongs to another run: other scenario, seed, fleet or format."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a handset stands."""

    installation: int
    installations: int
    """How many installations it has had, the present one included."""
    next_sequence: int
    written: int
    """How many of the inspector's reports are in the file."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the record."""

    device: int
    installation: int
    report: Report
    state: State
    transmissions: int
    code: int | None


@dataclass(frozen=True, slots=True)
class Totals:
    """Reports in the file. A report that was renumbered counts once."""

    written: int
    acked: int
    refused: int
    transmissions: int


@dataclass(slots=True)
class _Mark:
    """What is to be noted of one report at the next flush."""

    transmissions: int = 0
    state: State | None = None
    code: int | None = None


class Outbox:
    """The outbox of all handsets.

    Args:
        path: the file; it is made when it is missing.
        identity: what the run is (scenario, seed, ...); a file of another identity is refused.

    Raises:
        OutboxMismatchError: the file belongs to another run.
        sqlite3.Error: the file cannot be read or written, or is no SQLite file.
    """

    def __init__(self, path: Path, identity: Mapping[str, str]) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self.tasks = TaskRecord(self._database)
        """What the handsets noted of their tasks."""
        self._marks: dict[tuple[int, int, int], _Mark] = {}
        # In WAL mode with NORMAL a commit survives the death of the process; after a power cut the
        # last ones may be gone, and the seed writes the same reports under the same numbers again.
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self.is_new = self._open(path, {"format": FORMAT, **identity})
        """Whether the file was made just now."""

    def _open(self, path: Path, settings: Mapping[str, str]) -> bool:
        tables = self._database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if not tables[0]:
            self._database.executescript(f"BEGIN; {SCHEMA} {task_record.SCHEMA} COMMIT;")
            self._database.executemany("INSERT INTO setting VALUES (?, ?)", settings.items())
            return True
        try:
            found = dict(self._database.execute("SELECT name, value FROM setting"))
        except sqlite3.OperationalError:
            found = {}
        for name, value in settings.items():
            if found.get(name) != value:
                detail = f"{name} is {found.get(name, 'not stated')} there and {value} here"
                raise OutboxMismatchError(f"{path} belongs to another run: {detail}")
        return False

    def close(self) -> None:
        """Write the marks and close the file."""
        self.flush()
        self._database.close()

    # Writing reports.

    def begin(self, device: int, installation: int) -> None:
        """Note the first installation of a handset."""
        self._database.execute("INSERT INTO handset VALUES (?, ?, 1)", (device, installation))

    def add(
        self, device: int, installation: int, first_serial: int, reports: Sequence[Report]
    ) -> None:
        """Make reports durable: when this returns they may be sent."""
        self._database.execute("BEGIN")
        self._database.executemany(
            "INSERT INTO report VALUES (?, ?, ?, ?, 0, 0, NULL, ?)",
            [
                (device, installation, report.sequence, serial, _content(report))
                for serial, report in enumerate(reports, first_serial)
            ],
        )
        self._database.execute("COMMIT")

    def renumber(
        self,
        device: int,
        installation: int,
        new_installation: int,
        moves: Sequence[tuple[int, int]],
    ) -> None:
        """Begin a new installation and take reports over, as pairs of old and new number.

        An unsettled report leaves its old number; a refused one stays there as well, as the record
        of the refusal.
        """
        self._database.execute("BEGIN")
        self._write_marks()
        self._database.executemany(
            "INSERT INTO report SELECT device, ?, ?, serial, 0, 0, NULL, content FROM report"
            " WHERE device = ? AND installation = ? AND sequence = ?",
            [(new_installation, new, device, installation, old) for old, new in moves],
        )
        self._database.executemany(
            "DELETE FROM report"
            " WHERE device = ? AND installation = ? AND sequence = ? AND state = 0",
            [(device, installation, old) for old, _ in moves],
        )
        self._database.execute(
            "UPDATE handset SET installation = ?, installations = installations + 1"
            " WHERE device = ?",
            (new_installation, device),
        )
        self._database.execute("COMMIT")

    # Marks.

    def note_sent(self, device: int, installation: int, reports: Iterable[Report]) -> None:
        """Count one more transmission of each; written at the next flush."""
        for report in reports:
            self._mark(device, installation, report.sequence).transmissions += 1

    def note_settled(
        self, device: int, installation: int, sequence: int, code: int | None = None
    ) -> None:
        """Note an ack, or with a code a final refusal; written at the next flush."""
        mark = self._mark(device, installation, sequence)
        mark.state = State.ACKED if code is None else State.REFUSED
        mark.code = code

    @property
    def marks(self) -> int:
        """Reports whose marks wait for the next flush."""
        return len(self._marks)

    def flush(self) -> None:
        """Write all marks in one transaction."""
        if self._marks:
            self._database.execute("BEGIN")
            self._write_marks()
            self._database.execute("COMMIT")

    def _mark(self, device: int, installation: int, sequence: int) -> _Mark:
        key = (device, installation, sequence)
        mark = self._marks.get(key)
        if mark is None:
            mark = self._marks[key] = _Mark()
        return mark

    def _write_marks(self) -> None:
        self._database.executemany(
            "UPDATE report SET transmissions = transmissions + ?, state = coalesce(?, state),"
            " code = coalesce(?, code) WHERE device = ? AND installation = ? AND sequence = ?",
            [
                (mark.transmissions, mark.state, mark.code, *key)
                for key, mark in self._marks.items()
            ],
        )
        self._marks.clear()

    # Reading.

    def position(self, device: int) -> Position | None:
        """Where a handset stands, or None when it has never begun."""
        row = self._database.execute(
            "SELECT installation, installations FROM handset WHERE device = ?", (device,)
        ).fetchone()
        if row is None:
            return None
        last, written = self._database.execute(
            "SELECT max(sequence) FILTER (WHERE installation = ?), max(serial) FROM report"
            " WHERE device = ?",
            (row[0], device),
        ).fetchone()
        return Position(row[0], row[1], (last or 0) + 1, written or 0)

    def unsettled(self, device: int, installation: int) -> list[Report]:
        """What an installation still has to bring home, in the order of its numbers."""
        return self._reports(device, installation, State.UNSETTLED, None)

    def conflicting(self, device: int, installation: int) -> list[Report]:
        """What was refused because its number is taken. In the present installation it has not been
        renumbered yet.
        """
        return self._reports(device, installation, State.REFUSED, RefusalCode.SEQUENCE_CONFLICT)

    def _reports(
        self, device: int, installation: int, state: State, code: int | None
    ) -> list[Report]:
        rows = self._database.execute(
            "SELECT sequence, content FROM report WHERE device = ? AND installation = ?"
            " AND state = ? AND code IS ? ORDER BY sequence",
            (device, installation, state, code),
        )
        return [_report(sequence, content) for sequence, content in rows]

    def totals(self) -> Totals:
        """Counts over the whole file, marks included. Writes the marks first."""
        self.flush()
        # A conflict's row stays where its report was refused; the report itself has moved on.
        row = self._database.execute(
            "SELECT count(DISTINCT (device << 20) + serial),"
            " count(*) FILTER (WHERE state = 1), count(*) FILTER (WHERE state = 2),"
            " coalesce(sum(transmissions), 0) FROM report"
        ).fetchone()
        return Totals(*row)

    def entries(self) -> Iterator[Entry]:
        """The whole record in the order of device, installation and number."""
        cursor = self._database.execute(
            "SELECT device, installation, sequence, content, state, transmissions, code"
            " FROM report ORDER BY device, installation, sequence"
        )
        while rows := cursor.fetchmany(READ_ROWS):
            for device, installation, sequence, content, state, sent, code in rows:
                report = _report(sequence, content)
                yield Entry(device, installation, report, State(state), sent, code)


def _content(report: Report) -> bytes:
    return msgspec.msgpack.encode(msgspec.structs.astuple(report)[1:])


def _report(sequence: int, content: bytes) -> Report:
    return Report(sequence, *msgspec.msgpack.decode(content))
