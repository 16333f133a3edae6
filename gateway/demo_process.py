"""A program of ours as a child of the demo, and its log."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

READY_WITHIN_SECONDS: Final = 60.0
"""A gateway is ready within a second; a loaded machine may take longer."""

STOP_WITHIN_SECONDS: Final = 40.0
"""A gateway drains for at most 20 seconds; then it is killed."""

POLL_SECONDS: Final = 0.25
"""How often another program's state is looked at: often enough for an eye."""

TOLD_LINES: Final = 15
"""Lines of a log that stand in an error."""


@asynccontextmanager
async def program(
    arguments: list[str], log: Path, environment: Mapping[str, str]
) -> AsyncIterator[Process]:
    """A Python program of ours, ended with SIGTERM, and killed if that does not help."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), STOP_WITHIN_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()


def tail(log: Path) -> str:
    """The last lines of a log, for an error."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-TOLD_LINES:])
