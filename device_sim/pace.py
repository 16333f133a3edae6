"""The scenario's time and the runtime's: how fast the quarter passes, and waking a task."""

import math
from typing import Final

import trio

MAX_SPEED: Final = math.inf
"""As fast as it goes: nothing that is simulated takes any time."""


class Pace:
    """Maps seconds of the scenario to seconds of trio's clock.

    Args:
        speed: seconds of the scenario in one second, or `MAX_SPEED`.
        start: Unix time at which the scenario begins. It begins when this object is made.
    """

    def __init__(self, speed: float, start: int) -> None:
        self.speed = speed
        self._start = start
        self._began = trio.current_time()

    @property
    def waits(self) -> bool:
        """Whether the scenario's time passes at all; at full speed everything is due at once."""
        return math.isfinite(self.speed)

    def seconds(self, simulated: float) -> float:
        """How long something that is simulated lasts on trio's clock."""
        return simulated / self.speed

    async def sleep_until(self, observed_at: int) -> None:
        """Wait until a moment of the scenario; at full speed only let others run."""
        if self.waits:
            await trio.sleep_until(self._began + self.seconds(observed_at - self._start))
        else:
            await trio.lowlevel.checkpoint()


class Wake:
    """Wakes the one task that waits for something to do. Setting it early or twice is harmless."""

    def __init__(self) -> None:
        self._event = trio.Event()

    def set(self) -> None:
        """Wake the task now, or the next time that it waits."""
        self._event.set()

    async def wait(self) -> None:
        """Wait until it is set, and reset it."""
        await self._event.wait()
        self._event = trio.Event()
