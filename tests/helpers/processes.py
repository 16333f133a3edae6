"""Our programs as processes of their own, to be killed."""

import asyncio
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gateway.server_process import free_port

READY_WITHIN_SECONDS: Final = 60.0
"""A broken test ends with an error instead of hanging."""

POLL_SECONDS: Final = 0.02
"""Between two looks at a process that tells nobody when it is ready."""


class GatewayProcess:
    """`gateway serve` with ports of its own that stay the same when it is started again."""

    def __init__(self, log: Path, name: str, settings: Mapping[str, str]) -> None:
        self.tcp_port, self.http_port = free_port(), free_port()
        self._log = log
        self._environment = {
            "GATEWAY_NAME": name,
            "GATEWAY_TCP__HOST": "127.0.0.1",
            "GATEWAY_TCP__PORT": str(self.tcp_port),
            "GATEWAY_TCP__PLAINTEXT": str("GATEWAY_TCP__CERTIFICATE" not in settings).lower(),
            "GATEWAY_HTTP__PORT": str(self.http_port),
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and return when it is ready; nothing if it runs."""
        if self._process is not None and self._process.poll() is None:
            return
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gateway", "serve"],
                env={**os.environ, **self._environment},
                stderr=log,
            )
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        while not self.is_ready():
            assert self._process.poll() is None, self._log.read_text(encoding="utf-8")[-2_000:]
            assert time.monotonic() < deadline, "the gateway is not ready"
            time.sleep(POLL_SECONDS)

    def is_ready(self) -> bool:
        """Whether it takes reports."""
        url = f"http://127.0.0.1:{self.http_port}/readyz"
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                return bool(response.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def kill(self) -> None:
        """SIGKILL: nothing is flushed, nobody is told."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(READY_WITHIN_SECONDS)


@contextmanager
def gateway_process(log: Path, name: str, settings: Mapping[str, str]) -> Iterator[GatewayProcess]:
    """A running gateway, killed at the end if it still runs."""
    gateway = GatewayProcess(log, name, settings)
    try:
        gateway.start()
        yield gateway
    finally:
        gateway.kill()


def run_fleet_command(*arguments: str) -> None:
    """`device-sim` to its end; its output is shown when it fails."""
    command = [sys.executable, "-m", "device_sim", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


async def start_fleet(log: Path, *arguments: str) -> asyncio.subprocess.Process:
    """`device-sim run` in the background."""
    with log.open("wb") as output:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "device_sim", "run", *arguments, stdout=output, stderr=output
        )
