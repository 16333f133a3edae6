"""Shares the time of the event loop among the sessions, so that none waits for another's flood."""

import time
from collections import deque
from collections.abc import Callable
from typing import Final

SLICE_SECONDS: Final = 0.010
"""How long sessions may work before the loop looks at its sockets again: longer, and a batch is
kept waiting; shorter, and batches are small."""

HURRIED_SLICE_SECONDS: Final = 0.002
"""The same while an emergency is under way, which passes the loop six times until its ack."""


CROWD_OF_SESSIONS: Final = 16
"""So many that wait for their turn take longer than a slice: whoever comes now waits for the next
but one."""


class Turns:
    """Who has more to do than fits into the time goes on in a later turn of the loop, behind those
    who wait already. Used from one event loop.
    """

    def __init__(
        self,
        call_soon: Callable[[Callable[[], None]], object],
        is_hurried: Callable[[], bool],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Args:
        call_soon: Runs something in the next turn of the loop.
        is_hurried: Whether an emergency is under way.
        clock: Seconds, read anew at each call: the loop's own clock stands still during a turn.
        """
        self._call_soon = call_soon
        self._is_hurried = is_hurried
        self._clock = clock
        self._until: float | None = None
        self._waiting: deque[Callable[[], None]] = deque()

    def has_time(self) -> bool:
        """Whether there is time left in this turn."""
        if self._until is None:
            self._begin()
            return True
        return self._clock() < self._until

    def wait(self, go_on: Callable[[], None]) -> None:
        """Call once when it is its turn."""
        self._waiting.append(go_on)
        if self._until is None:
            self._begin()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def are_crowded(self) -> bool:
        """Whether more wait than fit into the next turn."""
        return len(self._waiting) > CROWD_OF_SESSIONS

    def _begin(self) -> None:
        seconds = HURRIED_SLICE_SECONDS if self._is_hurried() else SLICE_SECONDS
        self._until = self._clock() + seconds
        self._call_soon(self._next_turn)

    def _next_turn(self) -> None:
        self._until = None
        if self._waiting:
            self._begin()
            while self._waiting and self.has_time():
                self._waiting.popleft()()
