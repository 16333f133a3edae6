"""What a handler asks for."""

import pytest

from gateway.handlers.outcome import Outcome, Rejected, reject_all
from gateway.protocol.errors import RefusalCode
from gateway.protocol.messages import Pong
from tests.helpers.builders import build_report, build_track


@pytest.mark.parametrize(
    "outcome, is_later",
    [
        (Outcome(), False),
        (Outcome(replies=[Pong()]), False),
        (Outcome(reports=[build_report()]), True),
        (Outcome(tracks=[build_track()]), True),
        (Outcome(rejected=[Rejected(None, RefusalCode.BAD_FRAME, "no frame")]), True),
    ],
)
def test_what_storage_must_settle(outcome: Outcome, *, is_later: bool) -> None:
    """Reports, tracks and what goes to quarantine wait for a verdict; replies do not."""
    assert outcome.is_settled_later is is_later


def test_outcomes_share_nothing() -> None:
    """What one handler asks for does not appear in another outcome."""
    Outcome().replies.append(Pong())
    assert Outcome() == Outcome([], [], [], [])


def test_reject_all_names_each_number() -> None:
    """One rejection for each number, in order, and nothing else."""
    outcome = reject_all(range(7, 9), RefusalCode.BAD_TEXT, "no text")
    assert outcome == Outcome(
        rejected=[
            Rejected(7, RefusalCode.BAD_TEXT, "no text"),
            Rejected(8, RefusalCode.BAD_TEXT, "no text"),
        ]
    )
