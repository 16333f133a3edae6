"""A ping is answered."""

from gateway.handlers import ping
from gateway.handlers.outcome import Outcome
from gateway.protocol.messages import Ping, Pong
from tests.helpers.builders import CONTEXT


def test_pong_at_once() -> None:
    """The answer waits for nothing."""
    outcome = ping.handle(Ping(), CONTEXT)
    assert outcome == Outcome(replies=[Pong()])
    assert not outcome.is_settled_later
