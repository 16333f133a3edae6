"""`gateway serve` in a process of its own, as in earnest."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

ENDS_WITHIN_SECONDS: Final = 60.0
"""A broken test ends with an error instead of hanging; a good one never waits so long."""


class GatewayProcess:
    """A running command, whose log is read line by line. Started by `gateway_process`."""

    def __init__(self, process: "subprocess.Popen[str]", log: Path) -> None:
        self.process = process
        self.tcp = ("", 0)
        self.http = ""
        self._log_file = log
        self._log = log.open(encoding="utf-8")

    def wait_for(self, event: str) -> dict[str, Any]:
        """Read on in its log until this happens."""
        for line in self._lines():
            if line.get("event") == event:
                return line
        raise AssertionError(f"ended without {event}:\n{self.log}")

    def wait_until_started(self) -> "GatewayProcess":
        """Read on in its log until it listens; take its addresses from there."""
        line = self.wait_for("started")
        self.http = line["http"]
        if line["tcp"]:
            host, _, port = line["tcp"].rpartition(":")
            self.tcp = (host, int(port))
        return self

    def end(self) -> int:
        """Wait for its end; its exit code."""
        return self.process.wait(ENDS_WITHIN_SECONDS)

    @property
    def log(self) -> str:
        """All that it has written."""
        return self._log_file.read_text(encoding="utf-8")

    def close(self) -> None:
        """Stop reading its log."""
        self._log.close()

    def _lines(self) -> Iterator[dict[str, Any]]:
        """Lines as they come, until the process has ended and all is read."""
        text = ""
        while True:
            ended = self.process.poll() is not None
            text += self._log.readline()
            if text.endswith("\n"):
                if text.startswith("{"):
                    yield json.loads(text)
                text = ""
            elif ended:
                return
            else:
                _wait_a_little(self.process)


def _wait_a_little(process: "subprocess.Popen[str]") -> None:
    """Until it ends, at most for a moment."""
    try:
        process.wait(0.01)
    except subprocess.TimeoutExpired:
        return


@contextmanager
def gateway_process(
    dsn: str, log: Path, *arguments: str, **settings: str
) -> Iterator[GatewayProcess]:
    """Start `gateway serve` on free ports with these settings (`tcp__port="7440"`); killed at the
    end of the block if it still runs.
    """
    environment = {
        "GATEWAY_DATABASE__DSN": dsn,
        "GATEWAY_NAME": log.stem,
        "GATEWAY_TCP__HOST": "127.0.0.1",
        "GATEWAY_TCP__PORT": "0",
        "GATEWAY_TCP__PLAINTEXT": str("tcp__certificate" not in settings).lower(),
        "GATEWAY_HTTP__PORT": "0",
        "GATEWAY_LOG__FORMAT": "json",
        **{f"GATEWAY_{name.upper()}": value for name, value in settings.items()},
    }
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", *(arguments or ("serve",))],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            text=True,
        )
    running = GatewayProcess(process, log)
    try:
        yield running
    finally:
        process.kill()
        process.wait()
        running.close()


def run_gateway(*arguments: str, environment: Mapping[str, str] | None = None) -> Any:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        env=dict(environment or {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=ENDS_WITHIN_SECONDS,
    )
