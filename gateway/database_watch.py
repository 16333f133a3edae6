"""Asks PostgreSQL every few seconds whether it is there, so that ops hear of it before a report."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from gateway import observe_health

WATCH_SECONDS: Final = 5.0
"""Between two questions: more often than anybody scrapes, and one small query each."""

ANSWER_WITHIN_SECONDS: Final = 5.0
"""A database that takes longer for so small a question is as good as away."""


async def watch_database(
    is_ready: Callable[[], Awaitable[bool]],
    *,
    pause_seconds: float = WATCH_SECONDS,
    answer_within_seconds: float = ANSWER_WITHIN_SECONDS,
) -> None:
    """Tell the metrics whether the database is ready. Runs until cancelled."""
    while True:
        try:
            async with asyncio.timeout(answer_within_seconds):
                ready = await is_ready()
        except TimeoutError:
            ready = False
        observe_health.database_ready(ready=ready)
        await asyncio.sleep(pause_seconds)
