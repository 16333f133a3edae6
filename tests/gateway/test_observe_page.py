"""What happens around the page, in the log."""

from structlog.testing import capture_logs

from gateway import observe_page


def test_a_bill_that_could_not_be_made() -> None:
    """A warning with its kind, because the text alone may be empty."""
    with capture_logs() as lines:
        observe_page.bill_failed(TimeoutError())
    assert lines == [
        {"event": "page_bill_failed", "log_level": "warning", "error": "TimeoutError: "}
    ]
