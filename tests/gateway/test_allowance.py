"""What one device may do: at each bound, just past it, and again when time has passed."""

import gc

import pytest

from gateway.allowance import (
    BURST_GREETINGS,
    BYTES_PER_KEPT,
    LONGEST_WAIT_SECONDS,
    MAX_DEFIED,
    Allowances,
    Bucket,
    Rate,
)
from gateway.settings import LimitSettings

DEVICE = 5


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    """Not one more than it holds; what was not given takes nothing."""
    bucket = Bucket(Rate(2.0, 10))
    assert bucket.take(10, 100.0)
    assert not bucket.take(1, 100.4)
    assert bucket.take(1, 100.5)
    assert not bucket.take(1, 100.5)
    assert bucket.seconds_until(4, 100.5) == pytest.approx(2.0, abs=1e-5)
    assert bucket.room(102.5) == 4
    assert not bucket.is_full(105.4)
    assert bucket.is_full(105.6)


def test_one_by_one_is_as_much_as_all_at_once() -> None:
    """Sums of fractions lose no item."""
    bucket = Bucket(Rate(0.1, 10_000))
    assert sum(bucket.take(1, 86_400.7) for _ in range(10_001)) == 10_000


def test_more_than_a_bucket_ever_holds_is_waited_for_as_for_a_full_one() -> None:
    """A time is told in any case."""
    bucket = Bucket(Rate(1.0, 10))
    bucket.take(10, 0.0)
    assert bucket.seconds_until(11, 0.0) == pytest.approx(10.0, abs=1e-5)


def test_a_debt_is_as_large_as_the_bucket_at_most() -> None:
    """So a device is not shut out for ever."""
    bucket = Bucket(Rate(1.0, 10))
    bucket.charge(10, 0.0)
    assert not bucket.is_overdrawn(0.0)
    bucket.charge(1_000, 0.0)
    assert bucket.is_overdrawn(9.9)
    assert not bucket.is_overdrawn(10.1)


def test_emergencies_have_a_share_of_their_own() -> None:
    """A flood of reports leaves it alone, and is left alone by it."""
    allowance = Allowances(LimitSettings(burst_reports=255, burst_emergencies=2)).of(DEVICE, 0.0)
    assert allowance.take(255, 0.0)
    assert not allowance.take(1, 0.0)
    assert [allowance.emergencies.take(1, 0.0) for _ in range(3)] == [True, True, False]


def test_greetings_are_bounded() -> None:
    """Each costs a look into the database."""
    allowance = Allowances().of(DEVICE, 0.0)
    assert sum(allowance.greetings.take(1, 0.0) for _ in range(100)) == BURST_GREETINGS


def test_quarantine_takes_items_and_bytes() -> None:
    """As many of a frame's items as there is room for, the frame itself included."""
    allowance = Allowances(LimitSettings(burst_quarantined=512)).of(DEVICE, 0.0)
    assert allowance.take_kept(255, 16 * BYTES_PER_KEPT, 0.0) == 255
    assert allowance.take_kept(255, 16 * BYTES_PER_KEPT, 0.0) == 512 - 255 - 16 - 16
    assert allowance.take_kept(1, 10, 0.0) == 0
    assert allowance.take_kept(1, 10, 10.1) == 1


def test_who_owes_quarantine_is_refused_everything() -> None:
    """Conflicts are found in the database, after they have taken their room."""
    allowance = Allowances(LimitSettings(burst_quarantined=512)).of(DEVICE, 0.0)
    allowance.charge_kept(512, 100, 0.0)
    assert allowance.take(1, 0.0)
    allowance.charge_kept(1, 100, 0.0)
    assert not allowance.take(1, 0.0)
    assert allowance.take(1, 10.1)


def test_a_refused_device_waits_for_a_whole_backlog() -> None:
    """And each further refusal before that time names what is left of it."""
    allowance = Allowances(LimitSettings(reports_per_second=10, burst_reports=1_000)).of(1, 0.0)
    assert allowance.take(1_000, 0.0)
    assert allowance.refuse(0.0) == 26
    assert allowance.refuse(20.0) == 6
    assert allowance.take(255, 26.0)


def test_nobody_waits_longer_than_after_a_lost_link() -> None:
    """Even where the bucket fills more slowly."""
    allowance = Allowances(LimitSettings(reports_per_second=0.01)).of(1, 0.0)
    assert allowance.take(10_000, 0.0)
    assert allowance.refuse(0.0) == LONGEST_WAIT_SECONDS


def test_who_does_not_wait_is_told_apart_from_who_had_much_under_way() -> None:
    """The count begins anew with each wait."""
    allowance = Allowances().of(1, 0.0)
    for _ in range(MAX_DEFIED):
        allowance.refuse(0.0)
    assert not allowance.is_defied
    allowance.refuse(0.5)
    assert allowance.is_defied
    allowance.refuse(1.0)
    assert not allowance.is_defied


def test_one_word_a_second() -> None:
    """For a device that does not listen."""
    allowance = Allowances().of(1, 0.0)
    assert [allowance.may_be_told(now) for now in (0.0, 0.9, 1.0)] == [True, False, True]


def test_to_connect_again_wins_nothing() -> None:
    """An allowance is the device's, not its session's, and outlives it until it is full."""
    allowances = Allowances(LimitSettings(reports_per_second=10, burst_reports=1_000))
    assert allowances.of(1, 0.0).take(1_000, 0.0)
    gc.collect()
    assert not allowances.of(1, 1.0).take(255, 1.0)
    allowances.of(2, 200.0)
    assert len(allowances) == 1


def test_what_is_remembered_is_bounded() -> None:
    """Who was longest away is forgotten first; one that is held stays the same."""
    allowances = Allowances(max_remembered=2)
    held = allowances.of(1, 0.0)
    for device in (1, 2, 3):
        assert allowances.of(device, 0.0).take(9_000, 0.0)
    assert len(allowances) == 2
    assert allowances.of(1, 0.0) is held
    allowances.of(3, 0.0)
    assert allowances.of(2, 0.0).take(9_000, 0.0)
