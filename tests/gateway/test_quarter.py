"""The quarter's table: published figures, and the same counted in a real database."""

from datetime import UTC, date, datetime
from io import StringIO

import asyncpg
import pytest
from rich.console import Console

from gateway.parcel import Parcel, Transport
from gateway.protocol.report import Report
from gateway.quarter import Measured, Published, count_quarter, load_published, percent, render
from gateway.store import PostgresStore, open_pool
from tests.helpers.builders import build_report

MARKET_GRID, SELF_GRID = 44_030_700_300_101, 44_030_700_700_101
"""Unit grids of 平湖 (contracted collection) and of 坪山 (the street's own inspectors)."""

QUARTER = Measured(market=227_804, self_run=37_931, market_inspectors=336, self_inspectors=437)


def seconds(moment: str) -> int:
    """Unix time of a moment in UTC."""
    return int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp())


def test_published_figures() -> None:
    """As the district printed them: they add up, and their shares are the printed ones."""
    published = load_published()
    assert (published.total, published.market, published.self_run) == (265_735, 227_804, 37_931)
    assert (published.first_day, published.last_day) == (date(2008, 1, 1), date(2008, 3, 31))
    assert (published.market_inspectors, published.self_inspectors) == (336, 437)
    assert percent(published.market, published.total) == 85.7
    assert percent(published.self_run, published.total) == 14.3
    assert percent(published.market, published.quota) == 126.8


def test_measured_figures_are_reckoned_the_same_way() -> None:
    """The whole quarter attains what was published."""
    assert QUARTER.total == 265_735
    assert QUARTER.quota_attained_percent(load_published().quota) == 126.8


@pytest.mark.parametrize(
    "part, whole, expected", [(1, 3, 33.3), (2, 3, 66.7), (0, 5, 0.0), (5, 5, 100.0), (0, 0, 0.0)]
)
def test_percent(part: int, whole: int, expected: float) -> None:
    """To a tenth; nothing of nothing is nothing."""
    assert percent(part, whole) == expected


async def count(dsn: str, reports: dict[int, list[Report]]) -> Measured:
    """Store reports by device, and count the quarter."""
    pool = await open_pool(dsn, size=2)
    try:
        store = PostgresStore(pool, gateway="test")
        await store.write(
            [Parcel(device, 1, Transport.TCP, b"", mine) for device, mine in reports.items()]
        )
    finally:
        pool.terminate()
    connection = await asyncpg.connect(dsn)
    try:
        return await count_quarter(connection)
    finally:
        await connection.close()


@pytest.mark.asyncio
async def test_an_empty_database(database_dsn: str) -> None:
    """Nothing is stored, and nothing is divided by nothing."""
    measured = await count(database_dsn, {})
    assert measured == Measured(0, 0, 0, 0)
    assert measured.total == 0


@pytest.mark.asyncio
async def test_reports_count_where_their_street_belongs(database_dsn: str) -> None:
    """By the collection mode of the street, each inspector once."""
    measured = await count(
        database_dsn,
        {
            1: [build_report(sequence=n, grid=MARKET_GRID) for n in (1, 2, 3)],
            2: [build_report(sequence=n, grid=MARKET_GRID) for n in (1, 2)],
            3: [build_report(sequence=1, grid=SELF_GRID)],
        },
    )
    assert measured == Measured(market=5, self_run=1, market_inspectors=2, self_inspectors=1)


@pytest.mark.asyncio
async def test_the_quarter_begins_and_ends_at_midnight_in_china(database_dsn: str) -> None:
    """Eight hours before midnight in Greenwich."""
    moments = [
        seconds("2007-12-31 15:59:59"),
        seconds("2007-12-31 16:00:00"),
        seconds("2008-03-31 15:59:59"),
        seconds("2008-03-31 16:00:00"),
    ]
    reports = [
        build_report(sequence=place, observed_at=moment, grid=SELF_GRID)
        for place, moment in enumerate(moments, 1)
    ]
    measured = await count(database_dsn, {1: reports})
    assert (measured.market, measured.self_run) == (0, 2)


def rendered(measured: Measured, published: Published) -> list[list[str]]:
    """The cells of the table as a terminal shows them."""
    console = Console(width=200, file=StringIO(), record=True)
    console.print(render(measured, published))
    return [
        [cell.strip() for cell in line.strip("│").split("│")]
        for line in console.export_text().splitlines()
        if line.startswith("│")
    ]


def test_the_table_of_the_whole_quarter() -> None:
    """Database and publication stand beside each other and are equal."""
    assert rendered(QUARTER, load_published()) == [
        ["all inspectors", "265,735", "100.0 %", "265,735", "100.0 %"],
        ["4 streets, contracted collection", "227,804", "85.7 %", "227,804", "85.7 %"],
        ["9 streets, own inspectors", "37,931", "14.3 %", "37,931", "14.3 %"],
        ["quota of the 4 streets (179,685) attained", "126.8 %", "", "126.8 %", ""],
        ["inspectors who reported (contracted / own)", "336 / 437", "", "336 / 437", ""],
    ]


def test_the_table_of_nothing() -> None:
    """An empty database beside the publication."""
    cells = rendered(Measured(0, 0, 0, 0), load_published())
    assert cells[0] == ["all inspectors", "0", "0.0 %", "265,735", "100.0 %"]
