"""What a run is told to be: counts from its status, features from its log, findings from files."""

import subprocess
import sys
from pathlib import Path

import pytest

from fuzz import runner
from fuzz.results import CORPUS

WORKER = """
import sys
from pathlib import Path
status, units, options = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
assert str(units) == options[0]
status.write_text('{"inputs": 40, "seconds": 1.5, "highest_bytes": 9, "growth_bytes": null}')
print("#1 INITED cov: 3 ft: 5 corp: 1/1b\\n#40 NEW cov: 4 ft: 17 corp: 2/2b")
prefix = next(o.partition("=")[2] for o in options if o.startswith("-artifact_prefix="))
Path(prefix + "crash-1").touch()
sys.exit(77)
"""
"""Plays atheris, which is not installed for the tests."""


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers are the script above."""
    real = subprocess.run

    def run(command: list[str], **options: object) -> object:
        if "fuzz.worker" in command:
            begin = command.index("fuzz.worker") + 2
            command = [sys.executable, "-c", WORKER, *command[begin:]]
        return real(command, **options)  # type: ignore[call-overload]  # whatever was asked for

    monkeypatch.setattr(subprocess, "run", run)


@pytest.mark.usefixtures("scripted")
def test_a_run_with_a_finding(tmp_path: Path) -> None:
    """It is counted as far as it came, and the finding named; an old one is not a new one."""
    run = runner.run_target("topics", 100, tmp_path)
    assert (run.status.inputs, run.features, run.succeeded) == (40, 17, False)
    assert [finding.name for finding in run.findings] == ["crash-1"]
    assert run.result().inputs == 40
    again = runner.run_target("topics", 100, tmp_path)
    assert again.findings == ()


def test_a_finding_is_replayed() -> None:
    """By its own process, without the fuzzer; what is mended gives nothing."""
    (mended,) = (CORPUS / "devices").glob("crash-*")
    assert runner.replay("devices", mended) == ""
    assert "FileNotFoundError" in runner.replay("devices", mended.with_name("none"))


def test_a_run_that_ended_by_itself_is_counted_whole(tmp_path: Path) -> None:
    """The status is some inputs behind; the fuzzer's last word is not."""
    status, log = tmp_path / "status", tmp_path / "log"
    status.write_bytes(b'{"inputs":40,"seconds":1,"highest_bytes":9,"growth_bytes":null}')
    log.write_text("#40 NEW cov: 4 ft: 17\nDone 59 runs in 3 second(s)\n")
    counted = runner._read_status(status, log)
    assert (counted.inputs, counted.seconds, counted.highest_bytes) == (59, 3.0, 9)
