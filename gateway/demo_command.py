"""`gateway demo`: the live display, the quarter's table and the JSON of a demo."""

import asyncio
import contextlib
import json
import math
import signal
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table

from gateway import quarter
from gateway.command import run_or_exit
from gateway.demo import Options, Result, Servers, ledger_closes, play, servers

PLAIN_LINE_SECONDS: Final = 5.0
"""How often progress is written where no terminal can be drawn on."""

EXIT_WRONG: Final = 1
"""Something is missing, extra or altered, or the ledger does not close."""


def _speed(_context: click.Context, _option: click.Parameter, value: str) -> str:
    """Check it before servers are started."""
    try:
        is_speed = value == "max" or 0 < float(value) < math.inf
    except ValueError:
        is_speed = False
    if not is_speed:
        raise click.BadParameter(f"{value!r} is neither max nor a number above 0")
    return value


@click.command()
@click.option("--once", is_flag=True, help="End after the table instead of staying up.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path),
              help="Write the figures to this file.")  # fmt: skip
@click.option("--reports", type=click.IntRange(min=2), help="Scale down, for a quick look.")
@click.option("--devices", type=click.IntRange(2, 9_999), help="Handsets; the quarter had 773.")
@click.option("--transport", type=click.Choice(["tcp", "mqtt", "mixed"]), default="mixed",
              show_default=True, help="How handsets connect; mixed is half and half.")  # fmt: skip
@click.option("--link", default="perfect", show_default=True,
              type=click.Choice(["gprs", "edge", "umts", "lte", "perfect"]),
              help="Link to simulate; a slow one matters only with --speed N.")  # fmt: skip
@click.option("--speed", default="max", show_default=True, callback=_speed,
              help="max, or N times the pace of the quarter.")  # fmt: skip
@click.option("--seed", type=int, default=2008, show_default=True, help="Seed of all chance.")
@click.option("--data", "directory", default="var/demo", show_default=True,
              type=click.Path(file_okay=False, path_type=Path),
              help="Where database, broker and logs are kept.")  # fmt: skip
def demo(once: bool, json_file: Path | None, directory: Path, **play_options: Any) -> None:  # noqa: FBT001 - click passes by name
    """Play the first quarter of the Longgang report against real servers.

    Starts a PostgreSQL, an MQTT broker, a gateway and a fleet of simulated handsets with lost
    connections and repeated sends; then shows the quarter's table beside the published figures,
    and compares what was sent with the database row by row, and the database with the events that
    a subscriber received. Stays up until Ctrl-C, so that you can look at the database, the metrics
    and the events.

    Each run begins with an empty database in the same data directory. Exit code 0 only if no
    report is missing, extra or altered, every event arrived in order and the ledger closes.
    """
    options = Options(directory=directory.resolve(), **play_options)
    raise SystemExit(run_or_exit(_run(options, once=once, json_file=json_file)))


