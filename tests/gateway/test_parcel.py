"""Parcels: what they count."""

import pytest

from gateway.handlers.outcome import Rejected
from gateway.parcel import ItemVerdict, Parcel, Transport, Verdict
from gateway.protocol.errors import RefusalCode
from gateway.protocol.report import Track
from tests.helpers.builders import build_report, build_reports, build_track


def build_parcel() -> Parcel:
    """Two reports, a track and two rejected items."""
    rejected = [
        Rejected(3, RefusalCode.BAD_TEXT, ""),
        Rejected(None, RefusalCode.MALFORMED_MESSAGE, ""),
    ]
    return Parcel(1, 2, Transport.MQTT, b"", build_reports(2), [build_track()], rejected)


def test_items() -> None:
    """Each report, track and rejected item counts once."""
    assert build_parcel().items == 5


@pytest.mark.parametrize("points, load", [(1, 1), (31, 1), (32, 2), (255, 8)])
def test_a_long_track_is_a_larger_load(points: int, load: int) -> None:
    """The batcher counts it for several items, storage and the ledger for one."""
    point = build_track().points[0]
    track = Track(1, 1, (point,) * points)
    parcel = Parcel(1, 2, Transport.MQTT, b"", [build_report()], [track])
    assert (parcel.items, parcel.load) == (2, 1 + load)


def test_failed_names_every_item() -> None:
    """Giving up says FAILED for each item in the order reports, tracks, rejected."""
    sequences = (1, 2, 9, 3, None)
    assert build_parcel().failed() == [ItemVerdict(n, Verdict.FAILED) for n in sequences]


def test_nobody_listens() -> None:
    """A parcel without a callback can be settled all the same."""
    parcel = build_parcel()
    parcel.on_settled(parcel, parcel.failed())
