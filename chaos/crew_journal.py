"""The crew's memory: everything that it ever sent, what must become of it, what it was told.

SQLite, so that it is written before it is sent and can be read by the checks afterwards. One
process writes.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final

from chaos.crew_claims import STORED, Claim, Frame, Kind

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS claim (
    id INTEGER PRIMARY KEY,
    device INTEGER NOT NULL,
    installation INTEGER NOT NULL,
    sequence INTEGER,
    kind TEXT NOT NULL,
    code INTEGER NOT NULL,
    content BLOB NOT NULL,
    body BLOB NOT NULL,
    acked INTEGER NOT NULL DEFAULT 0,
    outcome INTEGER
);
CREATE UNIQUE INDEX IF NOT EXISTS claim_once
    ON claim (device, installation, ifnull(sequence, 0), kind, code, content);
CREATE TABLE IF NOT EXISTS frame (
    device INTEGER NOT NULL, installation INTEGER NOT NULL, body BLOB NOT NULL,
    UNIQUE (device, installation, body)
);
CREATE TABLE IF NOT EXISTS stray (
    device INTEGER NOT NULL, installation INTEGER NOT NULL, bytes BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS refusal (
    device INTEGER NOT NULL, installation INTEGER NOT NULL, sequence INTEGER NOT NULL,
    code INTEGER NOT NULL, times INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (device, installation, sequence, code)
);
CREATE TABLE IF NOT EXISTS through (
    device INTEGER NOT NULL, installation INTEGER NOT NULL, through INTEGER NOT NULL,
    PRIMARY KEY (device, installation)
);
"""

_OPEN: Final = """
SELECT id, device, installation, sequence, kind, code, content, body,
    sequence IS NOT NULL AND code = 0 AND NOT EXISTS (
        SELECT 1 FROM claim AS other
        WHERE other.device = claim.device AND other.installation = claim.installation
            AND ifnull(other.sequence, 0) = claim.sequence AND other.id <> claim.id
    ) AND NOT EXISTS (
        SELECT 1 FROM refusal
        WHERE refusal.device = claim.device AND refusal.installation = claim.installation
            AND refusal.sequence = claim.sequence
    ) AS sole, acked,
    EXISTS (
        SELECT 1 FROM refusal
        WHERE refusal.device = claim.device AND refusal.installation = claim.installation
            AND refusal.sequence = claim.sequence AND refusal.code = claim.code
    ) AS refused
FROM claim WHERE device = ? AND outcome IS NULL ORDER BY installation, id
"""


class Open:
    """A claim of which it is not known yet what became of it."""

    __slots__ = ("claim", "installation", "is_sole", "row")

    def __init__(self, row: int, installation: int, claim: Claim, *, is_sole: bool) -> None:
        self.row = row
        self.installation = installation
        self.claim = claim
        self.is_sole = is_sole
        """It is to be stored, nothing else was ever sent under its number, and the number was never
        refused: any ack of it is an ack of this."""


