"""Tests of the quarter as reports."""

from collections import Counter
from datetime import datetime

import pytest

from device_sim.fleet import Inspector
from device_sim.reference import findings
from device_sim.scenario import Scenario, longgang_q1
from device_sim.shifts import CHINA_TIME
from gateway.protocol.report import Kind, Patrol, Report, Urgency
from gateway.protocol.text import check_description

CLASSES = {
    kind: {finding.class_code for finding in findings() if finding.kind == kind} for kind in Kind
}


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    """A tenth of the quarter."""
    return longgang_q1(seed=2008, reports=26_574)


@pytest.fixture(scope="module")
def reports(scenario: Scenario) -> dict[int, list[Report]]:
    """All its reports by device."""
    return {one.device_id: list(scenario.reports_of(one)) for one in scenario.fleet.inspectors}


def _all(reports: dict[int, list[Report]]) -> list[Report]:
    return [report for own in reports.values() for report in own]


def test_the_whole_quarter_meets_the_published_totals() -> None:
    """265,735 reports are really made, 227,804 and 37,931, none of them held."""
    scenario = longgang_q1(seed=1)
    counts: Counter[str] = Counter()
    for inspector in scenario.fleet.inspectors:
        counts[inspector.collection] += sum(1 for _ in scenario.reports_of(inspector))
    assert counts == {"market": 227_804, "self": 37_931} == scenario.totals
    assert scenario.total == 265_735
    assert len(scenario.fleet.inspectors) == 773


@pytest.mark.parametrize("devices, number", [(None, 0), (None, 1), (20, 1_000), (2, 7)])
def test_scaled_totals_are_exact(devices: int | None, number: int) -> None:
    """As many reports as asked for, whatever the number of inspectors."""
    scenario = longgang_q1(seed=1, devices=devices, reports=number)
    made = [r for one in scenario.fleet.inspectors for r in scenario.reports_of(one)]
    assert len(made) == scenario.total == number


def test_a_negative_number_of_reports_is_refused() -> None:
    """There is no such quarter."""
    with pytest.raises(ValueError, match="negative"):
        longgang_q1(seed=1, reports=-1)


def test_reports_repeat_from_the_seed(scenario: Scenario) -> None:
    """Made again, alone and in another order, an inspector's reports are the same."""
    again = longgang_q1(seed=2008, reports=26_574)
    other = longgang_q1(seed=2009, reports=26_574)

    def of(which: Scenario, inspector: Inspector) -> list[Report]:
        return list(which.reports_of(inspector))

    for one in reversed(scenario.fleet.inspectors[::100]):
        assert of(again, one) == of(scenario, one)
        assert of(other, one) != of(scenario, one)


def test_sequence_and_time_increase(reports: dict[int, list[Report]]) -> None:
    """Numbers from 1 without a gap; times within the quarter of China, each after the last."""
    for own in reports.values():
        assert [report.sequence for report in own] == list(range(1, len(own) + 1))
        times = [report.observed_at for report in own]
        assert times == sorted(set(times))
        for time in times[:1] + times[-1:]:
            day = datetime.fromtimestamp(time, CHINA_TIME)
            assert (day.year, day.month) in {(2008, 1), (2008, 2), (2008, 3)}


def test_every_report_is_valid(scenario: Scenario, reports: dict[int, list[Report]]) -> None:
    """Class in its table, grid in the beat, everything within the protocol's limits."""
    for inspector in scenario.fleet.inspectors:
        for report in reports[inspector.device_id]:
            assert report.edition == 1
            assert report.class_code in CLASSES[Kind(report.kind)]
            assert report.grid in inspector.grids
            assert 3 <= report.accuracy_m <= 60
            assert 0 <= report.pictures <= 3
            assert check_description(report.description) is None


def test_component_identities(reports: dict[int, list[Report]]) -> None:
    """Half of the component reports have one: district, class and a six-digit number."""
    components = [report for report in _all(reports) if report.kind == Kind.COMPONENT]
    identified = [report for report in components if report.component is not None]
    assert 0.45 < len(identified) / len(components) < 0.55
    for report in identified:
        digits = str(report.component)
        assert len(digits) == 16
        assert digits.startswith(f"440307{report.class_code:04d}")
        assert digits[10:] != "000000"
    assert not any(r.component for r in _all(reports) if r.kind == Kind.EVENT)


def test_shares_are_as_documented(reports: dict[int, list[Report]]) -> None:
    """The mixture of docs/scenario.md."""
    every = _all(reports)

    def share(count: int) -> float:
        return count / len(every)

    assert 0.80 < share(sum(r.kind == Kind.EVENT for r in every)) < 0.88
    assert 0.24 < share(sum(r.simple for r in every)) < 0.285
    assert 0.007 < share(sum(r.urgency == Urgency.EMERGENCY for r in every)) < 0.014
    assert 0.04 < share(sum(r.urgency == Urgency.DIFFICULT for r in every)) < 0.06
    assert 0.88 < share(sum(r.patrol == Patrol.ROUTINE for r in every)) < 0.92
    assert not any(r.simple for r in every if r.urgency != Urgency.ORDINARY)


def test_most_emergencies_are_of_the_emergency_classes(reports: dict[int, list[Report]]) -> None:
    """突发事件, major class 04 of the events."""
    emergencies = [r for r in _all(reports) if r.urgency == Urgency.EMERGENCY]
    sudden = [r for r in emergencies if r.kind == Kind.EVENT and 400 < r.class_code < 500]
    assert len(sudden) > 0.6 * len(emergencies)
