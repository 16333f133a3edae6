"""The demo: 773 simulated handsets play the quarter against real servers, and all is counted.

Everything runs in processes of its own, as it would in earnest: the servers, `device-sim run` and
a subscriber.
"""

import asyncio
import json
import signal
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import asyncpg

from gateway.cost.china import day_of
from gateway.cost.period import Period
from gateway.cost.statement import Statement
from gateway.demo_bill import make_bill, until_metered
from gateway.demo_figures import Watch, fetch_figures, ledger_of, watched
from gateway.demo_process import POLL_SECONDS, READY_WITHIN_SECONDS, program, tail
from gateway.demo_servers import Options, Servers
from gateway.demo_subscriber import SUBSCRIBED
from gateway.quarter import Measured, count_quarter
from gateway.server_process import ServerFailedError

PUBLISHED_WITHIN_SECONDS: Final = 900.0
"""Most that publishing may take behind the fleet: ten times what the quarter needs."""


@dataclass(frozen=True, slots=True)
class Result:
    """What fleet and subscriber say, what the gateway counted, what the database holds, and what it
    cost.
    """

    fleet: Mapping[str, Any]
    events: Mapping[str, int]
    ledger: Mapping[str, int]
    quarter: Measured
    bill: Statement
    seconds_behind: Mapping[str, float]
    """How long after the fleet the last event was published, and the last report metered."""
    exit_code: int
    """Of the fleet: 0 only if nothing is missing, extra or altered."""


async def play(options: Options, running: Servers, watch: Watch) -> Result:
    """Let the fleet play the quarter, verify it row by row, and count."""
    directory, began = options.directory, _today()
    summary_file = directory / "fleet.json"
    summary_file.unlink(missing_ok=True)
    for leftover in directory.glob("outbox.sqlite*"):
        leftover.unlink()
    arguments = [
        *("-m", "device_sim", "run", "--scenario", "longgang-q1"),
        *("--fleet", options.fleet, "--state", directory / "outbox.sqlite"),
        *("--gateway", running.gateway, "--broker", running.broker),
        *("--transport", options.transport, "--link", options.link, "--speed", options.speed),
        *("--seed", str(options.seed), "--json", summary_file, "--verify", running.dsn),
        *options.scale,
    ]
    async with _subscriber(options, running) as subscriber:
        log = directory / "fleet.log"
        async with program([str(part) for part in arguments], log, {}) as fleet:
            exit_code = await watched(running.http, watch, fleet.wait())
        if not summary_file.exists():
            raise ServerFailedError(f"the fleet ended with code {exit_code}:\n{tail(log)}")
        played_at = time.monotonic()
        await watched(running.http, watch, _until_published(running.dsn))
        published_at = time.monotonic()
        events = await _counted_events(options, subscriber)
    await watched(running.http, watch, until_metered(running.dsn, running.http))
    behind = {"events": published_at - played_at, "metering": time.monotonic() - played_at}
    bill = await make_bill(running.dsn, Period(began, _today()))
    figures = await fetch_figures(running.http)
    watch(figures)
    connection = await asyncpg.connect(running.dsn)
    try:
        quarter = await count_quarter(connection)
    finally:
        await connection.close()
    summary = json.loads(summary_file.read_text(encoding="utf-8"))
    return Result(summary, events, ledger_of(figures), quarter, bill, behind, exit_code)


def _today() -> date:
    """The day in China, which the run is metered on."""
    return day_of(int(time.time()))


# The subscriber.


@asynccontextmanager
async def _subscriber(options: Options, running: Servers) -> AsyncIterator[Process]:
    """A downstream service that has subscribed before the first report is stored."""
    log = options.directory / "subscriber.log"
    _events_file(options).unlink(missing_ok=True)
    user = running.subscriber
    arguments = [
        *("-m", "gateway.demo_subscriber", "--broker", running.broker, "--user", user.name),
        *("--dsn", running.dsn, "--json", str(_events_file(options))),
    ]
    async with program(arguments, log, {"PASSWORD": user.password}) as process:
        async with asyncio.timeout(READY_WITHIN_SECONDS):
            while SUBSCRIBED not in await asyncio.to_thread(log.read_text, encoding="utf-8"):
                if process.returncode is not None:
                    raise ServerFailedError(f"the subscriber ended:\n{tail(log)}")
                await asyncio.sleep(POLL_SECONDS)
        yield process


async def _until_published(dsn: str) -> None:
    """Wait until the relay has published everything that is stored."""
    connection = await asyncpg.connect(dsn)
    try:
        async with asyncio.timeout(PUBLISHED_WITHIN_SECONDS):
            waiting = "SELECT publications_waiting FROM relay_state"
            while await connection.fetchval(waiting):  # noqa: ASYNC110 - another program's work
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise ServerFailedError("the relay has not published everything in time") from None
    finally:
        await connection.close()


async def _counted_events(options: Options, subscriber: Process) -> Mapping[str, int]:
    """Let the subscriber compare what came with the database; its figures."""
    subscriber.send_signal(signal.SIGTERM)
    await subscriber.wait()
    file = _events_file(options)
    if not file.exists():
        log = options.directory / "subscriber.log"
        raise ServerFailedError(f"the subscriber counted nothing:\n{tail(log)}")
    counted: Mapping[str, int] = json.loads(
        await asyncio.to_thread(file.read_text, encoding="utf-8")
    )
    return counted


def _events_file(options: Options) -> Path:
    return options.directory / "events.json"
