"""What the commands share: settings, event loop, errors as messages and exit codes."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import asyncpg
import click

from gateway.migrate import DatabaseUnreachableError, MigrationError
from gateway.server_process import ServerFailedError
from gateway.settings import Settings
from gateway.settings_loader import SettingsError, load_settings
from gateway.store import open_pool
from gateway.store_errors import StoreUnavailableError

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
    except SettingsError as error:
        fail(str(error), EXIT_USAGE)
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


def with_pool(settings: Settings, work: Callable[[asyncpg.Pool], Awaitable[T]]) -> T:
    """Open the database, do the work, close it; a database that is away ends the command."""

    async def run() -> T:
        try:
            pool = await open_pool(settings.database.dsn, size=1)
        except OSError as error:
            raise DatabaseUnreachableError(f"cannot connect to the database: {error}") from error
        try:
            return await work(pool)
        finally:
            await pool.close()

    try:
        return run_or_exit(run())
    except StoreUnavailableError as error:
        if isinstance(error.__cause__, asyncpg.UndefinedTableError):
            fail("the database has no schema yet: gateway migrate", EXIT_FAILED)
        fail(f"the database is away: {error}", EXIT_UNREACHABLE)


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
