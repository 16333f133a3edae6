"""A Mosquitto made as compose makes it: our files, `prepare.sh`, its health check."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from gateway.server_process import ServerProcess, accepts_connections, free_port
from gateway.unprivileged import Account, account_for, popen_arguments, reachable_place
from tests.helpers.mosquitto import DEPLOYED, PATH, find_mosquitto, with_lines

START_WITHIN_S: Final = 10.0
STOP_WITHIN_S: Final = 10.0


class DeployedBroker:
    """The services `broker-files` and `mosquitto` of our compose file, on 127.0.0.1.

    Args:
        directory: for its files; as root one that an unprivileged account can reach.
        preparation: the service `broker-files`, as docker-compose understands it.
        service: the service `mosquitto`, the same.
    """

    host = "127.0.0.1"

    def __init__(
        self, directory: Path, preparation: Mapping[str, Any], service: Mapping[str, Any]
    ) -> None:
        dropped_to = account_for(Path("/nonexistent"))
        self._account = dropped_to or Account(os.getuid(), os.getgid())
        self._place = reachable_place(directory, dropped_to)
        self._preparation, self._service = preparation, service
        self.port, self.gateway_port = free_port(), free_port()
        self._process = ServerProcess("Mosquitto", self._place / "log")

    @property
    def configuration(self) -> Path:
        """In place of /etc/mosquitto."""
        return self._place / "etc"

    def prepare(self) -> None:
        """What `broker-files` does, with this run's ports and paths in the configuration."""
        source, data = self._place / "source", self._place / "data"
        shutil.copytree(DEPLOYED, source, dirs_exist_ok=True)
        text = (DEPLOYED / "mosquitto.conf").read_text(encoding="utf-8")
        lines = {
            "listener 1883": f"listener {self.port} {self.host}",
            "listener 1884": f"listener {self.gateway_port} {self.host}",
            "password_file /etc/mosquitto/(.*)": f"password_file {self.configuration}/\\1",
            "acl_file /etc/mosquitto/(.*)": f"acl_file {self.configuration}/\\1",
            "persistence_location /var/lib/mosquitto/": f"persistence_location {data}/",
        }
        (source / "mosquitto.conf").write_text(with_lines(text, lines), encoding="utf-8")
        places = {
            "/source/prepare.sh": source / "prepare.sh",
            "/source": source,
            "/etc/mosquitto": self.configuration,
            "/var/lib/mosquitto": data,
            self._service["user"]: f"{self._account.uid}:{self._account.gid}",
        }
        command = [places.get(word, word) for word in self._preparation["entrypoint"]]
        self._run(command, self._preparation["environment"])

    def start(self) -> None:
        """The service `mosquitto`, until its health check holds."""
        program, *arguments = self._service["entrypoint"]
        found = find_mosquitto(program)
        assert found is not None
        self._process.start(
            [found, *(a.replace("/etc/mosquitto", str(self.configuration)) for a in arguments)],
            ready=lambda: accepts_connections(self.port) and self.is_healthy(),
            within_s=START_WITHIN_S,
            account=None if os.geteuid() else self._account,
        )

    def is_healthy(self) -> bool:
        """What the service's health check says, at this run's port."""
        kind, command = self._service["healthcheck"]["test"]
        assert kind == "CMD-SHELL"
        assert " -p 1884 " in command
        # docker-compose doubles a dollar that is none of its own.
        own = command.replace(" -p 1884 ", f" -p {self.gateway_port} ").replace("$$", "$")
        done = subprocess.run(
            ["/bin/sh", "-c", own],
            env={"PATH": PATH, **self._service["environment"]},
            capture_output=True,
            check=False,
        )
        return done.returncode == 0

    def add_user(self, name: str, password: str) -> None:
        """As docs/operations.md says it: mosquitto_passwd in the container, then SIGHUP. Returns
        when the broker lets the user in.
        """
        users = self.configuration / "field-gateway.passwords"
        self._run(["mosquitto_passwd", "-b", users, name, password], {}, self._account)
        os.kill(self._process.pid, signal.SIGHUP)
        deadline = time.monotonic() + START_WITHIN_S
        while not self.lets_in(name, password):
            assert time.monotonic() < deadline, f"{name} is not let in"

    def lets_in(self, name: str, password: str) -> bool:
        """Whether a user of the handsets' listener gets in with this password."""
        address = ["-h", self.host, "-p", str(self.port)]
        user = ["-u", name, "-P", password]
        command = ["mosquitto_sub", "-E", *address, *user, "-t", f"fg/1/{name}/down/1"]
        done = subprocess.run(command, env={"PATH": PATH}, capture_output=True, check=False)
        return done.returncode == 0

    def stop(self) -> None:
        """End it in order."""
        self._process.stop(signal.SIGTERM, within_s=STOP_WITHIN_S)

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()

    def restart(self) -> None:
        """Stop and start, at the same address."""
        self.stop()
        self.start()

    def _run(
        self, command: list[Any], environment: Mapping[str, str], account: Account | None = None
    ) -> None:
        done = subprocess.run(
            command,
            env={"PATH": PATH, **environment},
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            **popen_arguments(None if os.geteuid() else account),
        )
        assert done.returncode == 0, done.stderr
