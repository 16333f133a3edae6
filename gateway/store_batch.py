"""Sorts the items of many parcels into what goes to which table, without touching the database."""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from operator import attrgetter
from typing import Final

import msgspec

from gateway.copy_format import TRAITS, UnstorableError, report_row, track_row
from gateway.handlers.outcome import Rejected
from gateway.parcel import ItemVerdict, Parcel, Verdict
from gateway.protocol.errors import RefusalCode
from gateway.protocol.limits import MAX_SEQUENCE
from gateway.protocol.report import Report, Track, Urgency
from gateway.recent import Key, RecentlyCommitted

MAX_DETAIL_CHARACTERS: Final = 500
"""Longest reason kept in quarantine: it is for people, and may quote what a device sent."""

DIGEST_BYTES: Final = 16
"""128 bits tell frames and contents apart for ever; they guard nothing secret."""

ITEMS_AT_ONCE: Final = 64
"""Sorted in before others may use the event loop: half a millisecond."""

UNREAD_FRAMES: Final = frozenset(
    {
        RefusalCode.BAD_FRAME,
        RefusalCode.UNKNOWN_MESSAGE,
        RefusalCode.MALFORMED_MESSAGE,
        RefusalCode.UNEXPECTED_MESSAGE,
    }
)
"""Of such a frame the number is a guess: software that writes its fields in a wrong order gives all
its frames the same one, and each must be kept."""


class Row(msgspec.Struct, gc=False):
    """One report or track on its way into its table."""

    key: Key
    encoded: bytes
    item: Report | Track
    parcel: int
    """Index of its parcel in the batch."""
    place: int
    """Index of its verdict in the parcel's list."""


class Kept(msgspec.Struct, gc=False):
    """One row on its way into quarantine."""

    parcel: Parcel
    sequence: int | None
    code: RefusalCode
    detail: str
    distinct_by: bytes


