"""What every store must do. The real one and the fake of the tests both run through it."""

from collections.abc import Sequence
from typing import Protocol

import pytest

from gateway.handlers.outcome import Rejected
from gateway.parcel import ItemVerdict, Parcel, Transport, Verdict
from gateway.protocol.errors import RefusalCode
from gateway.protocol.report import Report
from gateway.recent import Key
from tests.helpers.builders import build_report, build_reports, build_track

DEVICE = 860_000_000_000_001
INSTALLATION = 77


class InspectedStore(Protocol):
    """A store and a look into it."""

    async def write(self, parcels: Sequence[Parcel]) -> list[list[ItemVerdict]]:
        """Under test."""
        ...

    async def report_keys(self) -> list[Key]:
        """Keys of all stored reports, ascending."""
        ...

    async def description(self, key: Key) -> str:
        """The text of one stored report."""
        ...

    async def quarantined(self) -> list[tuple[int, int, int | None, int, bytes]]:
        """Device, installation, sequence, code and frame of all in quarantine, oldest first."""
        ...


def parcel_of(
    *reports: Report, device_id: int = DEVICE, frame: bytes = b"frame", **changes: object
) -> Parcel:
    """A parcel of the contract's device."""
    parcel = Parcel(device_id, INSTALLATION, Transport.TCP, frame, list(reports))
    for name, value in changes.items():
        setattr(parcel, name, value)
    return parcel


def key_of(sequence: int) -> Key:
    """The key of a report of the contract's device."""
    return (DEVICE, INSTALLATION, sequence)


async def verdicts_on(store: InspectedStore, *parcels: Parcel) -> list[list[tuple[object, ...]]]:
    """Write, and give (sequence, verdict, code) for each item."""
    verdicts = await store.write(parcels)
    return [[(item.sequence, item.verdict, item.code) for item in items] for items in verdicts]


CONFLICT = (Verdict.QUARANTINED, RefusalCode.SEQUENCE_CONFLICT)
UNSTORABLE = (Verdict.QUARANTINED, RefusalCode.UNSTORABLE)


