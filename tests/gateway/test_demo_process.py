"""Programs of the demo: started, ended kindly, killed where that does not help; their logs."""

import asyncio
import signal
from pathlib import Path

import pytest

from gateway import demo_process
from gateway.demo_process import program, tail

READY = "import sys, time; print('ready', flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {READY}"


async def until_ready(log: Path) -> None:
    """Wait until the program has said so."""
    async with asyncio.timeout(30):
        while "ready" not in log.read_text(encoding="utf-8"):  # noqa: ASYNC110, ASYNC240 - a file
            await asyncio.sleep(0.01)


@pytest.mark.asyncio
@pytest.mark.parametrize("source, code", [(READY, -signal.SIGTERM), (STUBBORN, -signal.SIGKILL)])
async def test_a_program_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, code: int
) -> None:
    """Asked first; one that does not listen is killed."""
    monkeypatch.setattr(demo_process, "STOP_WITHIN_SECONDS", 1.0)
    log = tmp_path / "log"
    async with program(["-c", source], log, {}) as process:
        await until_ready(log)
        assert process.returncode is None
    assert process.returncode == code


@pytest.mark.asyncio
async def test_output_and_environment(tmp_path: Path) -> None:
    """What it prints and complains of stands in its log; it sees what it is given, and ours."""
    source = "import os, sys; print(os.environ['GIVEN']); sys.exit(os.environ.get('PATH'))"
    log = tmp_path / "log"
    async with program(["-c", source], log, {"GIVEN": "a b"}) as process:
        assert await process.wait() == 1
    given, path = log.read_text(encoding="utf-8").splitlines()
    assert given == "a b"
    assert path


def test_the_end_of_a_log(tmp_path: Path) -> None:
    """Its last lines, whatever bytes stand there."""
    log = tmp_path / "log"
    log.write_bytes(b"".join(b"line %d\n" % number for number in range(99)) + b"\xff\n")
    shown = tail(log).splitlines()
    assert len(shown) == demo_process.TOLD_LINES
    assert shown[-2:] == ["line 98", "\ufffd"]