class Batch:
    """The items of one transaction.

    Every verdict starts as what it will be if all goes well (STORED, or DUPLICATE for content
    that is known to be committed); what the database says otherwise is corrected through
    `duplicate`, `conflict` and `unstorable` before the verdicts are given out.
    """

    def __init__(self, parcels: Sequence[Parcel], recent: RecentlyCommitted) -> None:
        self.parcels = parcels
        self.verdicts: list[list[ItemVerdict]] = []
        self.kept: list[Kept] = []
        self._recent = recent
        self._first_reports: dict[Key, Row] = {}
        self._first_tracks: dict[Key, Row] = {}
        self._repeats: list[tuple[Row, Row]] = []
        self._is_built = False
        self._is_corrected = False
        """Whether the database said otherwise of a row."""
        self._emergencies: list[Row] = []
        self.reports: list[Row] = []
        self.tracks: list[Row] = []

    def build(self) -> Iterator[None]:
        """Sort in everything, before all else. Yields after each `ITEMS_AT_ONCE` items, so that the
        caller can let others use the event loop.
        """
        items = 0
        for index, parcel in enumerate(self.parcels):
            if items >= ITEMS_AT_ONCE:
                yield
                items = 0
            self._add(index, parcel)
            items += parcel.load
        # In order of key: two transactions that share keys then never wait for each other in a
        # circle, and the index is filled from left to right.
        self.reports = sorted(self._first_reports.values(), key=by_key)
        self.tracks = sorted(self._first_tracks.values(), key=by_key)
        self._is_built = True

    def duplicate(self, row: Row) -> None:
        """The same content was committed before."""
        self._set(row, Verdict.DUPLICATE, None)

    def conflict(self, row: Row) -> None:
        """Another content is stored under the key: keep this one too, in quarantine."""
        content = blake2b(msgspec.msgpack.encode(row.item), digest_size=DIGEST_BYTES).digest()
        detail = "another report is stored under this sequence number"
        self._quarantine(row, RefusalCode.SEQUENCE_CONFLICT, detail, content)

    def unstorable(self, row: Row, detail: str) -> None:
        """The database cannot take it."""
        self._quarantine(row, RefusalCode.UNSTORABLE, detail, b"")

    def settle_repeats(self) -> None:
        """Give each repetition within the batch the verdict that follows from its first."""
        for row, first in self._repeats:
            verdict = self.verdicts[first.parcel][first.place]
            if verdict.verdict is Verdict.STORED:
                self.duplicate(row)
            else:
                self.verdicts[row.parcel][row.place] = verdict

    def stored(self) -> list[Row]:
        """The reports that are new, in order of key."""
        return list(filter(self._is_stored, self.reports)) if self._is_corrected else self.reports

    def stored_emergencies(self) -> int:
        """How many of them are emergencies."""
        return sum(map(self._is_stored, self._emergencies))

    def committed(self) -> dict[Key, Report | Track]:
        """The reports that may be remembered as committed with exactly this content. Tracks are too
        large for that, up to 48 KB each, and seldom come again.
        """
        return {
            row.key: row.item
            for row in self.reports
            if self.verdicts[row.parcel][row.place].code is None
        }

    def _add(self, index: int, parcel: Parcel) -> None:
        """Sort in one parcel. The busiest loop of the gateway: hence the local names."""
        device_id, installation = parcel.device_id, parcel.installation
        traits = TRAITS[parcel.transport]
        verdicts: list[ItemVerdict] = []
        self.verdicts.append(verdicts)
        for report in parcel.reports:
            sequence = report.sequence
            row = Row((device_id, installation, sequence), b"", report, index, len(verdicts))
            if report.urgency == _EMERGENCY:
                self._emergencies.append(row)
            verdicts.append(ItemVerdict(sequence, Verdict.STORED))
            try:
                row.encoded = report_row(device_id, installation, traits, report)
            except UnstorableError as error:
                self.unstorable(row, str(error))
            else:
                self._sort_in(row, self._first_reports)
        for track in parcel.tracks:
            sequence = track.sequence
            row = Row((device_id, installation, sequence), b"", track, index, len(verdicts))
            verdicts.append(ItemVerdict(sequence, Verdict.STORED))
            try:
                row.encoded = track_row(device_id, installation, parcel.transport, track)
            except UnstorableError as error:
                self.unstorable(row, str(error))
            else:
                self._sort_in(row, self._first_tracks)
        for rejected in parcel.rejected:
            verdicts.append(ItemVerdict(rejected.sequence, Verdict.QUARANTINED, rejected.code))
            self.kept.append(_kept(parcel, rejected))

    def _sort_in(self, row: Row, firsts: dict[Key, Row]) -> None:
        if self._recent.holds(row.key, row.item):
            self.duplicate(row)
            return
        first = firsts.setdefault(row.key, row)
        if first is row:
            return
        if first.item == row.item:
            self._repeats.append((row, first))
        else:
            # Should the first prove unstorable, this one is still kept whole in quarantine.
            self.conflict(row)

    def _quarantine(self, row: Row, code: RefusalCode, detail: str, distinct_by: bytes) -> None:
        self._set(row, Verdict.QUARANTINED, code)
        parcel = self.parcels[row.parcel]
        kept = _kept(parcel, Rejected(row.item.sequence, code, detail))
        kept.distinct_by = distinct_by or kept.distinct_by
        self.kept.append(kept)

    def _is_stored(self, row: Row) -> bool:
        return self.verdicts[row.parcel][row.place].verdict is Verdict.STORED

    def _set(self, row: Row, verdict: Verdict, code: RefusalCode | None) -> None:
        self._is_corrected |= self._is_built
        self.verdicts[row.parcel][row.place] = ItemVerdict(row.item.sequence, verdict, code)


by_key = attrgetter("key")
_EMERGENCY: Final = int(Urgency.EMERGENCY)


def frame_digest(frame: bytes) -> bytes:
    """What a quarantined frame is known by."""
    return blake2b(frame, digest_size=DIGEST_BYTES).digest()


def _kept(parcel: Parcel, rejected: Rejected) -> Kept:
    sequence, detail = rejected.sequence, rejected.detail
    if sequence is not None and not 0 <= sequence <= MAX_SEQUENCE:
        detail, sequence = f"sequence {sequence}: {detail}", None
    readable = detail.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
    is_numbered = sequence is not None and rejected.code not in UNREAD_FRAMES
    distinct_by = b"" if is_numbered else frame_digest(parcel.frame)
    return Kept(parcel, sequence, rejected.code, readable[:MAX_DETAIL_CHARACTERS], distinct_by)


def encoded(rows: Iterable[Row]) -> Iterable[bytes]:
    """The rows as COPY wants them."""
    return (row.encoded for row in rows)
