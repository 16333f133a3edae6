"""A store in memory: what tests of the stations before it use. Held honest by `store_contract`."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from gateway.copy_format import TRAITS, UnstorableError, report_row, track_row
from gateway.parcel import ItemVerdict, Parcel, Verdict
from gateway.protocol.errors import RefusalCode
from gateway.protocol.report import Report, Track
from gateway.recent import Key
from gateway.store_batch import UNREAD_FRAMES
from gateway.store_errors import StoreUnavailableError

Item = TypeVar("Item", Report, Track)


class MemoryStore:
    """Keeps what it is given. `is_away` makes it refuse as a database does that is not there; a
    cleared `go_on` holds every write until it is set again.
    """

    def __init__(self) -> None:
        self.reports: dict[Key, Report] = {}
        self.tracks: dict[Key, Track] = {}
        self.quarantine: list[tuple[int, int, int | None, RefusalCode, bytes]] = []
        self.batches: list[list[Parcel]] = []
        self.is_away = False
        self.bug: Exception | None = None
        """Raised by each write that holds more than nothing, until taken away."""
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.holds: Callable[[Sequence[Parcel]], bool] = lambda _parcels: False
        """Which writes wait for `release`."""
        self._held = 0
        self._held_more = asyncio.Event()
        self._released = asyncio.Event()

    async def write(self, parcels: Sequence[Parcel]) -> list[list[ItemVerdict]]:
        """See `PostgresStore.write`."""
        self.batches.append(list(parcels))
        await self.go_on.wait()
        if self.holds(parcels):
            self._held += 1
            self._held_more.set()
            await self._released.wait()
        if self.is_away:
            raise StoreUnavailableError("the database of this test is away")
        if self.bug is not None:
            raise self.bug
        return [self._write(parcel) for parcel in parcels]

    async def until_held(self, writes: int) -> None:
        """Wait until so many writes are held."""
        while self._held < writes:
            self._held_more.clear()
            await self._held_more.wait()

    def release(self) -> None:
        """Let all go on, and hold none any more."""
        self._released.set()

    async def report_keys(self) -> list[Key]:
        """Keys of all stored reports, ascending."""
        return sorted(self.reports)

    async def description(self, key: Key) -> str:
        """The text of one stored report."""
        return self.reports[key].description

    async def quarantined(self) -> list[tuple[int, int, int | None, int, bytes]]:
        """Device, installation, sequence, code and frame of all in quarantine, oldest first."""
        return [(*row[:3], int(row[3]), row[4]) for row in self.quarantine]

    def _write(self, parcel: Parcel) -> list[ItemVerdict]:
        verdicts = [
            self._put(parcel, report, self.reports, _report_fault) for report in parcel.reports
        ]
        verdicts += [self._put(parcel, track, self.tracks, _track_fault) for track in parcel.tracks]
        for rejected in parcel.rejected:
            self._keep(parcel, rejected.sequence, rejected.code)
            verdicts.append(ItemVerdict(rejected.sequence, Verdict.QUARANTINED, rejected.code))
        return verdicts

    def _put(
        self,
        parcel: Parcel,
        item: Item,
        table: dict[Key, Item],
        is_at_fault: Callable[[Parcel, Item], bool],
    ) -> ItemVerdict:
        key = (parcel.device_id, parcel.installation, item.sequence)
        code = RefusalCode.UNSTORABLE if is_at_fault(parcel, item) else None
        known = table.get(key)
        if code is None and known is not None:
            if known == item:
                return ItemVerdict(item.sequence, Verdict.DUPLICATE)
            code = RefusalCode.SEQUENCE_CONFLICT
        if code is not None:
            self._keep(parcel, item.sequence, code)
            return ItemVerdict(item.sequence, Verdict.QUARANTINED, code)
        table[key] = item
        return ItemVerdict(item.sequence, Verdict.STORED)

    def _keep(self, parcel: Parcel, sequence: int | None, code: RefusalCode) -> None:
        row = (parcel.device_id, parcel.installation, sequence, code, parcel.frame)
        same = [kept for kept in self.quarantine if kept[:4] == row[:4]]
        if sequence is None or code in UNREAD_FRAMES:
            same = [kept for kept in same if kept[4] == parcel.frame]
        if not same:
            self.quarantine.append(row)


def _report_fault(parcel: Parcel, report: Report) -> bool:
    try:
        report_row(parcel.device_id, parcel.installation, TRAITS[parcel.transport], report)
    except UnstorableError:
        return True
    return report.sequence < 1


def _track_fault(parcel: Parcel, track: Track) -> bool:
    try:
        track_row(parcel.device_id, parcel.installation, parcel.transport, track)
    except UnstorableError:
        return True
    return track.sequence < 1
