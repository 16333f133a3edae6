"""What is told of sessions that end because their device changed."""

from structlog.testing import capture_logs

from gateway import observe_revocation as observe
from gateway.parcel import Transport
from tests.helpers.metrics import grown


def test_a_session_that_was_shut_out() -> None:
    """Counted by transport; the log names the device."""
    count = grown("gateway_sessions_shut_out_total", {"transport": "mqtt"})
    with capture_logs() as logs:
        observe.session_shut_out(Transport.MQTT, 7)
    assert count() == 1
    assert logs == [
        {"event": "session_shut_out", "log_level": "warning", "transport": "mqtt", "device": 7}
    ]


def test_what_holds_it_up() -> None:
    """The database is a warning; a bug of ours is an error and counted."""
    count = grown("gateway_revocation_failures_total")
    with capture_logs() as logs:
        observe.revocation_waits(OSError("away"), 0.1)
        observe.revocation_failed(ValueError("a bug of this test"), 0.1)
    assert count() == 1
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("revocation_waits", "warning"),
        ("revocation_failed", "error"),
    ]
