"""What happens over a share, in the metrics and the log."""

from structlog.testing import capture_logs

from gateway import observe_limits
from gateway.observe_limits import Limit
from gateway.parcel import Transport
from tests.helpers.metrics import grown


def test_a_frame_over_its_share_counts_by_transport_and_limit() -> None:
    """No label names a device."""
    counted = grown("gateway_over_limit_total", {"transport": "mqtt", "limit": "greetings"})
    observe_limits.over_limit(Transport.MQTT, Limit.GREETINGS)
    assert counted() == 1


def test_the_first_refusal_of_a_session_is_logged_with_its_device() -> None:
    """Ops find a faulty handset by it."""
    with capture_logs() as lines:
        observe_limits.device_told_to_wait(Transport.TCP, 5, Limit.REPORTS, 26)
    assert lines == [
        {
            "event": "device_over_limit",
            "log_level": "warning",
            "transport": "tcp",
            "device": 5,
            "limit": "reports",
            "retry_after_seconds": 26,
        }
    ]
