"""What happens around TLS, in metrics and log."""

from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from gateway import observe_tls
from tests.helpers.metrics import grown, value_of


def test_a_certificate() -> None:
    """When it expires can be watched."""
    with capture_logs() as lines:
        observe_tls.certificate_loaded(datetime(2026, 1, 2, tzinfo=UTC))
    assert value_of("gateway_tls_certificate_expires_timestamp_seconds") == 1_767_312_000
    assert lines == [
        {
            "event": "tls_certificate_loaded",
            "log_level": "info",
            "expires_at": "2026-01-02T00:00:00+00:00",
        }
    ]


def test_a_certificate_that_is_of_no_use() -> None:
    """An error with its reason."""
    with capture_logs() as lines:
        observe_tls.certificate_not_reloaded(ValueError("expired"))
    assert [(line["log_level"], line["error"]) for line in lines] == [("error", "expired")]


@pytest.mark.parametrize("result, is_resumed", [("full", False), ("resumed", True)])
def test_handshakes(result: str, *, is_resumed: bool) -> None:
    """Counted, and not logged."""
    count = grown("gateway_tls_handshakes_total", {"result": result})
    with capture_logs() as lines:
        observe_tls.handshake_done(is_resumed=is_resumed)
    assert count() == 1
    assert lines == []


@pytest.mark.parametrize(
    "first_byte, told",
    [
        (None, "why; said nothing: a client without TLS waits for the challenge so"),
        (7, "why; does not speak TLS"),
        (22, "why"),
    ],
)
def test_a_handshake_that_failed(first_byte: int | None, told: str) -> None:
    """What the client may have been, at debug: anybody can fail."""
    count = grown("gateway_tls_handshakes_total", {"result": "failed"})
    with capture_logs() as lines:
        observe_tls.handshake_failed("192.0.2.1:5", "why", first_byte)
    assert count() == 1
    assert [(line["log_level"], line["reason"]) for line in lines] == [("debug", told)]
