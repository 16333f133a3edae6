"""`gateway events` against a real database."""

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.__main__ import main
from gateway.command import EXIT_FAILED, EXIT_UNREACHABLE, EXIT_USAGE
from gateway.server_process import free_port
from tests.helpers.served_gateway import Look


def gateway(*arguments: str, dsn: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(
        main, ["events", *arguments], env={"GATEWAY_DATABASE__DSN": dsn}, catch_exceptions=False
    )


def rows(dsn: str, query: str) -> list[tuple[object, ...]]:
    """What a query returns."""
    return asyncio.run(Look(dsn).rows(query))


def leave(dsn: str, *stored_at: str) -> None:
    """Leave delivered publications in the table."""
    for position, moment in enumerate(stored_at, 1):
        rows(
            dsn,
            "INSERT INTO publication (position, stored_at, reports, delivered_at, hurried_at)"
            f" VALUES ({position}, '{moment}', 10, now(), now()) RETURNING id",
        )


def test_state(database_dsn: str) -> None:
    """What waits, and for how long."""
    leave(database_dsn, "2026-03-01 08:00+08")
    rows(
        database_dsn,
        "INSERT INTO publication (stored_at, reports) VALUES (now() - interval '1 hour', 7)"
        " RETURNING id",
    )
    result = gateway("state", dsn=database_dsn)
    assert (result.exit_code, result.stderr) == (0, "")
    waiting, reports, lag = result.stdout.splitlines()
    assert waiting == "transactions waiting  1"
    assert reports == "reports waiting       7"
    assert lag.startswith("lag in seconds        36")


def test_state_when_nothing_waits(database_dsn: str) -> None:
    """Zeros."""
    assert gateway("state", dsn=database_dsn).stdout.splitlines() == [
        "transactions waiting  0",
        "reports waiting       0",
        "lag in seconds        0.0",
    ]


def test_again(database_dsn: str) -> None:
    """What was stored at that moment or later; the moment is one of the asker's time zone."""
    leave(database_dsn, "2026-03-01 07:59:59+08", "2026-03-01 08:00+08", "2026-03-02 08:00+08")
    result = gateway("again", "--since", "2026-03-01T08:00+08:00", dsn=database_dsn)
    assert (result.exit_code, result.stdout) == (0, "2 transactions are published again\n")
    waiting = "SELECT position FROM publication WHERE delivered_at IS NULL ORDER BY 1"
    assert rows(database_dsn, waiting) == [(2,), (3,)]
    again = gateway("again", "--since", "2026-03-01T00:00Z", dsn=database_dsn)
    assert again.stdout == "0 transactions are published again\n"


@pytest.mark.parametrize(
    "since, fault",
    [
        (("--since", "yesterday"), "no time like"),
        (("--since", "2026-03-01T08:00"), "how far it is from UTC"),
        ((), "Missing option '--since'"),
    ],
)
def test_a_time_that_is_none(database_dsn: str, since: tuple[str, ...], fault: str) -> None:
    """Wrong usage; nothing is published again."""
    leave(database_dsn, "2026-03-01 08:00+08")
    result = gateway("again", *since, dsn=database_dsn)
    assert result.exit_code == EXIT_USAGE
    assert fault in result.stderr
    assert gateway("state", dsn=database_dsn).stdout.startswith("transactions waiting  0")


def test_a_database_that_is_away() -> None:
    """Its own exit code: later it may work."""
    result = gateway("state", dsn=f"postgresql://u:geheim@127.0.0.1:{free_port()}/d")
    assert result.exit_code == EXIT_UNREACHABLE
    assert "geheim" not in result.stderr


def test_a_database_without_our_schema(empty_database_dsn: str, tmp_path: Path) -> None:
    """The message says what to do."""
    file = tmp_path / "gateway.toml"
    file.write_text(f'[database]\ndsn = "{empty_database_dsn}"\n')
    result = CliRunner().invoke(main, ["--settings", str(file), "events", "state"])
    assert result.exit_code == EXIT_FAILED
    assert "gateway migrate" in result.stderr