@pytest.mark.asyncio
class StoreContract:
    """Subclass it with a fixture `store`."""

    async def test_new_reports_are_stored(self, store: InspectedStore) -> None:
        """Each report becomes one row with the verdict STORED, in the order given."""
        verdicts = await verdicts_on(store, parcel_of(*build_reports(3)))
        assert verdicts == [[(n, Verdict.STORED, None) for n in (1, 2, 3)]]
        assert await store.report_keys() == [key_of(n) for n in (1, 2, 3)]

    async def test_nothing_is_a_batch_too(self, store: InspectedStore) -> None:
        """An empty batch and a parcel without items give no verdicts and no rows."""
        assert await store.write([]) == []
        assert await store.write([parcel_of()]) == [[]]

    async def test_repetition_is_a_duplicate(self, store: InspectedStore) -> None:
        """The same content under the same key is acked again and stored once."""
        reports = build_reports(3)
        await store.write([parcel_of(*reports[:2])])
        verdicts = await verdicts_on(store, parcel_of(*reports))
        kinds = (Verdict.DUPLICATE, Verdict.DUPLICATE, Verdict.STORED)
        assert verdicts == [[(n, kind, None) for n, kind in zip((1, 2, 3), kinds, strict=True)]]
        assert len(await store.report_keys()) == 3

    async def test_repetition_within_a_batch(self, store: InspectedStore) -> None:
        """The second of two equal reports in one batch is the duplicate."""
        verdicts = await verdicts_on(store, parcel_of(build_report()), parcel_of(build_report()))
        assert verdicts == [[(1, Verdict.STORED, None)], [(1, Verdict.DUPLICATE, None)]]

    async def test_other_content_is_kept(self, store: InspectedStore) -> None:
        """A restored handset that reuses a number loses nothing: the second goes to quarantine."""
        await store.write([parcel_of(build_report(description="first"))])
        second = parcel_of(build_report(description="second"), frame=b"second frame")
        assert await verdicts_on(store, second) == [[(1, *CONFLICT)]]
        assert await store.description(key_of(1)) == "first"
        assert await store.quarantined() == [
            (DEVICE, INSTALLATION, 1, RefusalCode.SEQUENCE_CONFLICT, b"second frame")
        ]

    async def test_other_content_within_a_batch(self, store: InspectedStore) -> None:
        """Of two contents under one key in one batch the first is stored, the second kept."""
        first, second = build_report(description="first"), build_report(description="second")
        assert await verdicts_on(store, parcel_of(first, second)) == [
            [(1, Verdict.STORED, None), (1, *CONFLICT)]
        ]
        assert await store.description(key_of(1)) == "first"

    async def test_conflict_again_makes_no_second_row(self, store: InspectedStore) -> None:
        """A conflicting report that is sent again gets the same answer and no second row."""
        await store.write([parcel_of(build_report(description="first"))])
        for _ in range(2):
            second = parcel_of(build_report(description="second"))
            assert await verdicts_on(store, second) == [[(1, *CONFLICT)]]
        assert len(await store.quarantined()) == 1

    @pytest.mark.parametrize(
        "changes",
        [
            {"description": "a\0b"},
            {"description": "\ud800"},
            {"accuracy_m": 2**31},
            {"grid": 2**63},
            {"component": 2**63},
            {"sequence": 2**31},
            {"observed_at": 2**62},
            {"urgency": 9},
        ],
        ids=str,
    )
    async def test_bad_report_costs_only_itself(
        self, store: InspectedStore, changes: dict[str, object]
    ) -> None:
        """What no column can hold goes to quarantine with its frame; neighbours are stored."""
        bad = build_report(**{"sequence": 2} | changes)
        verdicts = await verdicts_on(
            store, parcel_of(*build_reports(1)), parcel_of(bad, build_report(sequence=3))
        )
        assert verdicts == [
            [(1, Verdict.STORED, None)],
            [(bad.sequence, *UNSTORABLE), (3, Verdict.STORED, None)],
        ]
        assert await store.report_keys() == [key_of(1), key_of(3)]
        assert [row[3:] for row in await store.quarantined()] == [
            (RefusalCode.UNSTORABLE, b"frame")
        ]

    async def test_report_that_breaks_a_rule_of_the_table(self, store: InspectedStore) -> None:
        """A sequence of zero passes the encoder and not the table; it costs only itself too."""
        reports = [*build_reports(5), build_report(sequence=0), *build_reports(5, 6)]
        (verdicts,) = await verdicts_on(store, parcel_of(*reports))
        assert verdicts[5] == (0, *UNSTORABLE)
        assert len(await store.report_keys()) == 10

    async def test_rejected_items_go_to_quarantine(self, store: InspectedStore) -> None:
        """What a handler rejected is kept whole beside the stored rest of its frame."""
        rejected = [Rejected(2, RefusalCode.UNKNOWN_CLASS, "class 9999")]
        parcel = parcel_of(build_report(), rejected=rejected, frame=b"whole")
        for verdict in (Verdict.STORED, Verdict.DUPLICATE):
            assert await verdicts_on(store, parcel) == [
                [(1, verdict, None), (2, Verdict.QUARANTINED, RefusalCode.UNKNOWN_CLASS)]
            ]
        assert await store.quarantined() == [
            (DEVICE, INSTALLATION, 2, RefusalCode.UNKNOWN_CLASS, b"whole")
        ]

    async def test_quarantined_number_may_come_valid(self, store: InspectedStore) -> None:
        """A number in quarantine does not bar a valid report under it."""
        rejected = [Rejected(1, RefusalCode.UNKNOWN_EDITION, "edition 9")]
        await store.write([parcel_of(rejected=rejected)])
        verdicts = await verdicts_on(store, parcel_of(build_report()))
        assert verdicts == [[(1, Verdict.STORED, None)]]

    async def test_frames_without_a_number(self, store: InspectedStore) -> None:
        """Frames whose number cannot be read are each kept, the same one once."""
        rejected = [Rejected(None, RefusalCode.MALFORMED_MESSAGE, "not msgpack")]
        for frame in (b"one", b"two", b"one"):
            verdicts = await verdicts_on(store, parcel_of(rejected=rejected, frame=frame))
            assert verdicts == [[(None, Verdict.QUARANTINED, RefusalCode.MALFORMED_MESSAGE)]]
        assert [row[4] for row in await store.quarantined()] == [b"one", b"two"]

    async def test_frames_whose_number_is_a_guess(self, store: InspectedStore) -> None:
        """Malformed frames are each kept, though all seem to bring the same number."""
        rejected = [Rejected(1, RefusalCode.MALFORMED_MESSAGE, "fields in a wrong order")]
        for frame in (b"one", b"two", b"one"):
            await store.write([parcel_of(rejected=rejected, frame=frame)])
        assert [row[4] for row in await store.quarantined()] == [b"one", b"two"]

    async def test_tracks(self, store: InspectedStore) -> None:
        """A track is stored, recognised when it comes again, and kept when its content differs."""
        track, other = build_track(3), build_track(2)
        assert await verdicts_on(store, parcel_of(tracks=[track])) == [[(9, Verdict.STORED, None)]]
        again = parcel_of(tracks=[track, other])
        assert await verdicts_on(store, again) == [[(9, Verdict.DUPLICATE, None), (9, *CONFLICT)]]

    async def test_devices_do_not_share_numbers(self, store: InspectedStore) -> None:
        """The same number of two devices is two reports."""
        parcels = [parcel_of(build_report(), device_id=device_id) for device_id in (2, 1)]
        verdicts = await verdicts_on(store, *parcels)
        assert verdicts == [[(1, Verdict.STORED, None)]] * 2
