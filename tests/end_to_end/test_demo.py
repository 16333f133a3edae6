"""`gateway demo` as a newcomer runs it, with fewer reports."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from gateway.demo_command import EXIT_WRONG
from gateway.price_lists import load_tariffs

pytestmark = pytest.mark.timeout(300)

REPORTS: Final = 1_500

MOST_TIMES_WRITTEN: Final = 8
"""Headers around what a handset writes: with few reports a connection, as here, they are the most
of it, since opening and closing one takes some 700 bytes."""

PAGE_WITHIN_SECONDS: Final = 60.0

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
    "bill",
}
"""What programs that read the JSON rely on."""


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the demo to its end."""
    command = [sys.executable, "-m", "gateway", "demo", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def assert_bill_is_of(bill: Mapping[str, Any], fleet: Mapping[str, Any]) -> None:
    """Each report counts once; the links carried what the fleet wrote and the headers around it."""
    totals = bill["totals"]
    assert totals["reports"] == REPORTS
    assert totals["sms_segments_down"] == REPORTS
    assert totals["sms_segments_up"] >= REPORTS
    assert totals["connections"] >= fleet["connections"]
    metered = totals["bytes_up"] + totals["bytes_down"] - totals["idle_bytes"]
    written = fleet["bytes_up"] + fleet["bytes_down"]
    assert written < metered < MOST_TIMES_WRITTEN * written
    sms, *others = (Decimal(line["cost"]) for line in bill["lines"])
    assert sms == Decimal("0.1") * (totals["sms_segments_up"] + totals["sms_segments_down"])
    assert len(others) == len(load_tariffs()) - 1
    assert all(cost > 0 for cost in others)


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
        assert_bill_is_of(figures["bill"], json.loads((place / "demo" / "fleet.json").read_text()))
        assert "calculated: " in done.stdout.splitlines()[-2]


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


def wait_for_bill(address: str) -> dict[str, Any]:
    """The page's bill, which is made when somebody looks, and again while they do."""
    deadline = time.monotonic() + PAGE_WITHIN_SECONDS
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"{address}api/figures") as answer:  # noqa: S310 - ours
            bill: dict[str, Any] | None = json.load(answer)["bill"]
        if bill is not None:
            return bill
        time.sleep(0.1)  # another program's work
    pytest.fail("the page has no bill")


def test_the_page_and_the_tables_say_the_same(place: Path) -> None:
    """The bill of the running gateway's page is the demo's; each stored report counts once."""
    file = place / "demo-page.json"
    arguments = ("--reports", "400", "--devices", "20", "--json", str(file))
    with running_demo(*arguments, "--data", str(place / "demo-page")) as process:
        ended = read_until(process, "postgresql://")
        address = re.search(r"page +(http://127[.]0[.]0[.]1:\d+/)", ended)
        dsn = re.search(r"postgresql://\S+", ended)
        assert address
        assert dsn
        bill = json.loads(file.read_text(encoding="utf-8"))["bill"]
        shown = wait_for_bill(address[1])
        with psycopg.connect(dsn[0]) as connection:
            sums = connection.execute(
                "SELECT (SELECT count(*) FROM report), (SELECT sum(reports) FROM sms_avoided),"
                " (SELECT sum(reports) FROM report_count),"
                " (SELECT sum(bytes_up + bytes_down) FROM traffic)"
            ).fetchone()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert shown == bill
    totals = bill["totals"]
    metered = totals["bytes_up"] + totals["bytes_down"] - totals["idle_bytes"]
    assert sums == (400, 400, 400, metered)


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
