"""Figures from metrics, watched while something else is under way, and the ledger."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from prometheus_client import generate_latest

from gateway import demo_figures, observe
from gateway.demo_figures import fetch_figures, figures_of, ledger_closes, ledger_of, watched
from gateway.parcel import Transport
from gateway.server_process import ServerFailedError, free_port

EXPOSITION = """\
# HELP gateway_received_total Reports, tracks and bad frames received
# TYPE gateway_received_total counter
gateway_received_total{transport="tcp"} 1000.0
gateway_received_total{transport="mqtt"} 234.0
gateway_stored_total{transport="tcp"} 1.2e+03
gateway_duplicate_total{transport="mqtt"} 20.0
gateway_quarantined_total{transport="mqtt"} 5.0
gateway_refused_total{transport="mqtt"} 4.0
gateway_in_flight{transport="tcp"} 5.0
gateway_batch_items_bucket{le="+Inf"} 7.0
gateway_broker_connected 1.0
gateway_queue_depth{queue="traffic_sums"} 3.0
gateway_queue_depth{queue="tcp_connections"} 9.0
process_open_fds 12.0
python_info{implementation="CPython"} 1.0
"""


def test_figures_are_sums_over_labels() -> None:
    """By name without prefix and suffix; what is not ours is left out."""
    figures = figures_of(EXPOSITION)
    assert figures["received"] == 1_234
    assert figures["stored"] == 1_200
    assert figures["broker_connected"] == 1
    assert (figures["traffic_sums"], figures["tcp_connections"]) == (3, 9)
    assert not [name for name in figures if "fds" in name or "info" in name]


def test_figures_of_nothing() -> None:
    """A gateway that has just started may have no figures yet."""
    assert figures_of("") == {}


def test_names_are_those_of_the_real_metrics() -> None:
    """What the ledger is made of stands in what a gateway really serves."""
    observe.parcel_received(Transport.TCP, 0)
    figures = figures_of(generate_latest().decode())
    assert set(ledger_of({})) <= set(figures)


def test_the_ledger_closes() -> None:
    """Received is the sum of the others."""
    ledger = ledger_of(figures_of(EXPOSITION))
    assert (ledger["received"], ledger["stored"], ledger["duplicate"]) == (1_234, 1_200, 20)
    assert (ledger["quarantined"], ledger["refused"], ledger["in_flight"]) == (5, 4, 5)
    assert ledger_closes(ledger)


def test_the_ledger_does_not_close() -> None:
    """One report too few in any place shows."""
    ledger = ledger_of(figures_of(EXPOSITION))
    for name in ledger:
        assert not ledger_closes({**ledger, name: ledger[name] + 1})


def test_the_ledger_of_nothing_closes() -> None:
    """Nothing received, nothing missing."""
    ledger = ledger_of({})
    assert set(ledger.values()) == {0}
    assert ledger_closes(ledger)


Answer = Callable[[web.Request], Awaitable[web.Response]]


@asynccontextmanager
async def gateway_that(answer: Answer) -> AsyncIterator[str]:
    """The address of something that answers like this when it is asked for metrics."""
    application = web.Application()
    application.router.add_get("/metrics", answer)
    async with asyncio.timeout(30), TestServer(application) as server:
        yield str(server.make_url("")).rstrip("/")


@pytest.mark.asyncio
async def test_figures_are_watched_while_something_is_under_way() -> None:
    """Shown again and again until the work is done; its result comes back."""

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(text=EXPOSITION)

    seen: list[float] = []
    seen_twice = asyncio.Event()

    def watch(figures: Mapping[str, float]) -> None:
        seen.append(figures["stored"])
        if len(seen) > 1:
            seen_twice.set()

    async def work() -> str:
        await seen_twice.wait()
        return "done"

    async with gateway_that(metrics) as http:
        assert await watched(http, watch, work()) == "done"
    assert set(seen) == {1_200}


@pytest.mark.asyncio
async def test_a_gateway_that_is_gone_ends_the_work() -> None:
    """The error names the gateway; nobody waits for work that cannot end any more."""
    http = f"http://127.0.0.1:{free_port()}"
    async with asyncio.timeout(30):
        with pytest.raises(ServerFailedError, match=re.escape(http)):
            await watched(http, lambda _: None, asyncio.Event().wait())


@pytest.mark.asyncio
async def test_work_and_watch_find_the_gateway_gone_together() -> None:
    """One error, not a group that nobody expects."""
    http = f"http://127.0.0.1:{free_port()}"
    both_asked = asyncio.Barrier(2)

    async def ask(_http: str) -> Mapping[str, float]:
        await both_asked.wait()
        raise ServerFailedError("gone")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo_figures, "fetch_figures", ask)
        async with asyncio.timeout(30):
            with pytest.raises(ServerFailedError, match="gone"):
                await watched(http, lambda _: None, ask(http))


@pytest.mark.asyncio
async def test_a_gateway_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a time to answer in; waiting for ever would hide it."""
    monkeypatch.setattr(demo_figures, "ANSWER_WITHIN_SECONDS", 0.2)
    never = asyncio.Event()

    async def metrics(_request: web.Request) -> web.Response:
        await never.wait()
        return web.Response()

    async with gateway_that(metrics) as http:
        with pytest.raises(ServerFailedError, match="time-out"):
            await fetch_figures(http)
        never.set()


@pytest.mark.asyncio
async def test_an_answer_that_is_an_error() -> None:
    """No figures, rather than those of an error page."""

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(status=500)

    async with gateway_that(metrics) as http:
        with pytest.raises(ServerFailedError, match="500"):
            await fetch_figures(http)
