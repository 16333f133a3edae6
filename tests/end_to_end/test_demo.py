"""`gateway demo` as a newcomer runs it, with fewer reports."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

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


def test_it_stays_up_until_it_is_interrupted(place: Path) -> None:
    """Without `--once` it tells where metrics and health are, and Ctrl-C ends everything."""
    command = [sys.executable, "-m", "gateway", "demo", "--reports", "200", "--devices", "10"]
    with subprocess.Popen(
        [*command, "--data", str(place / "demo-up")],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stderr is not None
        seen = []
        for line in process.stderr:
            seen.append(line)
            if "database" in line and "postgresql://" in line:
                break
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    text = "".join(seen)
    assert "/metrics" in text
    assert "/readyz" in text
