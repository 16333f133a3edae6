"""What processes cost, read from /proc (Linux only), and how ours are started and ended."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

STOP_WITHIN_SECONDS: Final = 40.0
"""A gateway drains for at most 20 seconds."""

READY_WITHIN_SECONDS: Final = 60.0
"""A program of ours is ready within a second or two; a loaded machine takes longer."""

POLL_SECONDS: Final = 0.05
LOG_LINES: Final = 15

_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
_BEHIND_NAME: Final = 2
"""In /proc/PID/stat the fields behind the name, which may hold blanks, begin with the third."""
_PARENT, _USER, _SYSTEM, _CHILDREN_USER, _CHILDREN_SYSTEM = 1, 11, 12, 13, 14


class BenchError(Exception):
    """A part could not be measured, or what it measured is not true."""


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and of its children, dead ones included."""
    own = _stat(pid)
    if own is None:
        return 0.0
    ticks = sum(int(own[place]) for place in (_USER, _SYSTEM, _CHILDREN_USER, _CHILDREN_SYSTEM))
    for other in _pids():
        fields = _stat(other)
        if fields is not None and int(fields[_PARENT]) == pid:
            ticks += int(fields[_USER]) + int(fields[_SYSTEM])
    return ticks / _TICKS_PER_SECOND


def memory_bytes(pid: int) -> tuple[int, int]:
    """Resident memory now and at its highest."""
    lines = (Path("/proc") / str(pid) / "status").read_text(encoding="ascii").splitlines()
    values = dict(line.split(":", 1) for line in lines)
    now, peak = (int(values[name].split()[0]) * 1_024 for name in ("VmRSS", "VmHWM"))
    return now, peak


def _pids() -> Iterator[int]:
    return (int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal())


def _stat(pid: int) -> list[str] | None:
    try:
        text = (Path("/proc") / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


@contextmanager
def program(
    arguments: list[str], log: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """A Python program of ours with its errors in `log`; SIGTERM at the end.

    Raises:
        BenchError: it would not end.
    """
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **environment},
            text=True,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise BenchError(f"{arguments[:2]} did not end:\n{tail(log)}") from None
        finally:
            _pipe(process.stdin).close()
            _pipe(process.stdout).close()


def read_line(process: subprocess.Popen[str], log: Path) -> str:
    """The next line that a program prints. Raises `BenchError` when it ends instead."""
    line = _pipe(process.stdout).readline()
    if not line:
        raise BenchError(f"a program has ended:\n{tail(log)}")
    return line.strip()


def write_line(process: subprocess.Popen[str], line: str) -> None:
    """Give a program a line to read."""
    pipe = _pipe(process.stdin)
    pipe.write(line + "\n")
    pipe.flush()


def close_input(process: subprocess.Popen[str]) -> None:
    """Let a program read the end of its input."""
    _pipe(process.stdin).close()


def wait_until(
    condition: Callable[[], bool], process: subprocess.Popen[str], log: Path, within_seconds: float
) -> None:
    """Look until it is so. Raises `BenchError` when the program ends before, or time is up."""
    deadline = time.monotonic() + within_seconds
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            raise BenchError(f"not done within {within_seconds:g} s:\n{tail(log)}")
        time.sleep(POLL_SECONDS)


def tail(log: Path) -> str:
    """The end of a log, for an error."""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:])


def _pipe(pipe: IO[str] | None) -> IO[str]:
    if pipe is None:
        raise AssertionError("programs are started with pipes")
    return pipe
