"""Programs of ours as children of the fault run: started, looked at, killed, stopped."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

LOG_LINES: Final = 15
"""Of a log that stand in an error."""

_BEHIND_NAME: Final = 1
"""In /proc/PID/stat, counted behind the name, the parent's place."""


class ChaosError(Exception):
    """The run itself could not be made, whatever the system under test did."""


class Program:
    """One Python program of ours, which may be started again after its end.

    Args:
        name: for people.
        arguments: of the interpreter.
        log: gets what it prints, appended.
        environment: on top of ours.
    """

    def __init__(
        self, name: str, arguments: Sequence[str], log: Path, environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self._arguments = arguments
        self._log = log
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """Of the process that was started last."""
        return self._started().pid

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start it; a session of its own keeps the terminal's Ctrl-C from it."""
        with self._log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *self._arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **self._environment},
                start_new_session=True,
            )

    async def kill(self) -> None:
        """SIGKILL: nothing is flushed, nobody is told."""
        if self.is_running:
            self._started().kill()
        if self._process is not None:
            await self._process.wait()

    def terminate(self) -> None:
        """SIGTERM, if it runs."""
        if self.is_running:
            self._started().send_signal(signal.SIGTERM)

    async def ended(self, within_seconds: float) -> int | None:
        """Its exit code; None if it has not ended in time."""
        try:
            async with asyncio.timeout(within_seconds):
                return await self._started().wait()
        except TimeoutError:
            return None

    async def end(self, within_seconds: float) -> None:
        """SIGTERM, then SIGKILL; nothing if it never ran."""
        if self._process is None:
            return
        self.terminate()
        if await self.ended(within_seconds) is None:
            await self.kill()

    def tail(self) -> str:
        """The end of its log, for an error."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-LOG_LINES:])

    def _started(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise ChaosError(f"{self.name} was never started")
        return self._process


def with_children(pid: int) -> list[int]:
    """A process and all that come from it, itself first."""
    parents = {int(path.name): _parent(path) for path in Path("/proc").iterdir() if _is_pid(path)}
    found = [pid]
    for one in found:  # grows while it is read
        found += [child for child, parent in parents.items() if parent == one]
    return found


def _is_pid(path: Path) -> bool:
    return path.name.isdecimal()


def _parent(path: Path) -> int:
    try:
        text = (path / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(text.rpartition(")")[2].split()[_BEHIND_NAME])
