"""Happenings of budgets: the metric and the log line of each."""

from decimal import Decimal

import pytest
from structlog.testing import capture_logs

from gateway import observe_budgets as observe
from gateway.cost.budget import Sums
from tests.helpers.metrics import grown, value_of


@pytest.mark.parametrize("allowed, told", [(Decimal("50.25"), 50.25), (None, 0)])
def test_a_month(allowed: Decimal | None, told: float) -> None:
    """Sums of all together; devices are only counted."""
    observe.budgets(Sums(Decimal("40.50"), Decimal("101.44")), allowed, 3)
    assert value_of("gateway_budget_spent") == 40.5
    assert value_of("gateway_budget_projected") == 101.44
    assert value_of("gateway_budget_allowed") == told
    assert value_of("gateway_budget_exceeding_devices") == 3


def test_warnings() -> None:
    """How many are new."""
    warnings = grown("gateway_budget_warnings_total")
    with capture_logs() as logs:
        observe.budgets_warned(2)
    assert warnings() == 2
    assert logs == [{"event": "budgets_warned", "log_level": "warning", "warnings": 2}]


def test_pause_and_bug() -> None:
    """A database that is away is no failure of ours."""
    failures = grown("gateway_budget_failures_total")
    error = ZeroDivisionError("a bug")
    with capture_logs() as logs:
        observe.budgets_paused(OSError("gone"), 0.123)
        observe.budgets_failed(error, 60)
    assert failures() == 1
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("budgets_paused", "warning"),
        ("budgets_failed", "error"),
    ]
    assert (logs[0]["error"], logs[1]["exc_info"]) == ("gone", error)
