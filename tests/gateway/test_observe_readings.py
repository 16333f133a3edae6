"""The process's own counts, read back."""

from gateway import observe
from gateway.observe_readings import ACK_BOUNDS, Readings, read
from gateway.parcel import ItemVerdict, Parcel, Transport, Verdict
from tests.helpers.builders import build_report


def grown(before: Readings) -> tuple[int, int, list[int]]:
    """What was counted since: stored, in flight, acks by bound."""
    after = read()
    acks = [n - m for n, m in zip(after.acks, before.acks, strict=True)]
    return after.stored - before.stored, after.in_flight - before.in_flight, acks


def test_both_transports_are_counted_together() -> None:
    """Received, in flight; stored, out of flight; duplicates are not stored."""
    before = read()
    parcels = [Parcel(1, 1, t, b"", [build_report(), build_report(sequence=2)]) for t in Transport]
    for parcel in parcels:
        observe.parcel_received(parcel.transport, 2)
    assert grown(before)[:2] == (0, 4)
    verdicts = [[ItemVerdict(1, Verdict.STORED), ItemVerdict(2, Verdict.DUPLICATE)]] * 2
    observe.batch_written(parcels, verdicts, 0.001)
    assert grown(before)[:2] == (2, 0)


def test_acks_are_counted_up_to_each_bound() -> None:
    """Cumulative, as the bounds are; the last holds all."""
    before = read()
    observe.parcel_settled(Transport.TCP, 0.02)
    observe.parcel_settled(Transport.MQTT, 1_000.0)
    acks = grown(before)[2]
    assert [bound for bound, count in zip(ACK_BOUNDS, acks, strict=True) if count == 0] == [
        bound for bound in ACK_BOUNDS if bound < 0.02
    ]
    assert acks[-2:] == [1, 2]
