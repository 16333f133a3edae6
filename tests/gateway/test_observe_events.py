"""Happenings of publishing: the metric and the log line of each."""

import pytest
from structlog.testing import capture_logs

from gateway import observe_events as observe
from gateway.publications import RelayState
from tests.helpers.metrics import grown, value_of


def test_events_that_the_broker_has_acked() -> None:
    """Counted by lane, without a log line."""
    stream = grown("gateway_events_published_total", {"lane": "stream"})
    emergency = grown("gateway_events_published_total", {"lane": "emergency"})
    with capture_logs() as logs:
        observe.events_published(7)
        observe.emergencies_published(2)
    assert (stream(), emergency(), logs) == (7, 2, [])


def test_the_connection_for_events() -> None:
    """Open with its version; lost with the broker's words."""
    with capture_logs() as logs:
        observe.events_flow("V5")
        assert value_of("gateway_events_connected") == 1
        observe.events_stopped(OSError("gone"), 0.123)
        assert value_of("gateway_events_connected") == 0
    assert logs == [
        {"event": "events_flow", "log_level": "info", "version": "V5"},
        {
            "event": "events_stopped",
            "log_level": "warning",
            "error": "gone",
            "delay_seconds": 0.12,
        },
    ]


@pytest.mark.parametrize("leads, event", [(True, "relay_leads"), (False, "relay_follows")])
def test_who_leads(leads: bool, event: str) -> None:  # noqa: FBT001 -- a table
    """The lag stays as it was measured: it is the same whoever leads."""
    observe.relay_state(RelayState(3, 500, 12.5))
    with capture_logs() as logs:
        observe.relay_leads(leads=leads)
    assert logs == [{"event": event, "log_level": "info"}]
    assert value_of("gateway_relay_leads") == leads
    assert value_of("gateway_relay_lag_seconds") == 12.5
    assert value_of("gateway_relay_waiting_reports") == 500


def test_a_pause_and_a_bug() -> None:
    """An outage is a warning; a bug counts, and comes with its traceback."""
    failures = grown("gateway_relay_failures_total")
    bug = ZeroDivisionError("of ours")
    with capture_logs() as logs:
        observe.relay_paused(OSError("away"), 1)
        observe.presence_waits(OSError("away"), 1)
        assert failures() == 0
        observe.relay_failed(bug, 1)
    assert failures() == 1
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("relay_paused", "warning"),
        ("presence_waits", "warning"),
        ("relay_failed", "error"),
    ]
    assert logs[-1]["exc_info"] is bug
