"""Whether a TCP session may take its next frame: is there room for it, and is it its turn?

An emergency needs neither, while its device has not had more than its share; nor does the single
report of a device that sends little while others send much. Before there is room or time for the
frame that is next, it is only looked at, and stays in the buffer where it lies.
"""

from collections.abc import Callable
from typing import Final

from gateway.batcher import Batcher
from gateway.protocol.connection import Connection, Event
from gateway.protocol.wire_report import is_urgent
from gateway.turns import Turns

FRAMES_AT_ONCE: Final = 64
"""Most frames of one session before it is another's turn: two milliseconds' worth of single
reports. They share an ack; with 16 four times as many acks cost a fifth of the processor."""


class Intake:
    """Of one session."""

    __slots__ = ("_batcher", "_go_on", "_may_jump", "_turns", "waits")

    def __init__(
        self,
        batcher: Batcher,
        turns: Turns,
        go_on: Callable[[], None],
        may_jump: Callable[[Event], bool] = is_urgent,
    ) -> None:
        """Args:
        batcher: Where the frames go.
        turns: Whose turn it is.
        go_on: Called when it is worth while to ask again.
        may_jump: Whether a frame may go past everything else. Of a device that calls everything an
            emergency none may.
        """
        self.waits = False
        """Whether `go_on` will be called. Until then a session must not read."""
        self._batcher = batcher
        self._turns = turns
        self._go_on = go_on
        self._may_jump = may_jump

    def may_take(self, connection: Connection, taken: int) -> bool:
        """Ask before each frame; `taken` is how many the session has taken in this turn. After a
        no, `go_on` will be called.
        """
        batcher, turns = self._batcher, self._turns
        has_turn = taken < FRAMES_AT_ONCE and turns.has_time()
        if has_turn and not (batcher.is_full or batcher.is_full_of_emergencies):
            return True
        event = connection.peek_event()
        if event is None:
            return True  # there is nothing to take
        urgent = self._may_jump(event)
        if batcher.is_full_of_emergencies if urgent else batcher.is_full:
            self._wait(batcher.when_space)
            return False
        if has_turn or (urgent and taken < FRAMES_AT_ONCE):
            return True
        self._wait(turns.wait)
        return False

    def end(self) -> None:
        """The session is over: let go of it."""
        self._go_on, self._may_jump = _nothing, is_urgent

    def _wait(self, ask: Callable[[Callable[[], None]], None]) -> None:
        if not self.waits:
            self.waits = True
            ask(self._called)

    def _called(self) -> None:
        self.waits = False
        self._go_on()


def _nothing() -> None:
    """What a session that is over does in its turn."""
