"""Delays between tries."""

import asyncio
import contextlib
from itertools import islice

import pytest

from gateway.retry import FIRST_DELAY_SECONDS, MAX_DELAY_SECONDS, back_off, heed_cancellation


def test_delays_double_up_to_the_largest() -> None:
    """Each lies between half of its step and the whole, and the steps double."""
    steps = [min(FIRST_DELAY_SECONDS * 2**n, MAX_DELAY_SECONDS) for n in range(12)]
    for delay, step in zip(back_off(), steps, strict=False):
        assert step / 2 <= delay <= step


def test_delays_never_end_and_never_exceed_the_largest() -> None:
    """A database may be away for days."""
    assert all(0 < delay <= 3 for delay in islice(back_off(1, 3), 10_000))


def test_gateways_do_not_come_back_in_step() -> None:
    """Two draws differ."""
    assert list(islice(back_off(), 10)) != list(islice(back_off(), 10))


@pytest.mark.asyncio
async def test_a_cancelled_loop_ends_even_if_its_group_fails_at_that_moment() -> None:
    """Python 3.11 raises the failure and forgets the cancellation."""
    started = asyncio.Event()

    async def fail_at_the_end() -> None:
        try:
            started.set()
            await asyncio.Event().wait()
        finally:
            raise ConnectionError

    async def loop() -> None:
        while True:
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(fail_at_the_end())
            except* ConnectionError:
                pass
            heed_cancellation()

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(loop())
        await started.wait()
        task.cancel()
        await asyncio.wait({task})
    assert task.cancelled()


@pytest.mark.asyncio
async def test_a_loop_that_was_not_cancelled_goes_on() -> None:
    """A time-out that has passed inside is no cancellation."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0):
            await asyncio.Event().wait()
    heed_cancellation()


@pytest.mark.asyncio
async def test_a_loop_whose_group_failed_goes_on() -> None:
    """A group that waits in its body takes its own cancellation back when a task fails."""

    async def fail() -> None:
        raise ConnectionError

    for _ in range(3):
        with contextlib.suppress(ExceptionGroup):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(fail())
                await asyncio.Event().wait()
        heed_cancellation()
