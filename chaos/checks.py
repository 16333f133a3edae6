"""What must be true after a fault run, of the database, the crew's journal and the events.

Each check reads, and leaves the judgement to a pure function that a test gives a defect to find.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg
import click

from chaos.checks_counting import check_counting
from chaos.checks_crew import check_crew
from chaos.checks_events import check_events
from chaos.checks_tables import check_ledger, check_watermarks
from chaos.checks_tasks import check_tasks
from chaos.findings import Checked


async def check_all(
    dsn: str, journal: Path | None, events: Sequence[tuple[str, dict[str, Any]]] | None
) -> list[Checked]:
    """Every check, once all is settled, published and counted.

    Args:
        dsn: The database. Its gateways may still run.
        journal: What the crew wrote down; None without a crew.
        events: Topic and event of all that a subscriber got from the beginning on, in the order in
            which it came, repetitions included; None without a subscriber.
    """
    connection = await asyncpg.connect(dsn)
    try:
        checked = [
            await check_ledger(connection),
            await check_watermarks(connection),
            await check_tasks(connection),
            await check_counting(connection),
        ]
        if events is not None:
            checked.append(await check_events(connection, events))
    finally:
        await connection.close()
    if journal is not None:
        checked.append(await asyncio.to_thread(check_crew, dsn, journal))
    return checked


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("dsn")
@click.argument("journal", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(dsn: str, journal: Path) -> None:
    """Hold the crew's journal and the database against each other; events are not looked at."""
    checked = asyncio.run(check_all(dsn, journal, None))
    for check in checked:
        click.echo(f"{check.name}: {check.counts}")
        for finding in check.findings:
            click.echo(f"  {finding}")
    raise SystemExit(any(check.findings for check in checked))


if __name__ == "__main__":
    main()
