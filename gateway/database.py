"""Connections to PostgreSQL that are let go at once.

A link may die without a word: it stays open, and no answer comes. asyncpg waits for the server even
then: a cancelled statement until its cancellation is confirmed, the end of a transaction for the
ROLLBACK, each up to the command's time-out. A gateway that is stopped would wait with it; and the
time-out would take the place of the cancellation, so that a loop that tries again after time-outs
would never end. So whoever takes a connection or begins a transaction does it here.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import asyncpg

CONNECT_TIMEOUT_SECONDS: Final = 10.0
"""A server that does not answer for so long is away; the batcher tries again."""

COMMAND_TIMEOUT_SECONDS: Final = 30.0
"""The largest batch takes some 100 ms; a disk may stall for seconds; longer is a dead link."""

ACQUIRE_TIMEOUT_SECONDS: Final = 15.0
"""A free connection must come back or be made within a connect and a half."""


@asynccontextmanager
async def connection_of(pool: asyncpg.Pool) -> AsyncIterator[asyncpg.Connection]:
    """A connection for the block. After an error or a cancellation it is in doubt: it is cut, and
    the pool makes another.

    Raises:
        TimeoutError: None came free within `ACQUIRE_TIMEOUT_SECONDS`.
        OSError, asyncpg.PostgresError, asyncpg.InterfaceError: The database is away.
    """
    connection = await pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS)
    try:
        yield connection
    except BaseException:
        with suppress(asyncpg.InterfaceError):  # the driver has cut it already
            connection.terminate()
        raise
    finally:
        await pool.release(connection)


@asynccontextmanager
async def transaction(
    connection: asyncpg.Connection, *, readonly: bool = False
) -> AsyncIterator[None]:
    """A transaction for the block, or a savepoint inside one. After an error it is rolled back,
    unless the link is to blame: then, and when cancelled, it ends with the connection, which must
    come from `connection_of`.
    """
    begun = connection.transaction(readonly=readonly)
    await begun.start()
    try:
        yield
    except (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        raise
    except Exception:
        await begun.rollback()
        raise
    await begun.commit()
