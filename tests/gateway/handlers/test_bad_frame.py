"""A frame that is no message goes to quarantine under each number that it named."""

import pytest

from gateway.handlers import bad_frame
from gateway.handlers.outcome import Outcome, Rejected
from gateway.protocol.errors import RefusalCode
from gateway.protocol.limits import MAX_SEQUENCE
from gateway.protocol.messages import BadFrame
from tests.helpers.builders import CONTEXT

MALFORMED = RefusalCode.MALFORMED_MESSAGE


def test_frame_without_a_number() -> None:
    """It is rejected once, as a frame."""
    bad = BadFrame(b"\xc1", MALFORMED, "no array")
    outcome = bad_frame.handle(bad, CONTEXT)
    assert outcome == Outcome(rejected=[Rejected(None, MALFORMED, "no array")])


@pytest.mark.parametrize(
    "first, count, sequences",
    [
        (5, 1, [5]),
        (5, 3, [5, 6, 7]),
        (MAX_SEQUENCE, 1, [MAX_SEQUENCE]),
        (MAX_SEQUENCE - 1, 255, [MAX_SEQUENCE - 1, MAX_SEQUENCE]),
    ],
)
def test_each_number_is_rejected(first: int, count: int, sequences: list[int]) -> None:
    """Each report that it was to bring is rejected, and no number that cannot be."""
    outcome = bad_frame.handle(BadFrame(b"\xc1", MALFORMED, "why", first, count), CONTEXT)
    assert outcome == Outcome(rejected=[Rejected(number, MALFORMED, "why") for number in sequences])
