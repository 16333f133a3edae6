"""The distribution's Mosquitto, run by a test with the configuration under test."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from gateway.server_process import ServerProcess, accepts_connections, free_port
from gateway.unprivileged import account_for, reachable_place

ROOT = Path(__file__).parents[2]
DEPLOYED = ROOT / "deploy" / "mosquitto"

START_WITHIN_S = 10.0
STOP_WITHIN_S = 10.0

PATH = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/usr/local/sbin"
"""Debian installs the broker in /usr/sbin, which an ordinary user's path lacks."""


def find_mosquitto(program: str = "mosquitto") -> str | None:
    """The broker's program, or another of its packages; None if it is not installed."""
    return shutil.which(program, path=PATH)


class Mosquitto:
    """One Mosquitto on 127.0.0.1: our deployed configuration, with paths and ports of this run.

    Args:
        directory: for its files; as root one that an unprivileged account can reach.
        passwords: user name to password. Empty: everybody may do everything.
        extra: further lines of configuration.
        changes: patterns of deployed lines, and what stands in their place.
    """

    host = "127.0.0.1"

    def __init__(
        self,
        directory: Path,
        passwords: Mapping[str, str] | None = None,
        extra: str = "",
        changes: Mapping[str, str] | None = None,
    ) -> None:
        # As root Mosquitto drops to an account of its own: we choose which, so that it can write.
        self._account = account_for(directory / "store")
        self._directory = reachable_place(directory, self._account)
        self._passwords = dict(passwords or {})
        self._extra = extra
        self._changes = dict(changes or {})
        self.port = free_port()
        self.gateway_port = free_port()
        self._process = ServerProcess("Mosquitto", self._directory / "mosquitto.log")

    def start(self) -> None:
        """Start it and return when both listeners take connections."""
        program = find_mosquitto()
        assert program is not None, "mosquitto is not installed"
        store = self._directory / "store"
        store.mkdir(exist_ok=True)
        if self._account:
            self._account.owns(store)
        self._write_files()
        self._process.start(
            [program, "-c", self._directory / "mosquitto.conf"],
            ready=lambda: accepts_connections(self.port) and accepts_connections(self.gateway_port),
            within_s=START_WITHIN_S,
            account=self._account,
        )

    def stop(self) -> None:
        """End it in order: sessions and queues are written."""
        self._process.stop(signal.SIGTERM, within_s=STOP_WITHIN_S)

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self._process.kill()

    def restart(self) -> None:
        """Stop and start, at the same addresses."""
        self.stop()
        self.start()

    def forget_user(self, name: str) -> None:
        """As docs/operations.md says it: take the user out of the passwords, then SIGHUP."""
        hasher = shutil.which("mosquitto_passwd", path=PATH)
        assert hasher is not None
        subprocess.run([hasher, "-D", self._directory / "passwords", name], check=True)
        (self._directory / "passwords").chmod(0o644)
        os.kill(self._process.pid, signal.SIGHUP)

    def _write_files(self) -> None:
        passwords = self._directory / "passwords"
        passwords.write_text(
            "".join(f"{name}:{password}\n" for name, password in self._passwords.items())
        )
        hasher = shutil.which("mosquitto_passwd", path=PATH)
        assert hasher is not None, "mosquitto_passwd is not installed"
        if self._passwords:
            subprocess.run([hasher, "-U", passwords], check=True)
        passwords.chmod(0o644)
        shutil.copy(DEPLOYED / "acl", self._directory / "acl")
        text = (DEPLOYED / "mosquitto.conf").read_text(encoding="utf-8")
        (self._directory / "mosquitto.conf").write_text(self._adapted(text), encoding="utf-8")

    def _adapted(self, text: str) -> str:
        """The deployed configuration for this run; without passwords open to everybody."""
        lines = {
            "listener 1883": f"listener {self.port} {self.host}",
            "listener 1884": f"listener {self.gateway_port} {self.host}",
            "password_file .*": f"password_file {self._directory / 'passwords'}",
            "acl_file .*": f"acl_file {self._directory / 'acl'}",
            "persistence_location .*": f"persistence_location {self._directory / 'store'}/",
        }
        if not self._passwords:
            lines |= {
                "password_file .*": "",
                "acl_file .*": "",
                "allow_anonymous false": "allow_anonymous true",
                "use_username_as_clientid true": "",
            }
        return f"{with_lines(text, lines | self._changes)}\n{self._extra}\n"


def with_lines(text: str, lines: Mapping[str, str]) -> str:
    """A configuration with each line that a pattern matches replaced; each must be found once."""
    for pattern, line in lines.items():
        text, found = re.subn(rf"(?m)^{pattern}$", line, text)
        assert found == 1, f"{pattern} is not in the deployed configuration"
    return text
