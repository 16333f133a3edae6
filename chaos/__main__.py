"""The command line: `python -m chaos`, or `make chaos ARGS="--minutes 10 --seed 7"`."""

import asyncio
import signal
import sys
from pathlib import Path

import click

from chaos.run import run_once
from chaos.schedule import make_schedule


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seed", default=1, show_default=True, help="Of schedule and load.")
@click.option("--seeds", type=click.IntRange(min=1), help="Run so many seeds, --seed first.")
@click.option("--minutes", default=1.0, show_default=True, help="How long things break.")
@click.option(
    "--data",
    "directory",
    default="var/chaos",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where servers' data and logs are kept.",
)
def main(*, seed: int, seeds: int | None, minutes: float, directory: Path) -> None:
    """Break everything that may break, and look whether anything was lost."""
    for one in range(seed, seed + (seeds or 1)):
        seconds = minutes * 60
        click.echo(f"seed {one}, {seconds:g} seconds")
        for injection in make_schedule(one, seconds):
            click.echo(f"  {injection}")
        result = asyncio.run(_until_signal(one, seconds, directory / f"seed-{one}"))
        for finding in result.findings:
            click.echo(f"FINDING {finding}")
    sys.exit(bool(result.findings))


async def _until_signal(seed: int, seconds: float, directory: Path):
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    return await run_once(seed, seconds, directory, click.echo)


if __name__ == "__main__":
    main()