async def _run(options: Options, *, once: bool, json_file: Path | None) -> int:
    console = Console(stderr=True)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with servers(options, lambda step: console.print(f"… {step}")) as running:
        console.print(
            f"metrics {running.http}/metrics   health {running.http}/readyz", soft_wrap=True
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        started = time.monotonic()
        result = await _play_until(stop, options, running, console)
        if result is None:
            console.print("interrupted; ending everything in order")
            return EXIT_WRONG
        figures = summarize(result, time.monotonic() - started)
        _show(result, figures)
        if json_file is not None:
            text = json.dumps(figures, indent=2, ensure_ascii=False) + "\n"
            await asyncio.to_thread(json_file.write_text, text, encoding="utf-8")
        if not once:
            _say_what_is_up(console, running)
            await stop.wait()
        return 0 if is_right(figures, result) else EXIT_WRONG


async def _play_until(
    stop: asyncio.Event, options: Options, running: Servers, console: Console
) -> Result | None:
    """Play to the end, or None when `stop` came first."""
    async with _display(console, options) as display, asyncio.TaskGroup() as tasks:
        playing = tasks.create_task(play(options, running, display.update))
        stopping = tasks.create_task(stop.wait())
        await asyncio.wait({playing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not playing.done():
            playing.cancel()
            return None
    return playing.result()


# The figures.


def summarize(result: Result, seconds: float) -> dict[str, Any]:
    """The JSON of a demo. What was sent comes from the fleet, what was stored from the database,
    the ledger from the gateway.
    """
    fleet, ledger, measured = result.fleet, result.ledger, result.quarter
    published = quarter.load_published()
    return {
        "reports_sent": fleet["reports_sent"],
        "transmissions": fleet["transmissions"],
        "stored": measured.total,
        "duplicates": ledger["duplicate"],
        "quarantined": ledger["quarantined"],
        "refused": ledger["refused"],
        "missing": fleet["missing"],
        "extra": fleet["extra"],
        "altered": fleet["altered"],
        "events": dict(result.events),
        "by_collection": {"market": measured.market, "self": measured.self_run},
        "quota_attained_percent": measured.quota_attained_percent(published.quota),
        "seconds": round(fleet["seconds"], 2),
        "reports_per_second": round(measured.total / fleet["seconds"], 1),
        "ack_ms": fleet["ack_ms"],
        "bytes_up_per_report": fleet["bytes_up_per_report"],
        "bytes_down_per_report": fleet["bytes_down_per_report"],
        "ledger": {**ledger, "closes": ledger_closes(ledger)},
        "seconds_with_verification": round(seconds, 2),
    }


def is_right(figures: Mapping[str, Any], result: Result) -> bool:
    """Whether every report is there once, unaltered, and the ledger closes."""
    events = figures["events"]
    wrong = [figures[name] for name in ("missing", "extra", "altered")]
    wrong += [events[name] for name in ("missing", "extra", "out_of_order")]
    return result.exit_code == 0 and not any(wrong) and bool(figures["ledger"]["closes"])


# What people see.


class Display:
    """Progress as a table that redraws itself, or as lines where there is no terminal."""

    def __init__(self, console: Console, live: Live | None, expected: int) -> None:
        self._console = console
        self._live = live
        self._expected = expected
        self._started = time.monotonic()
        self._written_at = 0.0

    def update(self, figures: Mapping[str, float]) -> None:
        """Show the gateway's figures of now."""
        now = time.monotonic()
        if self._live is not None:
            self._live.update(self._table(figures, now))
        elif now - self._written_at >= PLAIN_LINE_SECONDS:
            self._written_at = now
            stored, sessions = figures.get("stored", 0), figures.get("sessions", 0)
            events = figures.get("events_published", 0)
            self._console.print(
                f"stored {stored:,.0f} of {self._expected:,}, sessions {sessions:,.0f},"
                f" events {events:,.0f}"
            )

    def _table(self, figures: Mapping[str, float], now: float) -> Table:
        stored = figures.get("stored", 0.0)
        elapsed = max(now - self._started, 0.001)
        rows = {
            "stored": f"{stored:,.0f} of {self._expected:,}",
            "per second": f"{stored / elapsed:,.0f}",
            "duplicates": f"{figures.get('duplicate', 0):,.0f}",
            "in quarantine": f"{figures.get('quarantined', 0):,.0f}",
            "in flight": f"{figures.get('in_flight', 0):,.0f}",
            "sessions": f"{figures.get('sessions', 0):,.0f}",
            "sessions opened": f"{figures.get('sessions_opened', 0):,.0f}",
            "events published": f"{figures.get('events_published', 0):,.0f}",
            "seconds": f"{elapsed:,.0f}",
        }
        table = Table(title="The quarter, live", show_header=False)
        table.add_column(justify="left")
        table.add_column(justify="right", min_width=22)
        for name, value in rows.items():
            table.add_row(name, value)
        return table


@contextlib.asynccontextmanager
async def _display(console: Console, options: Options) -> AsyncIterator[Display]:
    expected = options.reports or quarter.load_published().total
    if not console.is_terminal:
        yield Display(console, None, expected)
        return
    with Live(console=console, refresh_per_second=4) as live:
        yield Display(console, live, expected)


def _show(result: Result, figures: Mapping[str, Any]) -> None:
    console = Console()
    console.print(quarter.render(result.quarter, quarter.load_published()))
    ledger = Table(title="The ledger (received = the sum of the others)")
    # What was given up, which only a bug or a shutdown causes, takes a column only if it is there.
    counts = {name: count for name, count in result.ledger.items() if count or name != "given_up"}
    for name in counts:
        ledger.add_column(name.replace("_", " "), justify="right")
    ledger.add_row(*(f"{count:,}" for count in counts.values()))
    console.print(ledger)
    wrong = {name: figures[name] for name in ("missing", "extra", "altered")}
    console.print("sent against stored, row by row:", wrong, soft_wrap=True)
    events = figures["events"]
    console.print(
        f"events that a subscriber received: {events['distinct']:,} reports,"
        f" {events['missing']} missing, {events['extra']} not in the database,"
        f" {events['out_of_order']} out of order, {events['repeated']:,} repeated;"
        f" {events['emergencies']:,} emergencies on a topic of their own",
        soft_wrap=True,
    )
    ack = figures["ack_ms"]
    console.print(
        f"{figures['reports_sent']:,} reports in {figures['transmissions']:,} transmissions,"
        f" {figures['seconds']:,} s, {figures['reports_per_second']:,} reports/s;"
        f" ack p50 {ack['p50']} ms, p95 {ack['p95']} ms, p99 {ack['p99']} ms;"
        f" bytes per report up {figures['bytes_up_per_report']},"
        f" down {figures['bytes_down_per_report']}",
        soft_wrap=True,
    )


def _say_what_is_up(console: Console, running: Servers) -> None:
    console.print(
        "\nStill up until Ctrl-C:\n"
        f"  metrics   {running.http}/metrics\n"
        f"  health    {running.http}/healthz  {running.http}/readyz\n"
        f"  database  {running.dsn}\n"
        f"  handsets  TCP {running.gateway}, MQTT {running.broker}\n"
        f"  events    MQTT {running.broker}, user {running.subscriber.name},"
        f" password {running.subscriber.password}\n"
        f"  all this for a shell: {running.environment}",
        soft_wrap=True,
    )
