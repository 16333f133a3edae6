"""A value made when somebody asks."""

import asyncio

import pytest

from gateway.kept import Kept

pytestmark = pytest.mark.asyncio


class Maker:
    """Makes 1, 2, 3, ...; takes as long as it is told, by a clock of the test."""

    def __init__(self) -> None:
        self.now = 0.0
        self.takes_seconds = 0.0
        self.made = 0
        self.error: Exception | None = None
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self) -> int:
        """The next number."""
        self.made += 1
        await self.go_on.wait()
        self.now += self.takes_seconds
        if self.error is not None:
            raise self.error
        return self.made

    def kept(self) -> Kept[int]:
        """One second at least, or ten times as long as it took."""
        return Kept(
            self, expected=(OSError,), keep_seconds=1, rest_factor=10, monotonic=lambda: self.now
        )


async def test_nothing_is_made_before_somebody_asks() -> None:
    """A page that nobody looks at costs nothing."""
    maker = Maker()
    kept = maker.kept()
    assert maker.made == 0
    assert await kept.get() == 1


async def test_kept_for_its_time() -> None:
    """The same until just before, another from then on."""
    maker = Maker()
    kept = maker.kept()
    await kept.get()
    maker.now = 0.999
    assert await kept.get() == 1
    maker.now = 1
    assert await kept.get() == 2


async def test_a_slow_maker_rests() -> None:
    """Ten times as long as it took."""
    maker = Maker()
    maker.takes_seconds = 3
    kept = maker.kept()
    await kept.get()
    maker.now = 3 + 29.9
    assert await kept.get() == 1
    maker.now = 3 + 30
    assert await kept.get() == 2


async def test_who_asks_meanwhile_waits_for_the_same() -> None:
    """A hundred viewers at once are one reading."""
    maker = Maker()
    maker.go_on.clear()
    kept = maker.kept()
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(kept.get()) for _ in range(100)]
        await asyncio.sleep(0)
        maker.go_on.set()
    assert {task.result() for task in asked} == {1}
    assert maker.made == 1


async def test_an_expected_error_is_kept_too() -> None:
    """A database that is away is not asked by every viewer."""
    maker = Maker()
    maker.error = OSError("away")
    kept = maker.kept()
    for _ in range(2):
        with pytest.raises(OSError, match="away"):
            await kept.get()
    assert maker.made == 1
    maker.error, maker.now = None, 1
    assert await kept.get() == 2


async def test_an_unexpected_error_is_not_kept() -> None:
    """A bug meets who asks, and the next one tries again."""
    maker = Maker()
    maker.error = ValueError("bug")
    kept = maker.kept()
    for _ in range(2):
        with pytest.raises(ValueError, match="bug"):
            await kept.get()
    assert maker.made == 2
