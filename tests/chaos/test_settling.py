"""What is taken for a fault of the fleet's figures, and what is not."""

from copy import deepcopy
from typing import Any

import pytest

from chaos.settling import WRONG, fleet_findings

CLEAN: dict[str, Any] = {
    **dict.fromkeys(WRONG, 0),
    "reports_expected": 600,
    "acked": 600,
    "equal": 600,
    "tasks_verified": {"equal": 78, "missing": 0, "shown_twice": 0},
    "asked_for": {"requests_refused": 5, "tasks_not_over": 0},
}


def test_a_clean_run() -> None:
    """Refused requests are no fault."""
    assert fleet_findings(CLEAN) == []


@pytest.mark.parametrize("name", WRONG)
def test_wrong_reports(name: str) -> None:
    """One is enough."""
    assert fleet_findings(CLEAN | {name: 1}) == [f"the honest fleet: {name} 1"]


@pytest.mark.parametrize("name", ["acked", "equal"])
def test_not_all(name: str) -> None:
    """Everything that was written must be acked, and stored as it was."""
    assert len(fleet_findings(CLEAN | {name: 599})) == 1


def test_wrong_tasks() -> None:
    """Whatever its comparison of tasks found, and tasks without an end."""
    figures = deepcopy(CLEAN)
    figures["tasks_verified"]["shown_twice"] = 2
    figures["asked_for"]["tasks_not_over"] = 1
    assert fleet_findings(figures) == [
        "tasks of the honest fleet: shown_twice 2",
        "the centre does not know the end of all its tasks",
    ]


def test_no_figures() -> None:
    """A fleet that never ended is a finding."""
    assert fleet_findings({}) == ["the honest fleet came to no end"]
