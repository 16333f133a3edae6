"""The command line: `python -m chaos`, or `make chaos ARGS="--minutes 10 --seed 7"`."""

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Final

import click

from chaos.processes import ChaosError
from chaos.result import Result
from chaos.run import run_once
from chaos.schedule import make_schedule
from chaos.tables import markdown, text
from gateway.server_process import ServerFailedError
from scripts.marked_blocks import replace_blocks

DOCUMENT: Final = Path(__file__).parents[1] / "docs" / "reliability.md"
BLOCK: Final = "fault runs"

SECONDS_PER_MINUTE: Final = 60

MIN_MINUTES: Final = 0.3
"""Shorter, and the quiet at the end leaves no time to break anything."""

EXIT_FINDINGS: Final = 1
EXIT_NOT_RUN: Final = 3
"""The run could not be made, or was broken off."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seed", default=1, show_default=True, help="Of schedule and load.")
@click.option(
    "--seeds", default=1, type=click.IntRange(min=1), metavar="N", help="Run N seeds, --seed first."
)
@click.option(
    "--minutes",
    default=1.0,
    show_default=True,
    type=click.FloatRange(min=MIN_MINUTES),
    help="How long things break. From 1 on each fault comes at least once.",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write schedules, counts and findings there.",
)
@click.option(
    "--from",
    "earlier",
    multiple=True,
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="Run nothing: tell the results of earlier --json FILEs.",
)
@click.option("--write-docs", is_flag=True, help="Put the table into docs/reliability.md.")
@click.option(
    "--data",
    "directory",
    default="var/chaos",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where servers' data and logs are kept.",
)
def main(
    *,
    seed: int,
    seeds: int,
    minutes: float,
    json_file: Path | None,
    earlier: tuple[Path, ...],
    write_docs: bool,
    directory: Path,
) -> None:
    """Break everything that may break, and look whether anything was lost, stored twice or altered.

    Starts its own PostgreSQL, broker, gateways and handsets. Linux; as root the disk can be filled
    too. The same seed and length give the same schedule.

    \b
    Exit codes: 0 nothing was found, 1 something was, 2 wrong usage, 3 the run could not be made.
    """  # noqa: D301 - click's mark of lines to be left as they are is a real backspace
    results = [Result.from_json(told) for file in earlier for told in json.loads(file.read_bytes())]
    for one in range(seed, seed + seeds) if not earlier else ():
        result = _run(one, minutes * SECONDS_PER_MINUTE, directory / f"seed-{one}")
        if result is None:
            sys.exit(EXIT_NOT_RUN)
        results.append(result)
        _tell(result)
        if json_file is not None:
            _write_json(json_file, results)
    for result in results if earlier else ():
        _tell(result)
    if write_docs:
        document = DOCUMENT.read_text(encoding="utf-8")
        DOCUMENT.write_text(replace_blocks(document, {BLOCK: markdown(results)}), encoding="utf-8")
    sys.exit(0 if all(result.is_clean for result in results) else EXIT_FINDINGS)


def _run(seed: int, seconds: float, directory: Path) -> Result | None:
    """None when it could not be made or was broken off, which is told."""
    click.echo(f"seed {seed}, {seconds:g} seconds")
    for injection in make_schedule(seed, seconds):
        click.echo(f"  {injection}")
    result = None
    try:
        result = asyncio.run(_until_signal(seed, seconds, directory))
    except* (ChaosError, ServerFailedError) as group:
        click.echo(f"chaos: {_first_of(group)}", err=True)
    return result


def _tell(result: Result) -> None:
    for line in text(result):
        click.echo(line)


def _first_of(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _until_signal(seed: int, seconds: float, directory: Path) -> Result | None:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: task and task.cancel())
    try:
        return await run_once(seed, seconds, directory, click.echo)
    except asyncio.CancelledError:
        click.echo("chaos: broken off", err=True)
        return None


def _write_json(file: Path, results: list[Result]) -> None:
    told = json.dumps([result.as_json() for result in results], indent=2, ensure_ascii=False)
    file.write_text(f"{told}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
