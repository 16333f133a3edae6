"""The gateway's own figures as the demo reads them: its metrics, and the ledger made of them."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, TypeVar

import aiohttp

from gateway.demo_process import POLL_SECONDS
from gateway.server_process import ServerFailedError

ANSWER_WITHIN_SECONDS: Final = 30.0
"""A gateway under full load answers within a second; one that is silent for so long hangs."""

Done = TypeVar("Done")

Watch = Callable[[Mapping[str, float]], None]
"""Called with the gateway's figures while the fleet runs."""


async def watched(http: str, watch: Watch, work: Coroutine[Any, Any, Done]) -> Done:
    """Do some work while the figures are shown.

    Raises:
        ServerFailedError: the gateway does not answer; the work is cancelled.
    """
    ended = asyncio.Event()
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_watch(http, watch, ended))
            result = await work
            ended.set()
    except ExceptionGroup as group:
        # The work may ask the gateway too, so both may fail alike: one error says it.
        raise group.exceptions[0] from group
    return result


async def _watch(http: str, watch: Watch, ended: asyncio.Event) -> None:
    while not ended.is_set():
        watch(await fetch_figures(http))
        try:
            await asyncio.wait_for(ended.wait(), POLL_SECONDS)
        except TimeoutError:
            continue


async def fetch_figures(http: str) -> dict[str, float]:
    """The gateway's own figures, both transports together.

    Raises:
        ServerFailedError: it does not answer.
    """
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(ANSWER_WITHIN_SECONDS)) as session,
            session.get(f"{http}/metrics", raise_for_status=True) as response,
        ):
            return figures_of(await response.text())
    except (aiohttp.ClientError, TimeoutError) as error:
        raise ServerFailedError(
            f"the gateway does not answer at {http}: {str(error) or 'time-out'};"
            " its log stands in gateway.log in the data directory"
        ) from error


def figures_of(exposition: str) -> dict[str, float]:
    """Sums over all labels of what the gateway exports, by name without prefix and suffix. Depths
    of queues, whose sum says nothing, stand under the names of the queues.
    """
    figures: dict[str, float] = {}
    for line in exposition.splitlines():
        if not line.startswith("gateway_"):
            continue
        name, _, value = line.rpartition(" ")
        metric, _, labels = name.partition("{")
        key = metric.removeprefix("gateway_").removesuffix("_total")
        if key == "queue_depth":
            key = labels.removeprefix('queue="').removesuffix('"}')
        figures[key] = figures.get(key, 0.0) + float(value)
    return figures


def ledger_of(figures: Mapping[str, float]) -> dict[str, int]:
    """The ledger of both transports together, from the gateway's metrics."""
    names = ("received", "stored", "duplicate", "quarantined", "refused", "given_up", "in_flight")
    return {name: int(figures.get(name, 0)) for name in names}


def ledger_closes(ledger: Mapping[str, int]) -> bool:
    """Whether everything received is accounted for."""
    return ledger["received"] == sum(n for name, n in ledger.items() if name != "received")
