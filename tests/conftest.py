"""Servers that all tests share: real ones, started once a session, with something fresh per test.

A test that stops or kills a server takes one of its own: `own_postgres`, `own_broker`.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog

from gateway.embedded_broker import EmbeddedBroker
from gateway.embedded_postgres import EmbeddedPostgres
from gateway.unprivileged import account_for
from tests.helpers.brokers import Broker, need_mosquitto
from tests.helpers.databases import fresh_database, make_template
from tests.helpers.mosquitto import Mosquitto

PUBLIC = Path("/var/tmp")  # noqa: S108 -- only the parent of a directory with a name of chance

BROKERS = ["nats", pytest.param("mosquitto", marks=pytest.mark.mosquitto)]


@pytest.fixture(autouse=True)
def logging_as_imported() -> Iterator[None]:
    """Each test finds logging as it is before a program configures it: all levels, uncaptured."""
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def place() -> Iterator[Path]:
    """A directory of the session that unprivileged accounts may pass through (not list).

    In the usual place for temporary files, or, if root's is closed to others, in a public one.
    """
    usual, account = Path(tempfile.gettempdir()), account_for(Path("/nonexistent"))
    closed = account is not None and not account.can_enter(usual)
    with tempfile.TemporaryDirectory(prefix="fg-", dir=PUBLIC if closed else usual) as name:
        directory = Path(name)
        directory.chmod(0o711)
        yield directory


@contextmanager
def _postgres(directory: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(directory)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.place)


@contextmanager
def _broker(kind: str, directory: Path) -> Iterator[Broker]:
    if kind == "mosquitto":
        need_mosquitto()
    broker: Broker = Mosquitto(directory) if kind == "mosquitto" else EmbeddedBroker(directory)
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


@pytest.fixture(scope="session")
def postgres(place: Path) -> Iterator[EmbeddedPostgres]:
    """The session's PostgreSQL; not to be stopped."""
    with _postgres(place / "postgres") as server:
        yield server


@pytest.fixture(scope="session")
def migrated_template(postgres: EmbeddedPostgres) -> str:
    """Name of a database with our schema and reference data, to make copies of."""
    return make_template(postgres)


@pytest.fixture
def database_dsn(postgres: EmbeddedPostgres, migrated_template: str) -> Iterator[str]:
    """Address of a database of this test's own, migrated, without reports."""
    with fresh_database(postgres, migrated_template) as dsn:
        yield dsn


@pytest.fixture
def empty_database_dsn(postgres: EmbeddedPostgres) -> Iterator[str]:
    """Address of a database of this test's own with nothing in it."""
    with fresh_database(postgres) as dsn:
        yield dsn


@pytest.fixture
def own_postgres(place: Path) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL that this test may stop and kill; its database is empty (`migrate_now`)."""
    with (
        tempfile.TemporaryDirectory(dir=place, ignore_cleanup_errors=True) as name,
        _postgres(Path(name) / "postgres") as server,
    ):
        yield server


@pytest.fixture(scope="session")
def nats_broker(place: Path) -> Iterator[Broker]:
    """The session's NATS broker, open to everybody; not to be stopped."""
    with _broker("nats", place / "nats") as broker:
        yield broker


@pytest.fixture(scope="session")
def mosquitto_broker(place: Path) -> Iterator[Broker]:
    """The session's Mosquitto, open to everybody; not to be stopped."""
    with _broker("mosquitto", place / "mosquitto") as broker:
        yield broker


@pytest.fixture(params=BROKERS)
def broker(request: pytest.FixtureRequest) -> Broker:
    """Each of the session's brokers in turn. They are shared: use client ids of your own."""
    found: Broker = request.getfixturevalue(f"{request.param}_broker")
    return found


@pytest.fixture(params=BROKERS)
def own_broker(request: pytest.FixtureRequest, place: Path) -> Iterator[Broker]:
    """Each kind of broker in turn, open to everybody; this test may stop and kill it."""
    with (
        tempfile.TemporaryDirectory(dir=place, ignore_cleanup_errors=True) as name,
        _broker(request.param, Path(name) / "broker") as broker,
    ):
        yield broker
