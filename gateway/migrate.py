"""Brings the schema and the reference data of a database up to date."""

import logging
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import Final

import asyncpg
from pogo_core.error import BadMigrationError
from pogo_core.util import migrate as pogo
from pogo_core.util import sql as pogo_sql

from gateway.queries import load_queries
from gateway.reference import Reference, load_reference

MIN_SERVER_VERSION: Final = 15
"""Oldest PostgreSQL: the unique key of quarantine takes nulls as equal, which 15 brought."""

CONNECT_TIMEOUT_SECONDS: Final = 10.0
"""Long enough for a name server and TLS on a slow link, short enough for a person who waits."""

STATEMENT_TIMEOUT_SECONDS: Final = 600.0
"""A migration may rewrite a large table, and may wait for another gateway's migration."""

_SCHEMA: Final = "public"
_LOCK_KEY: Final = 0x6669656C64677731
"""Advisory lock of migrations: the bytes of `fieldgw1`, so that no other program takes it."""

_QUIET = logging.getLogger("gateway.migrate.pogo")
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False  # `migrate` returns the names; the caller tells them in its own words


class MigrationError(Exception):
    """The database could not be brought up to date. Nothing was changed."""


class DatabaseUnreachableError(MigrationError):
    """No connection: wrong address or credentials, or the server is not up (yet)."""


class ServerTooOldError(MigrationError):
    """The server is older than `MIN_SERVER_VERSION`."""


async def migrate(dsn: str) -> list[str]:
    """Apply the migrations that are missing and write the reference data.

    One transaction: all or nothing. Harmless to repeat, and when two gateways start at once: an
    advisory lock lets the second wait, and it finds nothing left to do.

    Returns:
        The names of the migrations applied now, in order.

    Raises:
        DatabaseUnreachableError: No connection could be made.
        ServerTooOldError: The server lacks what the schema needs.
        MigrationError: A statement failed; the message says which migration.
    """
    try:
        connection = await asyncpg.connect(
            dsn, timeout=CONNECT_TIMEOUT_SECONDS, command_timeout=STATEMENT_TIMEOUT_SECONDS
        )
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        raise DatabaseUnreachableError(f"cannot connect to the database: {error}") from error
    try:
        return await _migrate(connection)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, BadMigrationError) as error:
        cause = f" ({error.__cause__})" if error.__cause__ else ""
        raise MigrationError(f"{error}{cause}") from error
    finally:
        # After a failure the connection may be dead, and closing it politely could hang.
        connection.terminate()


async def _migrate(connection: asyncpg.Connection) -> list[str]:
    version = connection.get_server_version()
    if version.major < MIN_SERVER_VERSION:
        raise ServerTooOldError(
            f"PostgreSQL {MIN_SERVER_VERSION} or later is needed, this is {version.major}"
        )
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK_KEY)
        applied = await _apply_migrations(connection)
        await _write_reference(connection, load_reference())
    return applied


async def _apply_migrations(connection: asyncpg.Connection) -> list[str]:
    await pogo_sql.ensure_pogo_sync(connection)
    before = await pogo_sql.get_applied_migrations(connection, schema_name=_SCHEMA)
    with resources.as_file(resources.files("gateway").joinpath("sql", "migrations")) as folder:
        await pogo.apply(connection, folder, schema_name=_SCHEMA, logger=_QUIET)
    after = await pogo_sql.get_applied_migrations(connection, schema_name=_SCHEMA)
    return sorted(after - before)


async def _write_reference(connection: asyncpg.Connection, reference: Reference) -> None:
    queries = load_queries("reference.sql")
    tables = reference.tables
    statements: tuple[tuple[str, Iterable[Sequence[object]]], ...] = (
        (
            "upsert_editions",
            (
                (
                    *(e.number, e.name, e.district, e.lat0_e5, e.lon0_e5),
                    *(e.grid_digits, e.class_digits, e.number == tables.current),
                )
                for e in tables.editions.values()
            ),
        ),
        (
            "upsert_classes",
            ((c.edition, c.kind.name.lower(), c.code, c.major, c.minor) for c in reference.classes),
        ),
        (
            "upsert_streets",
            (
                (s.code, s.name, s.collection, s.lat_e5, s.lon_e5, s.area_km2)
                for s in reference.streets
            ),
        ),
        ("upsert_unit_grids", ((g.grid, g.street_code) for g in reference.unit_grids)),
    )
    for name, rows in statements:
        await connection.execute(queries[name], *map(list, zip(*rows, strict=True)))
