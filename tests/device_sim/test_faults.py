"""Tests of the seeded faults."""

from collections import Counter
from itertools import pairwise

from device_sim.faults import ALL_FAULTS, NO_FAULTS, Fault, FaultPlan, Rates
from device_sim.links import PERFECT, link_profile
from tests.helpers.builders import build_report, build_reports

GPRS = link_profile("gprs")


def test_the_same_seed_and_device_have_the_same_misfortunes() -> None:
    """And another device has others."""
    plans = [FaultPlan(1, device, 300, GPRS) for device in (7, 7, 8)]
    reports = [build_report(observed_at=1_200_000_000 + 600 * n) for n in range(300)]
    one, same, other = ([*plan.of_reports(reports)] for plan in plans)
    assert one == same
    assert one != other
    frames = [[plan.of_frame() for _ in range(2_000)] for plan in plans]
    assert frames[0] == frames[1]
    assert frames[0] != frames[2]


def test_without_faults_nothing_happens() -> None:
    """Every frame goes and every report is written with a link."""
    plan = FaultPlan(1, 7, 100, PERFECT, NO_FAULTS)
    assert {plan.of_frame() for _ in range(1_000)} == {Fault.NONE}
    assert not any(c.offline or c.wiped for c in plan.of_reports(build_reports(100)))
    assert plan.wiped_at is None


def test_frames_fail_about_as_often_as_stated() -> None:
    """Within a third over a hundred thousand frames."""
    plan = FaultPlan(1, 7, 100, GPRS)
    counts = Counter(plan.of_frame() for _ in range(100_000))
    for fault, rate in (
        (Fault.CUT, ALL_FAULTS.cut),
        (Fault.LOST_ACK, ALL_FAULTS.lost_ack),
        (Fault.REPEAT, ALL_FAULTS.repeat),
    ):
        assert 0.67 < counts[fault] / (100_000 * rate) < 1.5
    assert counts[Fault.HALF_OPEN] > 0


def test_a_handset_is_wiped_once_before_one_of_its_reports() -> None:
    """When chance wants it at all."""
    plan = FaultPlan(1, 7, 50, PERFECT, Rates(0, 0, 0, 0, 0, wiped=1))
    wiped = [c.wiped for c in plan.of_reports(build_reports(50))]
    assert wiped.count(True) == 1
    assert plan.wiped_at == wiped.index(True) + 1


def test_reports_of_the_hours_without_a_link_are_offline() -> None:
    """From the report that the link goes away with until it is back; then it may go again."""
    plan = FaultPlan(1, 7, 100, PERFECT, Rates(0, 0, 0, 0, offline=0.2, wiped=0))
    reports = [build_report(observed_at=1_200_000_000 + 600 * n) for n in range(100)]
    back_at = 0.0
    told = [*plan.of_reports(reports)]
    for circumstance in told:
        moment = circumstance.report.observed_at
        if circumstance.outage_seconds:
            assert moment >= back_at
            assert 3_600 <= circumstance.outage_seconds <= 14_400
            back_at = moment + circumstance.outage_seconds
        assert circumstance.offline is (moment < back_at)
    assert any(a.offline and b.offline for a, b in pairwise(told))
    assert any(not c.offline for c in told)


def test_a_bad_link_has_outages_of_its_own() -> None:
    """As its profile says, beside the hours offline."""
    plan = FaultPlan(1, 7, 5_000, GPRS, NO_FAULTS)
    reports = [build_report(observed_at=1_200_000_000 + 600 * n) for n in range(5_000)]
    outages = [c.outage_seconds for c in plan.of_reports(reports) if c.outage_seconds]
    assert 0.67 < len(outages) / (5_000 * GPRS.outage_share) < 1.5
    assert all(5 <= seconds <= 60 for seconds in outages)
