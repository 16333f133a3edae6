"""`gateway events`: how far publishing is behind, and publishing once more."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import click

from gateway.command import load_or_exit, with_pool
from gateway.publications import Publications

T = TypeVar("T")


class Moment(click.ParamType[datetime]):
    """A point in time that says how far it is from UTC: a wrong guess would cost hours of events
    or repeat them.
    """

    name = "time"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """See `click.ParamType`."""
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time like 2026-03-01T08:00+08:00", param, ctx)
        if moment.tzinfo is None:
            self.fail(f"{value!r} does not say how far it is from UTC: {value}+08:00", param, ctx)
        return moment


@click.group()
def events() -> None:
    """See how far publishing is behind, and publish once more."""


@events.command()
@click.pass_obj
def state(settings_file: Path | None) -> None:
    """Tell what waits to be published, and for how long."""
    behind = _with_publications(settings_file, lambda publications: publications.state())
    click.echo(f"transactions waiting  {behind.publications_waiting}")
    click.echo(f"reports waiting       {behind.reports_waiting}")
    click.echo(f"lag in seconds        {behind.lag_seconds:.1f}")


@events.command()
@click.option("--since", type=Moment(), required=True, help="Such as 2026-03-01T08:00+08:00.")
@click.pass_obj
def again(settings_file: Path | None, since: datetime) -> None:
    """Publish once more what was stored since a point in time, to all subscribers.

    The relay does it; events have the ids and sequences of the first time, and new ones wait until
    it is done. It reaches as far back as `relay.keep_days`.
    """
    count = _with_publications(settings_file, lambda publications: publications.again(since))
    click.echo(f"{count} transactions are published again")


def _with_publications(
    settings_file: Path | None, work: Callable[[Publications], Awaitable[T]]
) -> T:
    return with_pool(load_or_exit(settings_file), lambda pool: work(Publications(pool)))
