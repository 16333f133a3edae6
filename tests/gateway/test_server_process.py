"""Starting, finding ready, stopping and killing, with small programs of the test's own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.server_process import (
    ServerFailedError,
    ServerProcess,
    accepts_connections,
    command_line,
    end_leftover,
    exists,
    free_port,
    kept_port,
)

FOREVER = "import signal, pathlib, sys; pathlib.Path(sys.argv[1]).touch(); signal.pause()"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + FOREVER


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A process not started yet, ended after the test."""
    process = ServerProcess("The program", tmp_path / "log")
    yield process
    process.kill()


def start(server: ServerProcess, code: str, mark: Path, within_s: float = 30) -> None:
    """Start a Python program that makes the file `mark` when it is ready."""
    server.start([sys.executable, "-c", code, mark], ready=mark.exists, within_s=within_s)


def test_it_is_ready_when_start_returns(server: ServerProcess, tmp_path: Path) -> None:
    """Start waits for the condition; the child has a session of its own, away from Ctrl-C."""
    start(server, FOREVER, tmp_path / "ready")
    assert (tmp_path / "ready").exists()
    assert server.running
    assert os.getsid(server.pid) == server.pid


def test_stop_asks(server: ServerProcess, tmp_path: Path) -> None:
    """A program that obeys is gone when stop returns; stopping twice is harmless."""
    start(server, FOREVER, tmp_path / "ready")
    pid = server.pid
    server.stop(signal.SIGTERM, within_s=30)
    server.stop(signal.SIGTERM, within_s=30)
    assert not exists(pid)
    assert not server.running
    with pytest.raises(ServerFailedError, match="is not running"):
        _ = server.pid


def test_stop_ends_the_stubborn(server: ServerProcess, tmp_path: Path) -> None:
    """A program that ignores the signal is killed after its time."""
    start(server, STUBBORN, tmp_path / "ready")
    pid = server.pid
    server.stop(signal.SIGTERM, within_s=0.05)
    assert not exists(pid)


def test_an_early_end_is_told_with_the_log(server: ServerProcess, tmp_path: Path) -> None:
    """The error holds what this start wrote, not what earlier ones did."""
    (tmp_path / "log").write_text("an older complaint\n")
    with pytest.raises(ServerFailedError, match="ended while starting") as caught:
        start(server, "raise SystemExit('the disk is full')", tmp_path / "ready")
    assert "the disk is full" in str(caught.value)
    assert "older" not in str(caught.value)


def test_a_program_that_never_gets_ready_is_killed(server: ServerProcess, tmp_path: Path) -> None:
    """Start does not wait for ever, and leaves nothing behind."""
    with pytest.raises(ServerFailedError, match=r"was not ready within 0\.05 s"):
        server.start([sys.executable, "-c", FOREVER, tmp_path / "x"], ready=bool, within_s=0.05)
    assert not server.running


def test_a_leftover_is_ended_by_its_mark(tmp_path: Path) -> None:
    """The process is ended if its command line has the mark, and left alone if it has not."""
    mark = tmp_path / "ready"
    with subprocess.Popen([sys.executable, "-c", FOREVER, mark]) as other:
        while not mark.exists():
            time.sleep(0.01)  # for a condition, as the code under test does
        end_leftover(other.pid, mark="another directory", by=signal.SIGTERM, within_s=30)
        assert other.poll() is None
        end_leftover(other.pid, mark=str(mark), by=signal.SIGTERM, within_s=30)
        assert other.wait() == -signal.SIGTERM


def test_a_stubborn_leftover_is_killed(tmp_path: Path) -> None:
    """SIGKILL follows when the time is over."""
    mark = tmp_path / "ready"
    with subprocess.Popen([sys.executable, "-c", STUBBORN, mark]) as other:
        while not mark.exists():
            time.sleep(0.01)  # for a condition, as the code under test does
        end_leftover(other.pid, mark=str(mark), by=signal.SIGTERM, within_s=0.05)
        assert other.wait() == -signal.SIGKILL


def test_a_process_that_is_gone_has_no_command_line() -> None:
    """Nor does it exist."""
    with subprocess.Popen([sys.executable, "-c", ""]) as short:
        short.wait()
    assert command_line(short.pid) == ""
    assert not exists(short.pid)


def test_a_port_is_kept_while_it_is_free(tmp_path: Path) -> None:
    """The same number again; another one when somebody has taken it; nonsense is overwritten."""
    note = tmp_path / "port"
    port = kept_port(note)
    assert kept_port(note) == port
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        assert accepts_connections(port)
        assert kept_port(note) != port
    note.write_text("nonsense")
    assert kept_port(note) > 0


def test_nobody_listens_on_a_free_port() -> None:
    """A free port refuses connections."""
    assert not accepts_connections(free_port())
