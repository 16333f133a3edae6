"""Tests of the figures of a run."""

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from device_sim.centre import Centre
from device_sim.faults import Fault
from device_sim.outbox import Totals
from device_sim.runtime import Outcome
from device_sim.summary import (
    percentile,
    print_summary,
    summarise,
    with_comparison,
    with_task_comparison,
    with_tasks,
    write_json,
)
from device_sim.tally import Tally
from device_sim.task_tally import TaskTally
from device_sim.verify import Comparison
from device_sim.verify_tasks import TaskComparison
from tests.helpers.errands import build_errand


@pytest.mark.parametrize(
    "percent, value", [(0, 1), (1, 1), (50, 50), (50.5, 51), (95, 95), (99, 99), (100, 100)]
)
def test_percentiles_are_of_the_nearest_rank(percent: float, value: int) -> None:
    """Of one to a hundred."""
    assert percentile(range(1, 101), percent) == value


def test_there_is_no_percentile_of_nothing() -> None:
    """The caller has to look first."""
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def tally() -> Tally:
    """Four reports acked, one refused."""
    counts = Tally(written=5, transmissions=7, resends=2, acked=4)
    counts.refused[42] = 1
    counts.refused[127] = 1
    counts.faults[Fault.CUT] = 3
    counts.ack_seconds.extend([0.25, 0.5, 0.125, 1.0])
    counts.traffic.up, counts.traffic.down = 400, 80
    return counts


def test_figures() -> None:
    """Reports and transmissions of the outbox, rates and bytes of this run."""
    figures = summarise(Outcome.COMPLETE, tally(), Totals(5, 4, 1, 9), 5, 2.0)
    assert figures["outcome"] == "complete"
    assert (figures["reports_sent"], figures["acked"], figures["transmissions"]) == (5, 4, 9)
    assert figures["refusals"] == {"UNKNOWN_GRID": 1, "127": 1}
    assert figures["ack_ms"] == {"p50": 250.0, "p95": 1000.0, "p99": 1000.0}
    assert figures["reports_per_second"] == 2.0
    assert (figures["bytes_up_per_report"], figures["bytes_down_per_report"]) == (100.0, 20.0)


def test_a_run_without_acks_has_no_rates() -> None:
    """Not even zeros, which would look like measurements."""
    figures = summarise(Outcome.TIMED_OUT, Tally(), Totals(0, 0, 0, 0), 5, 0.0)
    assert figures["reports_per_second"] is None
    assert figures["bytes_up_per_report"] is None
    assert figures["ack_ms"] == {"p50": None, "p95": None, "p99": None}


def test_figures_are_written_and_printed(tmp_path: Path) -> None:
    """With those of the verification, the same in both."""
    figures = summarise(Outcome.COMPLETE, tally(), Totals(5, 4, 1, 9), 5, 2.0)
    figures = with_comparison(figures, Comparison(equal=4, missing=1, altered=2))
    path = tmp_path / "figures.json"
    write_json(path, figures)
    assert json.loads(path.read_text(encoding="utf-8")) == figures
    text = StringIO()
    print_summary(Console(file=text, width=100), figures)
    for word in ("missing", "altered", "ack ms: p95", "1,000.0", "faults: cut in a frame"):
        assert word in text.getvalue()


def test_figures_of_tasks_stand_where_there_were_tasks() -> None:
    """Of the handsets when any came, of the centre when there was one, and of what was found."""
    assert with_tasks({}, TaskTally(), None) == {}
    assert list(with_tasks({}, TaskTally(withdrawals=1), None)) == ["tasks"]
    figures = with_tasks({}, TaskTally(), Centre([build_errand()]))
    assert figures["asked_for"]["tasks_not_over"] == 1
    assert figures["tasks"]["shown"] == 0
    comparison = TaskComparison(equal=3)
    comparison.note("lost_answer", "task 5")
    figures = with_task_comparison(figures, comparison)
    assert (figures["tasks_verified"]["equal"], figures["tasks_verified"]["lost_answer"]) == (3, 1)
    text = StringIO()
    print_summary(Console(file=text, width=100), figures)
    assert "tasks verified: lost answer" in text.getvalue()
