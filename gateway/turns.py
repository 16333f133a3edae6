"""Shares the time of the event loop among the sessions, so that none waits for another's flood."""

import time
from collections import deque
from collections.abc import Callable
from typing import Final

SLICE_SECONDS: Final = 0.001
"""How long sessions may work before the loop looks at its sockets again. A transaction waits for
that at each of its statements, so an ack some ten times; a shorter one gains no rate and no time
that was measured."""

LATE_SECONDS: Final = 0.0005
"""That the loop comes round after the end of a slice without being late."""

PAUSE_FOR_LATENESS: Final = 3
"""How many times as long as the loop was late the sessions pause while something urgent is under
way: its transaction and the database have the processor then. Measured with the largest frames from
everybody: twice is hardly noticed, three times halves the wait of others; it costs the rate of
single reports up to a sixth, and only then."""

LONGEST_PAUSE_SECONDS: Final = 0.010
"""Longest pause, whatever held the loop: a collection of garbage may take some time."""

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
        call_later: Callable[[float, Callable[[], None]], object],
        is_hurried: Callable[[], bool],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Args:
        call_soon: Runs something in the next turn of the loop.
        call_later: Runs something after so many seconds.
        is_hurried: Whether something urgent is under way.
        clock: Seconds, read anew at each call: the loop's own clock stands still during a turn.
        """
        self._call_soon = call_soon
        self._call_later = call_later
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
        self._until = until = self._clock() + SLICE_SECONDS
        self._call_soon(lambda: self._let_others(until))

    def _let_others(self, until: float) -> None:
        """Whom the loop has found ready since, a writer with its answer from the database for one,
        goes on before the sessions have another slice.
        """
        late_seconds = self._clock() - until
        if late_seconds > LATE_SECONDS and self._is_hurried():
            pause_seconds = min(PAUSE_FOR_LATENESS * late_seconds, LONGEST_PAUSE_SECONDS)
            self._call_later(pause_seconds, self._next_turn)
        else:
            self._call_soon(self._next_turn)

    def _next_turn(self) -> None:
        self._until = None
        if self._waiting:
            self._begin()
            while self._waiting and self.has_time():
                self._waiting.popleft()()
