"""The distribution's Prometheus, run by a test with the configuration under test."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.server_process import ServerProcess, accepts_connections, free_port

ROOT: Final = Path(__file__).parents[2]
DEPLOYED: Final = ROOT / "deploy" / "prometheus"

REQUIRE_PROMETHEUS: Final = "FIELD_GATEWAY_REQUIRE_PROMETHEUS"
"""Environment variable: 1 makes a missing Prometheus an error. Set where all tests have to run."""

START_WITHIN_S: Final = 20.0
STOP_WITHIN_S: Final = 20.0
ANSWER_WITHIN_S: Final = 10.0


def need_prometheus() -> None:
    """Skip the test, saying why, or fail it where Prometheus is demanded, if it is not there."""
    if shutil.which("prometheus") and shutil.which("promtool"):
        return
    reason = "prometheus and promtool are not installed (apt-get install prometheus)"
    if os.environ.get(REQUIRE_PROMETHEUS) == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def promtool(*arguments: str | Path, text: str | None = None) -> str:
    """Run promtool; what it has to say, as an error unless it is content."""
    program = shutil.which("promtool")
    assert program is not None
    done = subprocess.run(
        [program, *map(str, arguments)], input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


class QueryError(Exception):
    """Prometheus did not like a query; the message is its own."""


class Prometheus:
    """One Prometheus on 127.0.0.1: our deployed configuration and rules, with the targets of this
    run, which it asks every second instead of every fifteen.
    """

    def __init__(self, directory: Path, targets: Sequence[str]) -> None:
        self._directory = directory
        self._targets = targets
        self.port = free_port()
        self._process = ServerProcess("Prometheus", directory / "prometheus.log")

    def start(self) -> None:
        """Start it and return when it is ready."""
        program = shutil.which("prometheus")
        assert program is not None
        shutil.copytree(DEPLOYED / "rules", self._directory / "rules")
        configuration = self._directory / "prometheus.yml"
        text = (DEPLOYED / "prometheus.yml").read_text(encoding="utf-8")
        configuration.write_text(self._adapted(text), encoding="utf-8")
        self._process.start(
            [
                program,
                f"--config.file={configuration}",
                f"--storage.tsdb.path={self._directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
            ],
            ready=lambda: accepts_connections(self.port) and self._is_ready(),
            within_s=START_WITHIN_S,
            account=None,
        )

    def stop(self) -> None:
        """End it in order."""
        self._process.stop(signal.SIGTERM, within_s=STOP_WITHIN_S)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The present answer: series, each with a value. Raises `QueryError`."""
        result = self.get("query", query=expression)
        if result["resultType"] == "scalar":
            return [{"metric": {}, "value": result["result"]}]
        found: list[dict[str, Any]] = result["result"]
        return found

    def query_range(self, expression: str, seconds: float) -> list[dict[str, Any]]:
        """The answers of the last seconds, one each second, as a panel asks for them."""
        now = time.time()
        found: list[dict[str, Any]] = self.get(
            "query_range", query=expression, start=now - seconds, end=now, step=1
        )["result"]
        return found

    def get(self, what: str, **parameters: Any) -> Any:
        """A call of its API."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=ANSWER_WITHIN_S) as response:
                return json.load(response)["data"]
        except urllib.error.HTTPError as error:
            raise QueryError(f"{parameters}: {error.read().decode()}") from None

    def _is_ready(self) -> bool:
        try:
            url = f"http://127.0.0.1:{self.port}/-/ready"
            with urllib.request.urlopen(url, timeout=ANSWER_WITHIN_S) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def _adapted(self, text: str) -> str:
        """The deployed configuration with this run's addresses; each replacement must be found."""
        targets = "\n".join(f"          - {target}" for target in self._targets)
        replacements = {
            r"(?:          - gateway-\d:\d+\n)+": f"{targets}\n",
            r"127\.0\.0\.1:9090": f"127.0.0.1:{self.port}",
            r"(scrape|evaluation)_interval: 15s": r"\1_interval: 1s",
            r"scrape_timeout: 10s": "scrape_timeout: 1s",
        }
        for pattern, line in replacements.items():
            text, found = re.subn(pattern, line, text)
            assert found, f"{pattern} is not in the deployed configuration"
        return text
