"""`deploy/postgres/roles.sh` on a real PostgreSQL: who may do what."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.helpers.compose import secret_of, services
from tests.helpers.databases import migrate_now
from tests.helpers.deployed_postgres import DeployedPostgres


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


def relations(connection: psycopg.Connection, kind: str) -> set[str]:
    """Our tables (`r`) or views (`v`)."""
    found = connection.execute(
        "SELECT relname FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace AND relkind::text = %s",
        [kind],
    )
    return {name for (name,) in found}


def test_the_cluster(server: DeployedPostgres) -> None:
    """Checksums are on, and what an ack is worth; a password is asked for."""
    dsn = server.dsn_of("postgres", secret_of("POSTGRES_PASSWORD"), "postgres")
    with psycopg.connect(dsn) as connection:
        (version,) = connection.execute("SHOW server_version").fetchone() or ("",)
        assert services()["postgres"]["image"].startswith(f"postgres:{version.partition('.')[0]}.")
        for setting in ("data_checksums", "fsync", "full_page_writes", "synchronous_commit"):
            assert connection.execute(f"SHOW {setting}").fetchone() == ("on",), setting
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.dsn_of("field_gateway", "guessed"))


def select_from(connection: psycopg.Connection, name: str) -> None:
    """Read a table or view."""
    connection.execute(sql.SQL("SELECT * FROM {} LIMIT 1").format(sql.Identifier(name)))


def test_dashboards_read_every_view(grafana: psycopg.Connection) -> None:
    """Whatever migrations made."""
    views = relations(grafana, "v")
    assert {"report_readable", "ledger_by_day"} <= views
    for name in views:
        select_from(grafana, name)


def test_dashboards_read_no_table(grafana: psycopg.Connection) -> None:
    """So no keys of handsets either."""
    tables = relations(grafana, "r")
    assert {"device", "report"} <= tables
    for name in tables:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            select_from(grafana, name)


def test_a_view_of_a_later_version(
    gateway: psycopg.Connection, grafana: psycopg.Connection
) -> None:
    """Is readable from the moment it is made, also when it replaces one."""
    try:
        for number in ("1", "2"):
            gateway.execute(f'CREATE OR REPLACE VIEW "later Version" AS SELECT {number} AS n')
            assert grafana.execute('SELECT n FROM "later Version"').fetchone() == (int(number),)
    finally:
        gateway.execute('DROP VIEW IF EXISTS "later Version"')


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO street DEFAULT VALUES",
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
