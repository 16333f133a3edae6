"""Turns: who works when, by a clock in the test's hand."""

from collections.abc import Callable

import pytest

from gateway.turns import (
    CROWD_OF_SESSIONS,
    LATE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    PAUSE_FOR_LATENESS,
    SLICE_SECONDS,
    Turns,
)


class Loop:
    """The turns of an event loop, and a clock that moves only with work."""

    def __init__(self) -> None:
        self.now = 100.0
        self.hurried = False
        self.log: list[str] = []
        self.pauses: list[float] = []
        self._soon: list[Callable[[], None]] = []
        self._later: list[Callable[[], None]] = []
        self.turns = Turns(
            self._soon.append, self._call_later, lambda: self.hurried, lambda: self.now
        )

    def turn(self) -> list[str]:
        """Let others go first, then run what is due; what has worked in it."""
        self.log.clear()
        for _ in range(2):
            due, self._soon[:] = self._soon[:], []
            for callback in due:
                callback()
        return list(self.log)

    def end_pause(self) -> None:
        """Let the time of a pause pass."""
        self._later.pop()()

    def _call_later(self, seconds: float, call: Callable[[], None]) -> None:
        self.pauses.append(seconds)
        self._later.append(call)

    def worker(self, name: str, seconds: float, rounds: int) -> Callable[[], None]:
        """Works for so long and waits for its next turn, so many times."""
        left = [rounds]

        def work() -> None:
            self.log.append(name)
            self.now += seconds
            left[0] -= 1
            if left[0]:
                self.turns.wait(work)

        return work

    @property
    def is_idle(self) -> bool:
        """Whether nothing is due."""
        return not (self._soon or self._later)


def test_the_time_of_a_turn() -> None:
    """It begins with the first work, and begins anew in the next turn."""
    loop = Loop()
    assert loop.turns.has_time()
    loop.now += SLICE_SECONDS - 0.000_1
    assert loop.turns.has_time()
    loop.now += 0.000_2
    assert not loop.turns.has_time()
    loop.turn()
    assert loop.turns.has_time()


def test_all_have_their_turn() -> None:
    """One with much to do goes behind the others after each turn of its own."""
    loop = Loop()
    third = SLICE_SECONDS / 3 + 0.000_1
    loop.turns.wait(loop.worker("flood", third, 4))
    loop.turns.wait(loop.worker("a", third, 1))
    loop.turns.wait(loop.worker("b", third, 1))
    assert len(loop.turns) == 3
    assert loop.turn() == ["flood", "a", "b"]
    assert loop.turn() == ["flood", "flood", "flood"]
    assert len(loop.turns) == 0


def test_after_a_full_turn_the_loop_comes_first() -> None:
    """Who comes between two turns finds no time left, and waits."""
    loop = Loop()
    loop.turns.wait(loop.worker("long", 2 * SLICE_SECONDS, 2))
    assert loop.turn() == ["long"]
    assert not loop.turns.has_time()
    loop.turns.wait(loop.worker("late", 0, 1))
    assert loop.turn() == ["long"]
    assert loop.turn() == ["late"]


def test_whom_the_loop_found_ready_goes_first() -> None:
    """An answer of the database is heard between two slices, and not behind the next one."""
    loop = Loop()
    loop.turns.wait(loop.worker("a", SLICE_SECONDS, 2))
    assert loop.turn() == ["a"]
    loop._soon.append(lambda: loop.log.append("writer"))
    assert loop.turn() == ["writer", "a"]


@pytest.mark.parametrize(
    "late_seconds,pauses",
    [
        (LATE_SECONDS - 0.000_01, []),
        (LATE_SECONDS + 0.000_01, [PAUSE_FOR_LATENESS * (LATE_SECONDS + 0.000_01)]),
        (1.0, [LONGEST_PAUSE_SECONDS]),
    ],
)
def test_a_late_loop_in_a_hurry(late_seconds: float, pauses: list[float]) -> None:
    """The sessions pause for a while, and nobody has time until they go on."""
    loop = Loop()
    loop.hurried = True
    loop.turns.wait(loop.worker("long", SLICE_SECONDS + late_seconds, 2))
    assert loop.turn() == ["long"]
    if not pauses:
        assert loop.turn() == ["long"]
        assert loop.pauses == []
        return
    assert loop.turn() == []
    assert loop.pauses == pytest.approx(pauses)
    assert not loop.turns.has_time()
    loop.log.clear()
    loop.end_pause()
    assert loop.log == ["long"]


def test_a_late_loop_without_a_hurry() -> None:
    """Nobody has to wait for it."""
    loop = Loop()
    loop.turns.wait(loop.worker("long", 1.0, 2))
    assert loop.turn() == loop.turn() == ["long"]
    assert loop.pauses == []


def test_nothing_to_do_is_nothing_to_run() -> None:
    """An idle gateway is not woken."""
    loop = Loop()
    loop.turns.wait(loop.worker("a", 0, 1))
    assert loop.turn() == ["a"]
    assert loop.turn() == []
    assert loop.is_idle


def test_a_crowd() -> None:
    """A few who wait are none."""
    turns = Turns(lambda _callback: None, lambda _s, _callback: None, lambda: False, lambda: 0.0)
    for _ in range(CROWD_OF_SESSIONS):
        turns.wait(lambda: None)
    assert not turns.are_crowded()
    turns.wait(lambda: None)
    assert turns.are_crowded()
