"""The embedded PostgreSQL, the real one."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from gateway import embedded_postgres
from gateway.embedded_postgres import SERVER_SETTINGS, EmbeddedPostgres
from gateway.server_process import ServerFailedError, command_line
from gateway.unprivileged import account_for

ROOT = Path(__file__).parents[2]
NOBODY = pwd.getpwnam("nobody")

LEAVE_BEHIND = """
import os, pathlib, sys
from gateway.embedded_postgres import EmbeddedPostgres
server = EmbeddedPostgres(pathlib.Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
os.kill(os.getpid(), 9)
"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root switches accounts")


def value(server: EmbeddedPostgres, query: str) -> object:
    """The single value a query answers."""
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


@pytest.fixture
def closed_place() -> Iterator[Path]:
    """A directory that only we can enter."""
    with tempfile.TemporaryDirectory(prefix="fg-closed-") as name:
        yield Path(name)


@pytest.mark.parametrize("name", ["fsync", "full_page_writes", "synchronous_commit"])
def test_commits_are_durable(postgres: EmbeddedPostgres, name: str) -> None:
    """What an ack promises is switched on."""
    assert value(postgres, f"SHOW {name}") == "on"


def test_pages_carry_checksums(postgres: EmbeddedPostgres) -> None:
    """A page that the disk spoilt is noticed."""
    assert value(postgres, "SHOW data_checksums") == "on"


@pytest.mark.parametrize("name", sorted(SERVER_SETTINGS))
def test_settings_are_taken(postgres: EmbeddedPostgres, name: str) -> None:
    """Every setting of ours is the one in force."""
    assert value(postgres, f"SHOW {name}") == SERVER_SETTINGS[name]


def test_settings_of_the_caller_win(place: Path) -> None:
    """The others stay as they are."""
    server = EmbeddedPostgres(place / "settings", {"max_connections": "20"})
    server.start()
    try:
        assert value(server, "SHOW max_connections") == "20"
        assert value(server, "SHOW jit") == SERVER_SETTINGS["jit"]
    finally:
        server.stop()
        shutil.rmtree(server.place)


def test_a_password_is_needed(postgres: EmbeddedPostgres) -> None:
    """Other users of the machine do not get in."""
    wrong = postgres.dsn.replace(postgres.dsn.split(":")[2].split("@")[0], "guess")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def test_data_and_address_survive_restart_and_kill(own_postgres: EmbeddedPostgres) -> None:
    """A committed row is there after a restart and after kill -9, several times in a row."""
    before = own_postgres.dsn
    with psycopg.connect(before) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
    own_postgres.restart()
    for _ in range(3):
        own_postgres.kill()
        assert not own_postgres.running
        own_postgres.start()
    assert own_postgres.dsn == before
    assert value(own_postgres, "SELECT sum(n) FROM kept") == 1


def test_a_second_object_uses_the_same_data_and_port(own_postgres: EmbeddedPostgres) -> None:
    """The next run finds the cluster, the password and the port of this one."""
    own_postgres.stop()
    again = EmbeddedPostgres(own_postgres.place)
    again.start()
    try:
        assert again.dsn == own_postgres.dsn
        assert value(again, "SELECT 1") == 1
    finally:
        again.stop()


def test_a_server_left_behind_is_ended(place: Path) -> None:
    """After kill -9 of the program that started it, the server is replaced, not collided with."""
    directory = place / "left-behind"
    done = subprocess.run(
        [sys.executable, "-c", LEAVE_BEHIND, directory], cwd=ROOT, capture_output=True, check=False
    )
    orphan = int(done.stdout)
    assert str(directory) in command_line(orphan)
    server = EmbeddedPostgres(directory)
    server.start()
    try:
        assert command_line(orphan) == ""
        assert value(server, "SELECT 1") == 1
    finally:
        server.stop()


def test_a_lock_of_another_program_is_no_hindrance(own_postgres: EmbeddedPostgres) -> None:
    """A lock file whose process number belongs to something else by now does not stop us."""
    own_postgres.stop()
    lock = own_postgres.place / "data" / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n{lock.parent}\n0\n{own_postgres.port}\n\n127.0.0.1\n  1  1\n")
    own_postgres.start()
    assert value(own_postgres, "SELECT 1") == 1


def test_half_a_cluster_is_made_anew(place: Path) -> None:
    """What a killed initdb left is thrown away."""
    directory = place / "half"
    (directory / "data.new" / "base").mkdir(parents=True)
    server = EmbeddedPostgres(directory)
    server.start()
    try:
        assert value(server, "SELECT 1") == 1
        assert not (directory / "data.new").exists()
    finally:
        server.stop()


def test_a_failed_start_shows_the_log(own_postgres: EmbeddedPostgres) -> None:
    """The error holds what the server said, for the person who has to repair it."""
    own_postgres.stop()
    version = own_postgres.place / "data" / "PG_VERSION"
    kept = version.read_text()
    version.write_text("9.6\n")
    with pytest.raises(ServerFailedError, match="incompatible with server"):
        own_postgres.start()
    version.write_text(kept)


@as_root
def test_root_runs_it_as_nobody(postgres: EmbeddedPostgres) -> None:
    """PostgreSQL refuses root; no user is added for it."""
    assert Path(f"/proc/{postgres.pid}").stat().st_uid == NOBODY.pw_uid


@as_root
def test_closed_directories_stay_closed(closed_place: Path) -> None:
    """In a directory nobody can enter, the data go elsewhere, a link shows where, modes stay."""
    server = EmbeddedPostgres(closed_place / "postgres")
    server.start()
    try:
        assert value(server, "SELECT 1") == 1
        assert closed_place.stat().st_mode & 0o777 == 0o700
        assert (closed_place / "postgres" / "moved-to").resolve() == server.place
        assert EmbeddedPostgres(closed_place / "postgres").place == server.place
    finally:
        server.stop()
        shutil.rmtree(server.place)


@as_root
def test_programs_in_a_closed_directory_are_copied(
    own_postgres: EmbeddedPostgres, closed_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A virtual environment that nobody can enter does not keep the server from running."""
    own_postgres.stop()
    account = account_for(own_postgres.place / "data")
    found = embedded_postgres.find_programs(own_postgres.place, None)
    package = closed_place / "embedded_postgres"
    libraries = found.parents[1].with_name("embedded_postgres.libs")
    shutil.copytree(found.parents[1], package)
    if libraries.exists():
        shutil.copytree(libraries, closed_place / libraries.name)
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(closed_place)
    programs = embedded_postgres.find_programs(own_postgres.place, account)
    assert own_postgres.place in programs.parents
    again = EmbeddedPostgres(own_postgres.place)
    again.start()
    try:
        assert command_line(again.pid).startswith(str(programs))
    finally:
        again.stop()


def test_the_systems_programs_come_second(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the wheel one on the path is found; without any, the error says what to do."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(embedded_postgres, "DEBIAN_PROGRAMS", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerFailedError, match="install the package embedded-postgres"):
        embedded_postgres.find_programs(tmp_path, None)
    for name in ("postgres", "initdb"):
        (tmp_path / name).touch(mode=0o755)
    assert embedded_postgres.find_programs(tmp_path, None) == tmp_path
