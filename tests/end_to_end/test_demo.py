"""`gateway demo` as a newcomer runs it, with fewer reports."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.demo_command import EXIT_WRONG

pytestmark = pytest.mark.timeout(300)

REPORTS: Final = 1_500

KEYS: Final = {
    "reports_sent",
    "transmissions",
    "stored",
    "duplicates",
    "quarantined",
    "refused",
    "missing",
    "extra",
    "altered",
    "by_collection",
    "quota_attained_percent",
    "seconds",
    "reports_per_second",
    "ack_ms",
    "bytes_up_per_report",
    "bytes_down_per_report",
}
"""What programs that read the JSON rely on."""


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the demo to its end."""
    command = [sys.executable, "-m", "gateway", "demo", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_once_and_once_more_on_the_same_data(place: Path) -> None:
    """Both runs end with 0, the quarter's split, a closed ledger and nothing wrong."""
    for _ in range(2):
        file = place / "demo.json"
        done = demo(
            *("--once", "--reports", str(REPORTS), "--json", str(file)),
            *("--data", str(place / "demo")),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        figures: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        assert figures.keys() >= KEYS
        assert figures["reports_sent"] == figures["stored"] == REPORTS
        assert [figures[name] for name in ("missing", "extra", "altered")] == [0, 0, 0]
        # 85.7 % of 1,500, as published; 14.3 % are the rest.
        assert figures["by_collection"] == {"market": 1_286, "self": 214}
        assert figures["ledger"]["closes"] is True
        assert figures["transmissions"] >= REPORTS
        assert "published" in done.stdout


@contextmanager
def running_demo(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A demo whose words can be followed; ended here if it does not end by itself."""
    command = [sys.executable, "-m", "gateway", "demo", *arguments]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def read_until(process: subprocess.Popen[str], word: str) -> str:
    """What the demo says until it says this."""
    assert process.stderr is not None
    seen = ""
    for line in process.stderr:
        seen += line
        if word in line:
            return seen
    pytest.fail(f"it never said {word!r}: {seen}")


def gateway_of(process: subprocess.Popen[str]) -> int:
    """The process id of the demo's gateway."""
    for directory in Path("/proc").iterdir():
        if not directory.name.isdecimal():
            continue
        try:
            parent = int(
                (directory / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1]
            )
            arguments = (directory / "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == process.pid and b"serve" in arguments:
            return int(directory.name)
    pytest.fail("the demo has no gateway")


def test_it_stays_up_until_it_is_interrupted(place: Path) -> None:
    """Without `--once` it tells where page, metrics and health are; Ctrl-C ends everything."""
    arguments = ("--reports", "200", "--devices", "10", "--data", str(place / "demo-up"))
    with running_demo(*arguments) as process:
        begun = read_until(process, "page http://127.0.0.1:")
        ended = read_until(process, "postgresql://")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    address = re.search(r"http://127[.]0[.]0[.]1:\d+/(?= )", begun)
    assert address
    assert re.search(rf"page +{re.escape(address[0])}", ended)
    assert "/metrics" in ended
    assert "/readyz" in ended


def test_it_is_interrupted_while_the_fleet_plays(place: Path) -> None:
    """All programs end in order; the code says that nothing was shown."""
    with running_demo("--data", str(place / "demo-interrupted")) as process:
        read_until(process, "sessions")
        process.send_signal(signal.SIGINT)
        assert "ending everything in order" in read_until(process, "interrupted")
        assert process.wait(60) == EXIT_WRONG


def test_its_gateway_is_killed(place: Path) -> None:
    """The demo says so and ends: it does not wait for what cannot come."""
    with running_demo("--data", str(place / "demo-killed")) as process:
        read_until(process, "sessions")
        os.kill(gateway_of(process), signal.SIGKILL)
        read_until(process, "the gateway does not answer")
        assert process.wait(60) == EXIT_WRONG
