"""Databases for tests: made and dropped in an instant from a template that is migrated once."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import LiteralString

import psycopg
from psycopg import sql

from gateway.embedded_postgres import EmbeddedPostgres

TEMPLATE = "migrated"

_numbers = itertools.count(1)


@contextmanager
def fresh_database(server: EmbeddedPostgres, template: str = "template0") -> Iterator[str]:
    """The address of a database of this test's own, a copy of `template`; dropped afterwards."""
    name = f"test_{next(_numbers)}"
    create = "CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY"
    _administer(server, sql.SQL(create).format(sql.Identifier(name), sql.Identifier(template)))
    try:
        yield server.dsn_of(name)
    finally:
        drop: LiteralString = "DROP DATABASE {} WITH (FORCE)"
        _administer(server, sql.SQL(drop).format(sql.Identifier(name)))


def make_template(server: EmbeddedPostgres) -> str:
    """Make the migrated template and return its name."""
    _administer(server, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
    migrate_now(server.dsn_of(TEMPLATE))
    return TEMPLATE


def migrate_now(dsn: str) -> None:
    """Run the migrations from synchronous code, on a thread: the test may have a loop already."""
    from gateway.migrate import migrate  # noqa: PLC0415 -- only tests that need the schema load it

    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(migrate(dsn))).result()


def _administer(server: EmbeddedPostgres, statement: sql.Composed) -> None:
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(statement)
