"""A server program run as our child: started, found ready, stopped, killed, its leftovers ended.

Common to the embedded PostgreSQL and the embedded broker. The interface is synchronous; asyncio
code calls it through `asyncio.to_thread`. Waiting is always for a condition (ready, exited), looked
at every `POLL_S`, never for a time that is hoped to be long enough.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gateway.unprivileged import Account, popen_arguments

POLL_S = 0.02
"""How often a condition is looked at: well under the 0.1 s a server with data takes to start."""

LOG_TAIL_BYTES = 2_000
"""How much of a server's log goes into an error: enough for its last dozen lines."""


class ServerFailedError(Exception):
    """A server program did not start, or not in time. The text holds the end of its log."""


class ServerProcess:
    """One server program, which may be started again after it ended.

    Args:
        name: what to call it in errors.
        log: file that gets its standard output and error, appended to.
    """

    def __init__(self, name: str, log: Path) -> None:
        self._name = name
        self._log = log
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the program has been started and has not ended."""
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int:
        """Process id of the running program.

        Raises:
            ServerFailedError: it is not running.
        """
        if self._child is None:
            raise ServerFailedError(f"{self._name} is not running")
        return self._child.pid

    def start(
        self,
        command: Sequence[str | Path],
        *,
        ready: Callable[[], bool],
        within_s: float,
        account: Account | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start `command` and return when `ready()` is true.

        The child gets a session of its own: Ctrl-C on the terminal reaches us alone, and we decide
        when the servers go.

        Raises:
            ServerFailedError: the program ended, or was not ready within `within_s` seconds (it is
                killed then).
        """
        with self._log.open("ab") as log:
            began_at = log.tell()
            self._child = subprocess.Popen(  # noqa: S603 -- our own command, no shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=environment,
                start_new_session=True,
                **popen_arguments(account),
            )
        deadline = time.monotonic() + within_s
        while not ready():
            if self._child.poll() is not None:
                raise self._failure("ended while starting", began_at)
            if time.monotonic() > deadline:
                self.kill()
                raise self._failure(f"was not ready within {within_s:g} s", began_at)
            time.sleep(POLL_S)

    def stop(self, by: signal.Signals, *, within_s: float) -> None:
        """Ask the program to end and wait for it; after `within_s` seconds kill it. Idempotent."""
        if self._child is None:
            return
        if self._child.poll() is None:
            self._child.send_signal(by)
        try:
            self._child.wait(within_s)
        except subprocess.TimeoutExpired:
            self.kill()
        self._child = None

    def kill(self) -> None:
        """End the program with SIGKILL, as a crash would, and reap it. Idempotent."""
        if self._child is None:
            return
        self._child.kill()
        self._child.wait()
        self._child = None

    def _failure(self, what: str, began_at: int) -> ServerFailedError:
        with self._log.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(began_at, size - LOG_TAIL_BYTES))
            tail = log.read().decode(errors="replace").strip()
        return ServerFailedError(f"{self._name} {what}. Its log ({self._log}) ends:\n{tail}")


def end_leftover(pid: int, *, mark: str, by: signal.Signals, within_s: float) -> None:
    """End a server that an earlier, killed run of ours left behind.

    Args:
        pid: where it was last seen running; by now the number may belong to anybody.
        mark: text its command line holds and no other program's does: its data directory.
        by: signal that asks it to end.
        within_s: seconds after which SIGKILL follows.
    """
    deadline = time.monotonic() + within_s
    asked = False
    while mark in command_line(pid):
        if not asked:
            os.kill(pid, by)
            asked = True
        elif time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(POLL_S)


def command_line(pid: int) -> str:
    """The command line of a process; empty if there is none, or only a zombie."""
    proc = Path("/proc")
    if (proc / "self").exists():
        try:
            return (proc / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError):
            return ""
    # macOS has no /proc but always ps.
    return subprocess.run(  # noqa: S603 -- fixed command, a number as its argument
        ["/bin/ps", "-o", "command=", "-p", str(pid)],
        capture_output=True,
        check=False,
        text=True,
    ).stdout


def exists(pid: int) -> bool:
    """Whether a process has this number, zombies included."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def kept_port(path: Path) -> int:
    """The loopback TCP port noted in `path` if it is free, else a free one, noted there.

    So a server keeps its address over restarts, of itself and of this program, and whoever is
    connected to it finds it again.
    """
    try:
        noted = int(path.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        noted = 0
    port = noted if noted and _is_free(noted) else free_port()
    path.write_text(f"{port}\n", encoding="ascii")
    return port


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def accepts_connections(port: int) -> bool:
    """Whether a TCP server on 127.0.0.1 takes a connection at this port now."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do: connections of the last run in TIME_WAIT do not make a port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
