"""Which errors of the database may pass, and which are the fault of a row."""

from typing import Final

import asyncpg


class StoreUnavailableError(Exception):
    """Nothing is known to be committed. Keep the batch and write it again later.

    That is right even after a connection was lost during COMMIT: rows that were committed after
    all come back as DUPLICATE.
    """


ROW_ERRORS: Final = (
    asyncpg.DataError,  # class 22: out of range, invalid text
    asyncpg.IntegrityConstraintViolationError,  # class 23: a check, a null, a known key
    asyncpg.ProgramLimitExceededError,  # class 54: a value too large for its page or index
)
"""A row's own fault: find the row and keep it in quarantine."""

TRANSIENT_ERRORS: Final = (
    OSError,  # connection refused, reset, time-outs (TimeoutError is one)
    asyncpg.InterfaceError,  # the driver noticed that the connection is closed
    asyncpg.InternalClientError,  # the connection broke in the middle of an answer
    # Whatever else the server says is about its state and not about a row: shutting down (57P01),
    # starting (57P03), out of connections or disk (53), read-only (25006), deadlock (40P01), but
    # also a missing privilege or table. All can be mended while the handsets keep their reports,
    # and no batch may be given up for them.
    asyncpg.PostgresError,
)
"""May pass. Look at `ROW_ERRORS` first, which are a part of `PostgresError`."""
