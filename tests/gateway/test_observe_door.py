"""What the door tells."""

from structlog.testing import capture_logs

from gateway import observe_door
from tests.helpers.metrics import grown


def test_a_stranger_that_is_cut_is_counted() -> None:
    """And not logged: a flood must not fill the log."""
    cut = grown("gateway_strangers_cut_total")
    with capture_logs() as logs:
        observe_door.stranger_cut()
    assert cut() == 1
    assert not logs


def test_too_few_files_are_a_warning_that_says_what_to_set() -> None:
    """With both numbers."""
    with capture_logs() as logs:
        observe_door.files_limited(12_266, 4_096)
    (line,) = logs
    assert (line["event"], line["log_level"]) == ("files_limited", "warning")
    assert (line["needed"], line["allowed"]) == (12_266, 4_096)
    assert "LimitNOFILE" in line["advice"]
