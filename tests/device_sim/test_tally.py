"""Tests of the counts."""

from device_sim.tally import Tally


def test_each_tally_counts_for_itself() -> None:
    """Nothing is shared between two runs in one process."""
    first, second = Tally(), Tally()
    first.refused[41] += 1
    first.ack_seconds.append(0.5)
    first.traffic.up += 1
    first.failures[7] = "not admitted"
    assert second == Tally()
    assert first != second


def test_latencies_are_kept_in_four_bytes_each() -> None:
    """A quarter of reports takes a megabyte."""
    assert Tally().ack_seconds.itemsize == 4
