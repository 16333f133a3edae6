"""Programs of the run: started, started again, ended."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from chaos.processes import ChaosError, Program, with_children

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(60)]

SLEEPER = "import signal, sys; print('up', flush=True); signal.pause()"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPER}"


async def until_up(log: Path, times: int = 1) -> None:
    """Wait until it has said so."""
    while log.read_text(encoding="utf-8").count("up") < times:  # noqa: ASYNC110, ASYNC240 -- another program writes it
        await asyncio.sleep(0.01)


async def test_killed_and_started_again(tmp_path: Path) -> None:
    """It has another process each time, and one log."""
    log = tmp_path / "log"
    program = Program("sleeper", ["-c", SLEEPER], log, {})
    assert not program.is_running
    await program.start()
    await until_up(log)
    first = program.pid
    await program.kill()
    assert not program.is_running
    await program.start()
    await until_up(log, 2)
    assert program.is_running
    assert program.pid != first
    program.terminate()
    assert await program.ended(30) == -signal.SIGTERM
    assert program.tail() == "up\nup"


async def test_one_that_does_not_end_is_killed(tmp_path: Path) -> None:
    """After the time that it has."""
    log = tmp_path / "log"
    program = Program("stubborn", ["-c", STUBBORN], log, {})
    await program.start()
    await until_up(log)
    program.terminate()
    assert await program.ended(0.05) is None
    await program.end(0.05)
    assert await program.ended(0) == -signal.SIGKILL


async def test_one_that_never_ran(tmp_path: Path) -> None:
    """It may be ended, and has no process."""
    program = Program("idle", ["-c", "pass"], tmp_path / "log", {})
    await program.end(1)
    await program.kill()
    with pytest.raises(ChaosError, match="idle was never started"):
        _ = program.pid


async def test_environment(tmp_path: Path) -> None:
    """It gets ours and its own."""
    log = tmp_path / "log"
    code = "import os; print(os.environ['PATH'] + os.environ['CHAOS_TEST'])"
    program = Program("teller", ["-c", code], log, {"CHAOS_TEST": "!"})
    await program.start()
    assert await program.ended(30) == 0
    assert program.tail() == f"{os.environ['PATH']}!"


async def test_children_and_their_children(tmp_path: Path) -> None:
    """All that come from a process are found, itself first."""
    log = tmp_path / "log"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLEEPER!r}])"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    program = Program("family", ["-c", code], log, {})
    await program.start()
    await until_up(log)
    family = with_children(program.pid)
    assert family[0] == program.pid
    assert len(family) == 3
    for pid in reversed(family):
        os.kill(pid, signal.SIGKILL)
    await program.ended(30)
