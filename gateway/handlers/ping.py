"""A ping: the device asks whether the link and the gateway live."""

from gateway.handlers.context import Context
from gateway.handlers.outcome import Outcome
from gateway.protocol.messages import Ping, Pong


def handle(_message: Ping, _context: Context) -> Outcome:
    """Answer at once."""
    return Outcome(replies=[Pong()])
