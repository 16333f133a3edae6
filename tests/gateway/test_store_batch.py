"""Sorting the items of parcels, without a database."""

from gateway.parcel import Verdict
from gateway.protocol.errors import RefusalCode
from gateway.recent import RecentlyCommitted
from gateway.store_batch import ITEMS_AT_ONCE, Batch, Row
from tests.helpers.builders import build_report, build_reports, build_track
from tests.helpers.store_contract import key_of, parcel_of


def batch_of(*parcels: object, recent: RecentlyCommitted | None = None) -> Batch:
    """A batch, built, with nothing remembered unless given."""
    batch = Batch(parcels, recent or RecentlyCommitted(10))  # type: ignore[arg-type]
    for _ in batch.build():
        pass
    return batch


def verdicts_of(batch: Batch) -> list[list[Verdict]]:
    """The verdicts alone."""
    return [[item.verdict for item in items] for items in batch.verdicts]


def row_of(batch: Batch, sequence: int) -> Row:
    """The row of one report."""
    return next(row for row in batch.reports if row.key == key_of(sequence))


def test_rows_are_in_order_of_key() -> None:
    """Whatever the order of arrival, two batches lock shared keys in the same order."""
    parcels = [parcel_of(*build_reports(3, first), device_id=d) for d, first in ((2, 4), (1, 9))]
    keys = [
        row.key for row in batch_of(*parcels, parcel_of(*build_reports(3), device_id=2)).reports
    ]
    assert keys == sorted(keys)
    assert len(keys) == 9


def test_what_is_remembered_goes_to_no_table() -> None:
    """A repetition of what was committed lately is a duplicate without a question."""
    recent = RecentlyCommitted(10)
    recent.remember({key_of(1): build_report()})
    batch = batch_of(parcel_of(build_report(), build_report(sequence=2)), recent=recent)
    assert [row.key for row in batch.reports] == [key_of(2)]
    assert verdicts_of(batch) == [[Verdict.DUPLICATE, Verdict.STORED]]


def test_only_reports_are_remembered() -> None:
    """A track is large and seldom comes again: the database tells that it did."""
    batch = batch_of(parcel_of(build_report(), tracks=[build_track(sequence=9)]))
    assert batch.committed() == {key_of(1): build_report()}


def test_remembered_with_other_content_is_asked() -> None:
    """The memory never says conflict: the database decides."""
    recent = RecentlyCommitted(10)
    recent.remember({key_of(1): build_report(description="other")})
    assert len(batch_of(parcel_of(build_report()), recent=recent).reports) == 1


def test_a_repetition_follows_its_first() -> None:
    """When the first of two equal reports proves a conflict, so does the second."""
    batch = batch_of(parcel_of(build_report()), parcel_of(build_report()))
    batch.conflict(row_of(batch, 1))
    batch.settle_repeats()
    assert verdicts_of(batch) == [[Verdict.QUARANTINED], [Verdict.QUARANTINED]]
    assert len(batch.kept) == 1


def test_only_what_is_committed_is_remembered() -> None:
    """Content that went to quarantine must not be taken for stored later."""
    batch = batch_of(parcel_of(*build_reports(3), tracks=[build_track()]))
    batch.conflict(row_of(batch, 1))
    batch.duplicate(row_of(batch, 2))
    assert sorted(batch.committed()) == [key_of(2), key_of(3)]


def test_a_track_out_of_range() -> None:
    """It costs only itself."""
    batch = batch_of(parcel_of(build_report(), tracks=[build_track(edition=2**15)]))
    assert verdicts_of(batch) == [[Verdict.STORED, Verdict.QUARANTINED]]
    assert batch.kept[0].code is RefusalCode.UNSTORABLE


def test_a_batch_is_built_in_slices() -> None:
    """Others may use the event loop after each; a small batch is built in one go."""
    half = ITEMS_AT_ONCE // 2
    parcels = [parcel_of(*build_reports(half, 1 + half * number)) for number in range(5)]
    assert len(list(Batch(parcels[:2], RecentlyCommitted(0)).build())) == 0
    batch = Batch(parcels, RecentlyCommitted(0))
    built = [len(batch.verdicts) for _ in batch.build()]
    assert built == [2, 4]
    assert len(batch.reports) == 5 * half
