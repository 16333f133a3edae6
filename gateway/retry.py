"""How long to wait before the next try at something that is away."""

import asyncio
import random
from collections.abc import Iterator
from typing import Final

FIRST_DELAY_SECONDS: Final = 0.1
"""A PostgreSQL or a broker that was restarted is back within a second."""

MAX_DELAY_SECONDS: Final = 5.0
"""Long enough to spare a server that struggles, short enough to resume soon after it is back."""


def back_off(
    first_seconds: float = FIRST_DELAY_SECONDS, most_seconds: float = MAX_DELAY_SECONDS
) -> Iterator[float]:
    """Delays in seconds without end: doubling up to `most_seconds`, each with full jitter.

    Full jitter (a uniform draw from half the delay to the whole) keeps many gateways from coming
    back in step.
    """
    delay = first_seconds
    while True:
        yield random.uniform(delay / 2, delay)  # noqa: S311 - spreads load, guards nothing
        delay = min(delay * 2, most_seconds)


def heed_cancellation() -> None:
    """End this task if it was cancelled. To be asked by a loop that goes on after errors of a
    `TaskGroup`: with Python 3.11 a group whose task fails in the moment of the cancellation raises
    the failure alone, and the loop would never end. Only for groups that wait in their body: one
    that waits for its tasks at its end leaves behind a cancellation of its own when a task fails.

    Raises:
        asyncio.CancelledError: it was.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
