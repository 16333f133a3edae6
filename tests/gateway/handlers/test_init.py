"""The list of handlers is whole."""

from gateway.handlers import HANDLERS, NEEDS_NO_HANDLER
from gateway.protocol.messages import BadFrame
from gateway.protocol.state import RECEIVE, TRANSITIONS, Role


def test_every_message_from_a_device_is_dealt_with() -> None:
    """What the table lets a gateway receive has a handler or is known to need none."""
    received = {
        kind
        for row in TRANSITIONS[Role.GATEWAY].values()
        for direction, kind in row
        if direction is RECEIVE
    }
    assert set(HANDLERS) - {BadFrame} | NEEDS_NO_HANDLER == received


def test_nothing_is_dealt_with_twice() -> None:
    """A message has a handler or needs none, not both; a bad frame has one."""
    assert not set(HANDLERS) & NEEDS_NO_HANDLER
    assert BadFrame in HANDLERS
