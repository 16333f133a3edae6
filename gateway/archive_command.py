"""`gateway archive`: take old reports and tracks out of the tables that gateways write to."""

import asyncio
import signal
from datetime import UTC, datetime
from pathlib import Path

import click

from gateway.archive import (
    Archive,
    ArchiveBusyError,
    ArchiveHeldError,
    Table,
    archive_of,
    tables_of,
)
from gateway.command import EXIT_FAILED, fail, load_or_exit, run_or_exit


@click.command()
@click.option("--dry-run", is_flag=True, help="Only tell what would be moved and dropped.")
@click.pass_obj
def archive(settings_file: Path | None, *, dry_run: bool) -> None:
    """Move old reports and tracks into tables by month, and drop months past their keeping time.

    Run it once a day, while the gateways run. The ages stand in `[archive]`; nothing is dropped
    unless they say so. It ends in order on SIGTERM, and goes on with the next run.
    """
    settings = load_or_exit(settings_file)
    work = _archive(settings.database.dsn, tables_of(settings.archive), dry_run=dry_run)
    try:
        run_or_exit(work)
    except (ArchiveBusyError, ArchiveHeldError) as error:
        fail(str(error), EXIT_FAILED)


async def _archive(dsn: str, tables: tuple[Table, Table], *, dry_run: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with archive_of(dsn) as opened:
        for table in tables:
            if dry_run:
                click.echo(f"{table.name}  {await opened.count_old(table)} rows to move")
            else:
                moved = await opened.move(table, should_stop=stop.is_set, tell=_tell)
                click.echo(f"{table.name}  {moved} rows moved")
            await _drop(opened, table, stop, dry_run=dry_run)
    if stop.is_set():
        click.echo("stopped: the next run goes on from here")


async def _drop(opened: Archive, table: Table, stop: asyncio.Event, *, dry_run: bool) -> None:
    parts = await opened.parts(table)
    for part in opened.months_to_drop(table, parts, datetime.now(UTC)):
        if stop.is_set():
            return
        if dry_run:
            click.echo(f"{table.name}  {part} to drop")
        else:
            await opened.drop(table, part)
            click.echo(f"{table.name}  {part} dropped")


def _tell(table: str, rows: int) -> None:
    click.echo(f"{table}  {rows} rows moved so far", err=True)
