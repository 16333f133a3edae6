"""The answer to one thing that is alone under way."""

import pytest

from chaos.crew_claims import STORED, Claim, Kind
from chaos.crew_settle import Answer
from gateway.protocol.messages import Ack, Message, Pong, Refusal

NUMBERED = Claim(7, Kind.REPORT, STORED, b"", b"")
NAMELESS = Claim(None, Kind.FRAME, 21, b"", b"")


@pytest.mark.parametrize(
    "claim, messages, outcome",
    [
        (NUMBERED, [Ack(7)], STORED),
        (NUMBERED, [Ack(0, [7, 1])], STORED),
        (NUMBERED, [Ack(6), Pong()], None),
        (NUMBERED, [Refusal(48, 0, 7)], None),
        (NUMBERED, [Refusal(48, 0, 7), Ack(7)], 48),
        (NUMBERED, [Refusal(41, 0, 5, 3), Ack(9)], 41),
        (NUMBERED, [Refusal(41, 0, 8, 3), Ack(9)], STORED),
        (NAMELESS, [Refusal(21, 0)], 21),
        (NAMELESS, [Refusal(21, 0, 7), Ack(9)], None),
    ],
)
def test_what_became_of_it(claim: Claim, messages: list[Message], outcome: int | None) -> None:
    """A number is settled when it is acked, and a refusal before that says how."""
    answer = Answer(claim)
    for message in messages:
        answer.take(message)
    assert (answer.outcome, answer.later) == (outcome, None)


def test_later() -> None:
    """A gateway may ask for it again after a while: then nothing has become of it yet."""
    answer = Answer(NUMBERED)
    refusal = Refusal(60, 1, 7, 1, 5)
    answer.take(refusal)
    assert (answer.outcome, answer.later) == (None, refusal)
