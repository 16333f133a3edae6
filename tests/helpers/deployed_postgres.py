"""A PostgreSQL made as compose makes it: its initdb arguments, settings and init script."""

import os
import re
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from gateway.embedded_postgres import find_programs
from gateway.server_process import ServerProcess, accepts_connections, free_port
from gateway.unprivileged import Account, account_for, popen_arguments, reachable_place

START_WITHIN_S: Final = 60.0
STOP_WITHIN_S: Final = 30.0


class DeployedPostgres:
    """What PostgreSQL's image does with the service `postgres` of our compose file.

    Args:
        directory: for its cluster; as root one that an unprivileged account can reach.
        service: the service, as docker-compose understands it.
    """

    def __init__(self, directory: Path, service: Mapping[str, Any]) -> None:
        self._account = account_for(Path("/nonexistent"))
        self._place = reachable_place(directory, self._account)
        if self._account:
            self._account.owns(self._place)
        self.programs = find_programs(self._place, self._account)
        self._service = service
        self._process = ServerProcess("PostgreSQL", self._place / "log")
        self.port = free_port()

    @property
    def environment(self) -> dict[str, str]:
        """The service's, and how its programs reach the server."""
        given: dict[str, str] = self._service["environment"]
        return {
            **given,
            "PATH": f"{self.programs}:{os.defpath}",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGPASSWORD": given["POSTGRES_PASSWORD"],
        }

    def dsn_of(self, user: str, password: str, database: str = "field_gateway") -> str:
        """How to connect."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """initdb, the server, and then what lies in /docker-entrypoint-initdb.d."""
        data, password = self._place / "data", self._place / "password"
        password.write_text(self.environment["POSTGRES_PASSWORD"], encoding="ascii")
        self._run(
            [
                self.programs / "initdb",
                *("--pgdata", data, "--pwfile", password),
                *("--username", self.environment["POSTGRES_USER"]),
                *self.environment["POSTGRES_INITDB_ARGS"].split(),
            ],
            self._account,
        )
        program, *settings = self._service["command"]
        own = {"port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
        self._process.start(
            [self.programs / program, "-D", data, *settings]
            + [f"-c{name}={value}" for name, value in own.items()],
            ready=lambda: accepts_connections(self.port) and self.is_healthy(),
            within_s=START_WITHIN_S,
            account=self._account,
            environment={"LC_ALL": "C", "PATH": os.defpath},
        )
        for mount in self._service["volumes"]:
            if mount["target"].startswith("/docker-entrypoint-initdb.d/"):
                assert os.access(mount["source"], os.X_OK), "the image would source it"
                self._run([mount["source"]], None)

    def is_healthy(self) -> bool:
        """What the service's health check says, at this run's port."""
        kind, program, *arguments = self._service["healthcheck"]["test"]
        assert kind == "CMD"
        command = [self.programs / program, *arguments, f"--port={self.port}"]
        return subprocess.run(command, check=False).returncode == 0

    def stop(self) -> None:
        """End it by the service's signal."""
        number = signal.Signals[self._service["stop_signal"]]
        self._process.stop(number, within_s=STOP_WITHIN_S)

    def _run(self, command: list[Any], account: Account | None) -> None:
        done = subprocess.run(
            command,
            cwd="/",
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            **popen_arguments(account),
        )
        hidden = re.sub(r"(?i)password\S*", "password", done.stdout)
        assert done.returncode == 0, hidden
