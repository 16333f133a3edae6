"""The quarter's table: what the database holds beside what the district published."""

import tomllib
from datetime import date
from importlib import resources

import asyncpg
import msgspec
from rich.table import Table

PUBLISHED_FILE = "quarter-2008q1.toml"
COLLECTIONS = ("market", "self")


class Published(msgspec.Struct, frozen=True):
    """The published figures of the first quarter of 2008; source in the data file."""

    first_day: date
    last_day: date
    market: int
    self_run: int
    market_inspectors: int
    self_inspectors: int
    quota: int
    """Reports that the four market streets had to bring."""

    @property
    def total(self) -> int:
        """Reports of all inspectors."""
        return self.market + self.self_run


class Measured(msgspec.Struct, frozen=True):
    """The same figures, counted in the database."""

    market: int
    self_run: int
    market_inspectors: int
    self_inspectors: int

    @property
    def total(self) -> int:
        """Reports of all inspectors."""
        return self.market + self.self_run

    def quota_attained_percent(self, quota: int) -> float:
        """Reports of the market streets in percent of their quota, to a tenth."""
        return percent(self.market, quota)


def load_published() -> Published:
    """The published figures from the data file."""
    data = tomllib.loads(
        resources.files("gateway").joinpath("data", PUBLISHED_FILE).read_text(encoding="utf-8")
    )
    reports, inspectors = data["reports"], data["inspectors"]
    return Published(
        first_day=data["period"]["first_day"],
        last_day=data["period"]["last_day"],
        market=reports["market"],
        self_run=reports["self"],
        market_inspectors=inspectors["market"],
        self_inspectors=inspectors["self"],
        quota=data["quota"]["reports"],
    )


async def count_quarter(connection: asyncpg.Connection) -> Measured:
    """Count the reports of the first quarter of 2008 in the database."""
    rows = await connection.fetch(
        "SELECT collection, reports, inspectors FROM quarter_by_collection"
        " WHERE quarter_start = $1",
        load_published().first_day,
    )
    by_collection = {row["collection"]: row for row in rows}
    market, self_run = (by_collection.get(name) for name in COLLECTIONS)
    return Measured(
        market=market["reports"] if market else 0,
        self_run=self_run["reports"] if self_run else 0,
        market_inspectors=market["inspectors"] if market else 0,
        self_inspectors=self_run["inspectors"] if self_run else 0,
    )


def percent(part: int, whole: int) -> float:
    """`part` of `whole` in percent, to a tenth; 0 of nothing."""
    return round(100 * part / whole, 1) if whole else 0.0


def render(measured: Measured, published: Published) -> Table:
    """The table, for a terminal."""
    table = Table(title="First quarter of 2008, Longgang district: database beside publication")
    for heading in ("", "stored", "share", "published", "share"):
        table.add_column(heading, justify="left" if not heading else "right")
    rows = (
        ("all inspectors", measured.total, published.total),
        ("4 streets, contracted collection", measured.market, published.market),
        ("9 streets, own inspectors", measured.self_run, published.self_run),
    )
    for name, stored, expected in rows:
        table.add_row(
            name,
            f"{stored:,}",
            f"{percent(stored, measured.total)} %",
            f"{expected:,}",
            f"{percent(expected, published.total)} %",
        )
    table.add_row(
        f"quota of the 4 streets ({published.quota:,}) attained",
        f"{measured.quota_attained_percent(published.quota)} %",
        "",
        f"{percent(published.market, published.quota)} %",
        "",
    )
    table.add_row(
        "inspectors who reported (contracted / own)",
        f"{measured.market_inspectors} / {measured.self_inspectors}",
        "",
        f"{published.market_inspectors} / {published.self_inspectors}",
        "",
    )
    return table
