"""Migrations: complete, repeatable, safe from two gateways at once, and described."""

import asyncio
from pathlib import Path

import asyncpg
import pytest
from pogo_core.util import migrate as pogo

from gateway import migrate as module
from gateway.migrate import DatabaseUnreachableError, MigrationError, ServerTooOldError, migrate
from gateway.reference import load_reference

ALL = [
    "0001-reference",
    "0002-ingest",
    "0003-views",
    "0004-publication",
    "0005-tasks",
    "0006-metering",
    "0007-dashboards",
    "0008-devices",
    "0009-archive",
]


async def rows_of(dsn: str, query: str) -> list[asyncpg.Record]:
    """Rows of one query."""
    connection = await asyncpg.connect(dsn)
    try:
        return list(await connection.fetch(query))
    finally:
        await connection.close()


@pytest.mark.asyncio
async def test_once_and_again(empty_database_dsn: str) -> None:
    """The first run applies all in order, the second nothing."""
    assert await migrate(empty_database_dsn) == ALL
    assert await migrate(empty_database_dsn) == []


@pytest.mark.asyncio
async def test_every_file_is_applied() -> None:
    """The list in this test is the list of files."""
    folder = Path(module.__file__).parent / "sql" / "migrations"
    assert sorted(path.stem for path in folder.iterdir()) == ALL


@pytest.mark.asyncio
async def test_four_gateways_at_once(empty_database_dsn: str) -> None:
    """One applies, the others wait and find nothing to do."""
    results = await asyncio.gather(*(migrate(empty_database_dsn) for _ in range(4)))
    assert sorted(results) == [[], [], [], ALL]


@pytest.mark.asyncio
async def test_reference_data(database_dsn: str) -> None:
    """All rows of the data files are there, and what was changed by hand is put right again."""
    reference = load_reference()
    connection = await asyncpg.connect(database_dsn)
    await connection.execute("UPDATE street SET name = 'x'")
    await connection.execute("DELETE FROM unit_grid WHERE grid % 2 = 0")
    await migrate(database_dsn)
    counts = [
        await connection.fetchval(f"SELECT count(*) FROM {table}")
        for table in ("edition", "class_code", "street", "unit_grid")
    ]
    assert counts == [1, len(reference.classes), 13, 2_690]
    names = await connection.fetch("SELECT code, name FROM street")
    assert {row["code"]: row["name"] for row in names} == {
        street.code: street.name for street in reference.streets
    }
    await connection.close()


@pytest.mark.asyncio
async def test_everything_is_described(database_dsn: str) -> None:
    """Each table and view, and each column of a table, has a comment."""
    bare = await rows_of(
        database_dsn,
        """
        SELECT relation.relname, attname
        FROM pg_class AS relation
        JOIN pg_attribute ON attrelid = relation.oid AND attnum > 0 AND NOT attisdropped
        WHERE relnamespace = 'public'::regnamespace AND relname NOT LIKE '\\_pogo%'
            AND relkind = 'r' AND col_description(relation.oid, attnum) IS NULL
        UNION ALL
        SELECT relname, NULL FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relname NOT LIKE '\\_pogo%'
            AND relkind IN ('r', 'v') AND obj_description(oid, 'pg_class') IS NULL
        """,
    )
    assert bare == []


@pytest.mark.asyncio
async def test_rollbacks_undo_everything(empty_database_dsn: str) -> None:
    """The rollback sections, last first, leave nothing but the list of migrations behind."""
    await migrate(empty_database_dsn)
    connection = await asyncpg.connect(empty_database_dsn)
    folder = Path(module.__file__).parent / "sql" / "migrations"
    await pogo.rollback(connection, folder, schema_name="public", logger=module._QUIET)
    await connection.close()
    left = await rows_of(
        empty_database_dsn,
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'v') AND relname NOT LIKE '\\_pogo%'"
        " UNION ALL SELECT typname FROM pg_type"
        " WHERE typnamespace = 'public'::regnamespace AND typtype = 'e'",
    )
    assert left == []


@pytest.mark.asyncio
async def test_a_failed_migration_changes_nothing(empty_database_dsn: str) -> None:
    """A statement that fails names its migration and takes the earlier ones back with it."""
    connection = await asyncpg.connect(empty_database_dsn)
    await connection.execute("CREATE TABLE device (id int)")
    with pytest.raises(MigrationError, match="0002-ingest"):
        await migrate(empty_database_dsn)
    assert await connection.fetchval("SELECT to_regclass('edition')") is None
    await connection.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("dsn", ["postgresql://nobody@127.0.0.1:1/x", "http://no/dsn"])
async def test_unreachable(dsn: str) -> None:
    """Nobody listening and a malformed address are told alike, as a type of their own."""
    with pytest.raises(DatabaseUnreachableError):
        await migrate(dsn)


@pytest.mark.asyncio
async def test_unknown_database(empty_database_dsn: str) -> None:
    """A database that does not exist is unreachable too."""
    with pytest.raises(DatabaseUnreachableError, match="does not exist"):
        await migrate(f"{empty_database_dsn}_missing")


@pytest.mark.asyncio
async def test_old_server(empty_database_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server before the version needed is refused before anything is tried."""
    monkeypatch.setattr(module, "MIN_SERVER_VERSION", 99)
    with pytest.raises(ServerTooOldError, match="99 or later"):
        await migrate(empty_database_dsn)
