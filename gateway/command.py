"""What the commands share: settings, event loop, errors as messages and exit codes."""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import asyncpg
import click

from gateway.migrate import DatabaseUnreachableError, MigrationError
from gateway.server_process import ServerFailedError
from gateway.settings import Settings, SettingsError, load_settings

EXIT_FAILED: Final = 1
"""It was tried and did not work out."""
EXIT_USAGE: Final = 2
"""The command line or a setting is wrong; nothing was tried."""
EXIT_UNREACHABLE: Final = 3
"""A server that is needed cannot be reached; later it may work."""

UNREACHABLE: Final = (DatabaseUnreachableError, asyncpg.InterfaceError, ConnectionError)
EXPECTED_ERRORS: Final = (
    *UNREACHABLE,
    MigrationError,
    ServerFailedError,
    asyncpg.PostgresError,
    OSError,
)
"""Faults of the surroundings: a person needs the message, not a traceback."""

T = TypeVar("T")


def load_or_exit(settings_file: Path | None) -> Settings:
    """The settings, or an error message and exit code 2."""
    try:
        return load_settings(settings_file, os.environ)
    except SettingsError as error:
        fail(str(error), EXIT_USAGE)


def run_or_exit(work: Coroutine[Any, Any, T]) -> T:
    """Run on the fastest event loop there is; expected errors end with a message and a code."""
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(work)
    except (*EXPECTED_ERRORS, ExceptionGroup) as error:
        first = _innermost(error)
        if not isinstance(first, EXPECTED_ERRORS):
            raise
        fail(str(first), EXIT_UNREACHABLE if isinstance(first, UNREACHABLE) else EXIT_FAILED)


def _innermost(error: Exception) -> Exception:
    """An error without the groups that tasks put around it, unless others came with it."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        (error,) = error.exceptions
    return error


def fail(message: str, code: int) -> NoReturn:
    """Say what is wrong on stderr and end."""
    click.echo(f"gateway: {message}", err=True)
    sys.exit(code)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The loop of uvloop, which is twice as fast, or None for asyncio's own where it is missing."""
    try:
        import uvloop  # noqa: PLC0415 - it does not exist on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop
