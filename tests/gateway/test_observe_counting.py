"""Happenings of counting: the metric and the log line of each."""

from structlog.testing import capture_logs

from gateway import observe_counting as observe
from gateway.uncounted import Waiting
from tests.helpers.metrics import grown, value_of


def test_what_was_counted() -> None:
    """By direction, without a log line."""
    up = grown("gateway_sms_segments_avoided_total", {"direction": "up"})
    down = grown("gateway_sms_segments_avoided_total", {"direction": "down"})
    messages = grown("gateway_messages_counted_total")
    with capture_logs() as logs:
        observe.counted(3, 7, 4)
    assert (messages(), up(), down(), logs) == (3, 7, 4, [])


def test_what_waits() -> None:
    """Both gauges."""
    observe.counting_state(Waiting(2, 20))
    assert value_of("gateway_counting_waiting_publications") == 2
    assert value_of("gateway_counting_waiting_reports") == 20


def test_a_pause() -> None:
    """With the database's words."""
    with capture_logs() as logs:
        observe.counting_paused(OSError("gone"), 0.123)
    assert logs == [
        {
            "event": "counting_paused",
            "log_level": "warning",
            "error": "gone",
            "delay_seconds": 0.12,
        }
    ]


def test_bugs() -> None:
    """Of a round and of one publication: counted, and logged whole."""
    failures = grown("gateway_counting_failures_total")
    error = ZeroDivisionError("a bug")
    with capture_logs() as logs:
        observe.counting_failed(error, 5)
        observe.publication_set_aside(17, error, 3)
    assert (failures(), value_of("gateway_counting_set_aside_publications")) == (2, 3)
    assert logs == [
        {
            "event": "counting_failed",
            "log_level": "error",
            "delay_seconds": 5,
            "exc_info": error,
        },
        {
            "event": "publication_set_aside",
            "log_level": "error",
            "publication": 17,
            "exc_info": error,
        },
    ]