class Journal:
    """One file. Every call is written when it returns."""

    def __init__(self, file: Path) -> None:
        self._database = sqlite3.connect(file, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def add(self, device: int, installation: int, frames: Iterable[Frame]) -> None:
        """Note frames before they are sent; again is harmless."""
        with self._transaction() as database:
            for frame in frames:
                database.executemany(
                    "INSERT OR IGNORE INTO claim"
                    " (device, installation, sequence, kind, code, content, body)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    [
                        (device, installation, c.sequence, c.kind, c.code, c.content, c.body)
                        for c in frame.claims
                    ],
                )
                database.executemany(
                    "INSERT OR IGNORE INTO frame VALUES (?, ?, ?)",
                    [
                        (device, installation, body)
                        for body in {frame.body, *(claim.body for claim in frame.claims)}
                    ],
                )

    def add_stray(self, device: int, installation: int, stray: bytes) -> None:
        """Note bytes that end a stream because they are no frame."""
        self._database.execute("INSERT INTO stray VALUES (?, ?, ?)", (device, installation, stray))

    def acked(self, device: int, installation: int, first: int, last: int) -> None:
        """Numbers that are settled, as a gateway says."""
        self._database.execute(
            "UPDATE claim SET acked = 1"
            " WHERE device = ? AND installation = ? AND ifnull(sequence, 0) BETWEEN ? AND ?"
            " AND NOT acked",
            (device, installation, max(first, 1), last),
        )

    def acked_through(self, device: int, installation: int, through: int) -> None:
        """All numbers from 1 to this are settled, as a gateway says."""
        self._database.execute(
            "INSERT INTO through VALUES (?, ?, ?) ON CONFLICT DO UPDATE"
            " SET through = max(through, excluded.through)",
            (device, installation, through),
        )
        self.acked(device, installation, 1, through)

    def refused(self, device: int, installation: int, numbers: Iterable[int], code: int) -> None:
        """Numbers that were refused for good; 0 for what has none."""
        with self._transaction() as database:
            database.executemany(
                "INSERT INTO refusal (device, installation, sequence, code) VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET times = times + 1",
                [(device, installation, number, code) for number in numbers],
            )

    def settle(self, row: int, outcome: int) -> None:
        """What became of a claim: `STORED`, or the code it was refused with."""
        self._database.execute("UPDATE claim SET outcome = ? WHERE id = ?", (outcome, row))

    def open_claims(self, device: int) -> list[Open]:
        """Claims of a device that are not settled. What replies have said without a doubt is
        settled on the way.
        """
        found: list[Open] = []
        with self._transaction():
            for row, _, installation, *values, sole, acked, refused in self._database.execute(
                _OPEN, (device,)
            ).fetchall():
                claim = _claim(values)
                if sole and acked:
                    self.settle(row, STORED)
                elif refused and claim.kind is not Kind.FRAME:
                    self.settle(row, claim.code)
                else:
                    found.append(Open(row, installation, claim, is_sole=bool(sole)))
        return found

    def is_acked(self, row: int) -> bool:
        """Whether a claim's number was acked."""
        query = "SELECT acked FROM claim WHERE id = ?"
        return bool(self._database.execute(query, (row,)).fetchone()[0])

    def sample(self, random: Random, device: int, installation: int, most: int) -> list[bytes]:
        """Frames that were sent before, some of them twice, in no order."""
        bodies = [
            body
            for (body,) in self._database.execute(
                "SELECT body FROM frame WHERE device = ? AND installation = ?"
                " ORDER BY rowid DESC LIMIT ?",
                (device, installation, 4 * most),
            )
        ]
        return random.choices(bodies, k=most) if bodies else []

    def numbers(self, device: int, installation: int) -> Sequence[int]:
        """Numbers of reports that are to be stored."""
        return [
            number
            for (number,) in self._database.execute(
                "SELECT DISTINCT sequence FROM claim WHERE device = ? AND installation = ?"
                " AND kind = 'report' AND code = 0 ORDER BY sequence DESC LIMIT 500",
                (device, installation),
            )
        ]

    def contested(self, device: int, installation: int) -> frozenset[int]:
        """Numbers under which several things were sent."""
        return frozenset(
            number
            for (number,) in self._database.execute(
                "SELECT sequence FROM claim WHERE device = ? AND installation = ?"
                " GROUP BY sequence HAVING count(*) > 1",
                (device, installation),
            )
        )

    def installations(self, device: int) -> Sequence[int]:
        """Installations that have sent something, the newest first."""
        query = "SELECT installation FROM claim WHERE device = ? GROUP BY 1 ORDER BY max(id) DESC"
        return [number for (number,) in self._database.execute(query, (device,))]

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """What a query returns, for the checks."""
        return self._database.execute(query).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._database.execute("BEGIN")
        try:
            yield self._database
        finally:
            self._database.execute("COMMIT")


def _claim(values: Sequence[object]) -> Claim:
    sequence, kind, code, content, body = values
    assert sequence is None or isinstance(sequence, int)  # noqa: S101 -- the schema says so
    assert isinstance(code, int)  # noqa: S101 -- the same
    assert isinstance(content, bytes)  # noqa: S101 -- the same
    assert isinstance(body, bytes)  # noqa: S101 -- the same
    return Claim(sequence, Kind(str(kind)), code, content, body)
