"""`gateway cost`: what was metered, what it costs under each tariff, and what SMS would cost."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Final, get_args

import asyncpg
import click
from rich.console import Console

from gateway.command import EXIT_USAGE, fail, load_or_exit, with_pool
from gateway.cost.china import day_of
from gateway.cost.period import Period, parse_period
from gateway.cost.statement import GroupBy, Statement, make_statement
from gateway.cost.tariff import Tariff, TariffError
from gateway.cost.usage import Usage
from gateway.metered import fetch_usage
from gateway.price_lists import find_tariff, load_tariffs
from gateway.reference import load_reference
from gateway.settings import Settings
from gateway.statement_view import render_statement, statement_csv, statement_json
from gateway.store_errors import TRANSIENT_ERRORS, StoreUnavailableError
from gateway.uncounted import CountTables, Waiting

PLAIN_WIDTH: Final = 200
"""Columns of a table that goes into a file or a pipe."""


class Day(click.ParamType[date]):
    """A calendar day."""

    name = "day"

    def convert(
        self, value: str | date, param: click.Parameter | None, ctx: click.Context | None
    ) -> date:
        """See `click.ParamType`."""
        if isinstance(value, date):
            return value
        try:
            return datetime.strptime(value, "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            self.fail(f"{value!r} is no day like 2026-11-24", param, ctx)


class Days(click.ParamType[Period]):
    """The first and the last of some days."""

    name = "day/day"

    def convert(
        self, value: str | Period, param: click.Parameter | None, ctx: click.Context | None
    ) -> Period:
        """See `click.ParamType`."""
        if isinstance(value, Period):
            return value
        try:
            return parse_period(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command()
@click.option("--from", "first", type=Day(), help="First day. Default: the first of the month.")
@click.option("--to", "last", type=Day(), help="Last day, included. Default: today.")
@click.option("--by", type=click.Choice(get_args(GroupBy)), help="Divide the bill.")
@click.option("--tariff", "names", multiple=True, metavar="ID|FILE.toml",
              help="Only this, and SMS in its currency; repeatable. Default: all.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table",
              show_default=True, help="table is for people.")  # fmt: skip
@click.option("--played-as", type=Days(), metavar="DAY/DAY",
              help="The days that a simulation stands for. Default: cost.played_as.")  # fmt: skip
@click.pass_obj
def cost(
    settings_file: Path | None,
    /,
    first: date | None,
    last: date | None,
    by: GroupBy | None,
    names: Sequence[str],
    form: str,
    played_as: Period | None,
) -> None:
    """Tell what devices' traffic costs under each tariff, beside SMS for the very same messages.

    \b
    gateway cost                                        this month so far
    gateway cost --from 2026-11-01 --to 2026-11-24 --by street
    gateway cost --tariff sms-2006 --tariff ours.toml --format csv > bill.csv
    gateway cost --played-as 2008-01-01/2008-03-31      after a simulation

    It shows messages, bytes both ways with all headers, the SMS segments avoided, and for each
    tariff the cost, the saving against the first SMS tariff in the same currency, and what a year
    like this would cost; then from how many reports a shift on a standing connection pays. Days
    are China's. In JSON and CSV sums of money are exact decimals; docs/cost-model.md explains each
    figure. Exit code 0 also when nothing was metered.
    """  # noqa: D301 - click's mark of lines to be left as they are is a real backspace
    settings = load_or_exit(settings_file)
    period = _period(first, last)
    tariffs = _tariffs(names, settings)
    played_as = played_as or settings.cost.played_period()
    usages, waiting = with_pool(settings, lambda pool: _read(pool, period))
    statement = make_statement(usages, period, tariffs, by=by, played_as=played_as)
    if waiting.reports:
        click.echo(f"{waiting.reports:,} reports are stored and not counted yet", err=True)
    if not usages:
        click.echo(f"nothing was metered from {period.first} to {period.last}", err=True)
        if form == "table":
            return
    _tell(statement, by, form)


def _period(first: date | None, last: date | None) -> Period:
    last = last or day_of(int(time.time()))
    first = first or last.replace(day=1)
    if first > last:
        fail(f"--from {first} is after --to {last}: the first day comes first", EXIT_USAGE)
    return Period(first, last)


def _tariffs(names: Sequence[str], settings: Settings) -> list[Tariff]:
    folder = settings.cost.tariffs
    try:
        if not names:
            return list(load_tariffs(folder).values())
        tariffs = [find_tariff(name, folder) for name in names]
        tariffs = [*_old_prices(load_tariffs(folder).values(), tariffs), *tariffs]
    except TariffError as error:
        fail(str(error), EXIT_USAGE)
    ids = [tariff.id for tariff in tariffs]
    for tariff_id in ids:
        if ids.count(tariff_id) > 1:
            fail(f"--tariff: {tariff_id} is there twice", EXIT_USAGE)
    return tariffs


def _old_prices(known: Iterable[Tariff], asked: Sequence[Tariff]) -> Iterator[Tariff]:
    """The tariffs that savings are told against: the first of each currency in which something
    was asked for, but none for SMS.
    """
    missing = {t.currency for t in asked} - {t.currency for t in asked if t.sms is not None}
    for tariff in known:
        if tariff.sms is not None and tariff.currency in missing:
            missing.remove(tariff.currency)
            yield tariff


async def _read(pool: asyncpg.Pool, period: Period) -> tuple[list[Usage], Waiting]:
    try:
        usages = await fetch_usage(pool, period.first, period.last)
        return usages, await CountTables(pool).waiting()
    except TRANSIENT_ERRORS as error:
        raise StoreUnavailableError(f"{type(error).__name__}: {error}") from error


def _tell(statement: Statement, by: GroupBy | None, form: str) -> None:
    names = _names(by)
    if form == "json":
        click.echo(json.dumps(statement_json(statement), ensure_ascii=False, indent=2))
    elif form == "csv":
        click.echo(statement_csv(statement, by, names), nl=False)
    else:
        console = Console()
        if not console.is_terminal:
            console = Console(width=PLAIN_WIDTH)
        for table in render_statement(statement, names):
            console.print(table)


def _names(by: GroupBy | None) -> Mapping[str, str]:
    """What the keys of groups are called."""
    if by != "street":
        return {}
    return {str(street.code): street.name for street in load_reference().streets}
