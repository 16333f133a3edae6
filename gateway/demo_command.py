"""`gateway demo`: its options, what runs when, and what stays up."""

import asyncio
import json
import math
import signal
import time
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

from gateway.command import run_or_exit
from gateway.demo import Result, play
from gateway.demo_display import display_on
from gateway.demo_result import is_right, show, summarize
from gateway.demo_servers import Options, Servers, servers

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
    a subscriber received. Ends with the bill: what the traffic costs under each tariff, beside
    SMS. Stays up until Ctrl-C, so that you can look at the page, the database, the metrics and
    the events.

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
        console.print(f"page {running.http}/   metrics {running.http}/metrics", soft_wrap=True)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        started = time.monotonic()
        result = await _play_until(stop, options, running, console)
        if result is None:
            console.print("interrupted; ending everything in order")
            return EXIT_WRONG
        figures = summarize(result, time.monotonic() - started)
        show(Console(), result, figures)
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
    async with display_on(console, options) as display, asyncio.TaskGroup() as tasks:
        playing = tasks.create_task(play(options, running, display.update))
        stopping = tasks.create_task(stop.wait())
        await asyncio.wait({playing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not playing.done():
            playing.cancel()
            return None
    return playing.result()


def _say_what_is_up(console: Console, running: Servers) -> None:
    console.print(
        "\nStill up until Ctrl-C:\n"
        f"  page      {running.http}/\n"
        f"  metrics   {running.http}/metrics\n"
        f"  health    {running.http}/healthz  {running.http}/readyz\n"
        f"  database  {running.dsn}\n"
        f"  handsets  TCP {running.gateway}, MQTT {running.broker}\n"
        f"  events    MQTT {running.broker}, user {running.subscriber.name},"
        f" password {running.subscriber.password}\n"
        f"  all this for a shell: {running.environment}",
        soft_wrap=True,
    )
