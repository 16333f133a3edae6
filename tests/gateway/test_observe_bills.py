"""What is told of the bills."""

from structlog.testing import capture_logs

from gateway import observe_bills
from tests.helpers.metrics import grown, value_of


def test_when_bills_were_made() -> None:
    """By this gateway, which knows how long it took, or by another."""
    observe_bills.bills_made(1_000.0, 2.5)
    observe_bills.bills_are_fresh(1_300.0)
    assert value_of("gateway_bills_made_timestamp_seconds") == 1_300
    assert value_of("gateway_bills_seconds") == 2.5


def test_why_there_are_none() -> None:
    """The database is away, which passes, or a bug of ours, which is counted."""
    failures = grown("gateway_bills_failures_total")
    with capture_logs() as logs:
        observe_bills.bills_wait(OSError("away"), 0.123)
        observe_bills.bills_failed(ValueError("bug"), 300.0)
    assert [(log["event"], log["log_level"]) for log in logs] == [
        ("bills_wait", "warning"),
        ("bills_failed", "error"),
    ]
    assert failures() == 1
