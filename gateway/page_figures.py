"""What the page shows: one struct, sent as JSON by `/api/figures`.

Everything here is read from tables that stay small or through a primary key: nothing takes longer
because there are more reports. Names of fields are the API; docs/operations.md lists them.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import asyncpg
import msgspec

from gateway.cost.period import Period
from gateway.database import connection_of
from gateway.page_scope import Scope
from gateway.pulse import Sample
from gateway.queries import load_queries

_QUERIES = load_queries("page.sql")

NEW_EMERGENCIES_A_LOOK: Final = 3
"""Most transactions that are searched for emergencies at a time, the newest first. In a storm each
holds thousands of reports, some 10 ms of the database; what was searched is remembered."""

E5_DEGREES: Final = 100_000


class ShownReport(msgspec.Struct, frozen=True):
    """A report in a list."""

    device: int
    installation: int
    sequence: int
    observed_at: datetime
    stored_at: datetime
    kind: str
    urgency: str
    description: str
    """What an inspector wrote: not ours, show it as text."""
    street_code: int
    street: str
    """Empty where the code is not known; the same for `class_name`."""
    class_code: int
    class_name: str


class StreetFigures(msgspec.Struct, frozen=True):
    """A street on the map."""

    code: int
    name: str
    lat: float
    """Rough centre, off by 2 to 4 km."""
    lon: float
    collection: str
    """`market` or `self`."""
    reports: int
    """Observed there in the period, as far as they are counted."""
    emergencies: int


class Ledger(msgspec.Struct, frozen=True):
    """received = stored + duplicate + quarantined + refused + in_flight."""

    received: int = 0
    stored: int = 0
    duplicate: int = 0
    quarantined: int = 0
    refused: int = 0
    in_flight: int = 0
    """Of the gateway that is asked; the others are of all gateways."""


class OpenTasks(msgspec.Struct, frozen=True):
    """Tasks that are not over."""

    queued: int = 0
    sent: int = 0
    received: int = 0


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `/api/figures`."""

    gateway: str
    """Name of the gateway that answers."""
    at: datetime
    """When it answers."""
    database: bool
    """Whether the database answered. If not, what is read from it is of `database_at`."""
    database_at: datetime | None
    """When the database was read last; null: never, and its figures mean nothing."""
    period: Period | None = None
    """The days that streets and ledger tell of: this month in China. For a simulation the days that
    it stands for (its ledger is of all days)."""
    played: bool = False
    """Whether it is a simulation."""
    expected: int | None = None
    """How many reports the period had, where it is the published quarter."""
    stored_today: int = 0
    ledger: Ledger = Ledger()
    devices_online: int = 0
    devices_registered: int = 0
    tasks: OpenTasks = OpenTasks()
    counted: int = 0
    """Reports of the period that are counted by street."""
    uncounted: int = 0
    """Reports that are still to be counted; of a long queue only those first in it."""
    streets: list[StreetFigures] = []
    newest: list[ShownReport] = []
    emergencies: list[ShownReport] = []
    in_force: str = ""
    """The tariff that the money spent is calculated with: `lines[].tariff` of the bill."""
    bill: dict[str, Any] | None = None
    """As `gateway cost --format json` prints it; null until it is made."""
    bill_at: datetime | None = None
    pulse_seconds: float = 0
    """Between two samples."""
    pulse: list[Sample] = []
    """Of the gateway that answers, after the time that was asked for, oldest first."""


class FiguresReader:
    """Reads the database, one connection at a time.

    Args:
        pool: The gateway's.
        gateway: Its name, under which it notes who is online.
    """

    def __init__(self, pool: asyncpg.Pool, gateway: str) -> None:
        self._pool = pool
        self._gateway = gateway
        self._emergencies: dict[int, list[ShownReport]] = {}

    async def quick(self, scope: Scope) -> dict[str, Any]:
        """What changes with every report: fields of `Figures`. Raises what asyncpg raises."""
        async with connection_of(self._pool) as connection:
            ledger = dict(
                await connection.fetchrow(_QUERIES["ledger"], scope.ledger_from, scope.today)
            )
            return {
                "stored_today": ledger.pop("stored_today"),
                "ledger": Ledger(**ledger),
                "devices_online": await connection.fetchval(
                    _QUERIES["online_elsewhere"], self._gateway
                ),
                "newest": _reports(await connection.fetch(_QUERIES["newest"])),
                "emergencies": await self._read_emergencies(connection),
            }

    async def slow(self, scope: Scope) -> dict[str, Any]:
        """What may be some seconds old."""
        async with connection_of(self._pool) as connection:
            period = scope.period
            rows = await connection.fetch(_QUERIES["streets"], period.first, period.last)
            return {
                "counted": sum(row["reports"] for row in rows),
                "uncounted": await connection.fetchval(_QUERIES["uncounted"]),
                "streets": [_street(row) for row in rows if row["name"] is not None],
                "devices_registered": await connection.fetchval(_QUERIES["registered"]),
                "tasks": OpenTasks(**await connection.fetchrow(_QUERIES["open_tasks"])),
            }

    async def _read_emergencies(self, connection: asyncpg.Connection) -> list[ShownReport]:
        """The newest ones. What a transaction left does not change, so it is searched once."""
        ids = [row["id"] for row in await connection.fetch(_QUERIES["newest_with_emergencies"])]
        known = {n: self._emergencies[n] for n in ids if n in self._emergencies}
        for number in [n for n in ids if n not in known][:NEW_EMERGENCIES_A_LOOK]:
            rows = await connection.fetch(_QUERIES["emergencies"], number)
            known[number] = _reports(rows)
        self._emergencies = known
        return [report for number in ids if number in known for report in known[number]][:12]


def _reports(rows: list[Mapping[str, Any]]) -> list[ShownReport]:
    return [ShownReport(**row) for row in rows]


def _street(row: Mapping[str, Any]) -> StreetFigures:
    return StreetFigures(
        code=row["code"],
        name=row["name"],
        lat=row["lat_e5"] / E5_DEGREES,
        lon=row["lon_e5"] / E5_DEGREES,
        collection=row["collection"],
        reports=row["reports"],
        emergencies=row["emergencies"],
    )
