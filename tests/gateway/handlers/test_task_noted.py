"""A note about a task goes to the database as it is."""

from gateway.handlers.context import Context
from gateway.handlers.task_noted import handle
from gateway.protocol.task_messages import Noted, TaskNoted
from tests.helpers.builders import NOW, TABLES


def test_it_is_handed_on() -> None:
    """Nothing is stored here and nothing replied."""
    note = TaskNoted(7, Noted.WITHDRAWN)
    outcome = handle(note, Context(TABLES, NOW))
    assert outcome.task_reply == note
    assert (outcome.is_settled_later, outcome.replies, outcome.receipt) == (False, [], None)
