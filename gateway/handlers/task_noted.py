"""A note that a task or its withdrawal is durably on the handset."""

from gateway.handlers.context import Context
from gateway.handlers.outcome import Outcome
from gateway.protocol.task_messages import TaskNoted


def handle(message: TaskNoted, _context: Context) -> Outcome:
    """Hand it on: only the database knows the task."""
    return Outcome(task_reply=message)
