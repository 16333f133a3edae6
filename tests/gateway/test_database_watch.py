"""The watch over the database."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gateway.database_watch import watch_database
from tests.helpers.fault_proxy import fault_proxy
from tests.helpers.metrics import value_of
from tests.helpers.served_gateway import served_gateway
from tests.helpers.tcp_gateway import until

pytestmark = pytest.mark.asyncio


def is_ready_in_metrics() -> bool:
    """What the gauge says."""
    return value_of("gateway_database_ready") == 1


async def watched(answers: list[Callable[[], Awaitable[bool]]]) -> list[bool]:
    """What the gauge says after each answer."""
    told = []

    async def ask() -> bool:
        if asked:
            told.append(is_ready_in_metrics())
        if not answers:
            raise asyncio.CancelledError
        asked.append(1)
        return await answers.pop(0)()

    asked: list[int] = []
    with pytest.raises(asyncio.CancelledError):
        await watch_database(ask, pause_seconds=0, answer_within_seconds=0.01)
    return told


async def test_what_the_database_says_is_told() -> None:
    """Ready, not ready, and no answer in time, which is not ready either."""

    async def yes() -> bool:
        return True

    async def no() -> bool:
        return False

    async def silent() -> bool:
        await asyncio.Event().wait()
        return True

    assert await watched([yes, no, yes, silent, yes]) == [True, False, True, False, True]


async def test_a_gateway_watches_its_database(database_dsn: str) -> None:
    """Without any report: from the start on, and as soon as it is asked again while away."""
    async with fault_proxy(database_dsn) as proxy, served_gateway(proxy.dsn(database_dsn)):
        await until(is_ready_in_metrics)
        proxy.cut()
        await until(lambda: not is_ready_in_metrics())
