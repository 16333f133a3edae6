"""Tests of what fits into one backlog."""

from device_sim.backlog import BacklogRun
from gateway.protocol.limits import MAX_BACKLOG_REPORTS
from gateway.protocol.report import Report
from tests.helpers.builders import build_report, build_reports


def taken(reports: list[Report], most: int = 1_000) -> int:
    """How many of them go into one backlog."""
    run = BacklogRun(most)
    for report in reports:
        if not run.takes(report):
            break
        run.add(report)
    assert run.reports == reports[: len(run.reports)]
    return len(run.reports)


def test_as_many_as_allowed() -> None:
    """By the caller, and by the protocol; one goes in any case."""
    assert taken(build_reports(5), 3) == 3
    assert taken(build_reports(5), 0) == 1
    assert taken(build_reports(300, description="")) == MAX_BACKLOG_REPORTS


def test_a_gap_ends_it() -> None:
    """Numbers in a backlog are consecutive."""
    assert taken([build_report(sequence=1), build_report(sequence=3)]) == 1


def test_another_edition_ends_it() -> None:
    """A backlog states one."""
    assert taken([build_report(sequence=1), build_report(sequence=2, edition=2)]) == 1


def test_a_full_frame_ends_it() -> None:
    """Ten texts of 500 characters, three bytes each, with room for their other fields."""
    assert taken(build_reports(60, description="网" * 500)) == 10
