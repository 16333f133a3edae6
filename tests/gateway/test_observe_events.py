"""What happens to events is told with a metric and, where a person must know, with a line."""

import pytest
from structlog.testing import capture_logs

from gateway import observe_events as observe
from gateway.publications import RelayState
from tests.helpers.metrics import grown, value_of


def test_published_events_are_counted_by_lane() -> None:
    """Emergencies on their own topic and events of the stream apart."""
    stream = grown("gateway_events_published_total", {"lane": "stream"})
    emergency = grown("gateway_events_published_total", {"lane": "emergency"})
    observe.events_published(7)
    observe.emergencies_published(2)
    assert (stream(), emergency()) == (7, 2)


def test_how_far_it_is_behind() -> None:
    """Lag and what waits are what the database says."""
    observe.relay_state(RelayState(3, 40, 1.5))
    assert value_of("gateway_relay_lag_seconds") == 1.5
    assert value_of("gateway_relay_waiting_reports") == 40


@pytest.mark.parametrize("leads", [True, False])
def test_who_leads_is_told(leads: bool) -> None:  # noqa: FBT001 -- a table
    """One line when it begins and one when it ends."""
    with capture_logs() as logs:
        observe.relay_leads(leads=leads)
    assert [line["event"] for line in logs] == ["relay_leads" if leads else "relay_follows"]
    assert value_of("gateway_relay_leads") == leads


def test_the_connection_is_told() -> None:
    """Opened at info, lost at warning."""
    with capture_logs() as logs:
        observe.events_flow("V5")
        assert value_of("gateway_events_connected") == 1
        observe.events_stopped(OSError("away"), 0.5)
    assert value_of("gateway_events_connected") == 0
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("events_flow", "info"),
        ("events_stopped", "warning"),
    ]


def test_a_bug_is_counted_and_logged_with_its_traceback() -> None:
    """An operator can alert on it."""
    failures, error = grown("gateway_relay_failures_total"), ZeroDivisionError()
    with capture_logs() as logs:
        observe.relay_failed(error, 1.0)
    assert failures() == 1
    assert logs[0]["exc_info"] is error
