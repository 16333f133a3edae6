"""`deploy/postgres/roles.sh` on a real PostgreSQL: who may do what."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.helpers.compose import secret_of, services
from tests.helpers.databases import migrate_now
from tests.helpers.deployed_postgres import DeployedPostgres

KEYS = {"stored_key", "gateway_key"}
"""Columns of `device` with which one can pose as the gateway."""


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[DeployedPostgres]:
    """The compose file's PostgreSQL, with our schema."""
    found = DeployedPostgres(place / "roles", services()["postgres"])
    found.start()
    try:
        migrate_now(found.dsn_of("field_gateway", secret_of("FIELD_GATEWAY_PASSWORD")))
        yield found
    finally:
        found.stop()


@pytest.fixture
def grafana(server: DeployedPostgres) -> Iterator[psycopg.Connection]:
    """A connection of the dashboards."""
    dsn = server.dsn_of("grafana", secret_of("GRAFANA_DATABASE_PASSWORD"))
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
def gateway(server: DeployedPostgres) -> Iterator[psycopg.Connection]:
    """A connection of the gateways."""
    dsn = server.dsn_of("field_gateway", secret_of("FIELD_GATEWAY_PASSWORD"))
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


def relations(connection: psycopg.Connection) -> set[str]:
    """Tables and views of ours."""
    found = connection.execute(
        "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace"
        " AND c.relkind IN ('r', 'v', 'p', 'm')"
    )
    return {name for (name,) in found}


def test_the_cluster(server: DeployedPostgres) -> None:
    """Checksums are on, and what an ack is worth; a password is asked for."""
    dsn = server.dsn_of("postgres", secret_of("POSTGRES_PASSWORD"), "postgres")
    with psycopg.connect(dsn) as connection:
        for setting in ("data_checksums", "fsync", "full_page_writes", "synchronous_commit"):
            assert connection.execute(f"SHOW {setting}").fetchone() == ("on",), setting
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.dsn_of("field_gateway", "guessed"))


def test_dashboards_read_all_but_keys(grafana: psycopg.Connection) -> None:
    """Every view and table, also those of later migrations; of `device` what is no key."""
    names = relations(grafana)
    assert {"report_readable", "ledger_by_day", "traffic", "device"} <= names
    for name in names - {"device"}:
        grafana.execute(sql.SQL("SELECT * FROM {} LIMIT 1").format(sql.Identifier(name)))
    columns = {
        name
        for (name,) in grafana.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'device'::regclass AND attnum > 0"
        )
    }
    assert columns >= KEYS
    for name in columns - KEYS:
        grafana.execute(sql.SQL("SELECT {} FROM device").format(sql.Identifier(name)))
    for name in KEYS:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            grafana.execute(sql.SQL("SELECT {} FROM device").format(sql.Identifier(name)))


def test_a_table_of_a_later_version(
    gateway: psycopg.Connection, grafana: psycopg.Connection
) -> None:
    """Is readable from the moment it is made."""
    gateway.execute("CREATE TABLE of_a_later_version AS SELECT 1 AS one")
    try:
        assert grafana.execute("SELECT one FROM of_a_later_version").fetchone() == (1,)
    finally:
        gateway.execute("DROP TABLE of_a_later_version")


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO street SELECT * FROM street",
        "UPDATE device SET revoked_at = now()",
        "DELETE FROM report",
        "TRUNCATE report",
        "CREATE TABLE theirs (id int)",
        "CREATE TEMPORARY TABLE theirs (id int)",
        "GRANT SELECT ON device TO grafana",
    ],
)
def test_dashboards_write_nothing(grafana: psycopg.Connection, statement: str) -> None:
    """Not even when they ask for a transaction that may write."""
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        grafana.execute(statement)
    grafana.execute("SET default_transaction_read_only = off")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        grafana.execute(statement)


def test_a_dashboard_that_asks_too_much_ends(grafana: psycopg.Connection) -> None:
    """After half a minute, by its role's setting."""
    assert grafana.execute("SHOW statement_timeout").fetchone() == ("30s",)


def test_others_stay_outside(server: DeployedPostgres) -> None:
    """The database is for gateways and dashboards alone."""
    dsn = server.dsn_of("postgres", secret_of("POSTGRES_PASSWORD"), "postgres")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE ROLE stranger LOGIN PASSWORD 'stranger'")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(server.dsn_of("stranger", "stranger"))
