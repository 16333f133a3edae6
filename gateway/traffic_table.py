"""Adds traffic to its table: each sum once, though an answer of the database may be lost."""

from collections.abc import Sequence
from typing import Final

import asyncpg

from gateway.database import connection_of, transaction
from gateway.queries import load_queries
from gateway.store_errors import ROW_ERRORS, TRANSIENT_ERRORS, StoreUnavailableError
from gateway.traffic_account import Row

COMMITTED: Final = "committed"
ABORTED: Final = "aborted"
"""What PostgreSQL says of a transaction that is over."""

_QUERIES: Final = load_queries("traffic.sql")


class Addition:
    """Sums that are being added, in one transaction."""

    def __init__(self, rows: Sequence[Row]) -> None:
        """`rows` must be sorted."""
        self.rows = rows
        self.transaction: str | None = None
        """PostgreSQL's number of the transaction that may have added them."""


class TrafficTable:
    """Any number of gateways may add at once.

    When the connection is lost during COMMIT, nobody knows whether it was done. So the transaction
    tells its number before, and the next try begins with the question what became of it.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def add(self, addition: Addition) -> None:
        """Add the sums, if no earlier try has done it.

        What may still go wrong: after a failover to a server that never got the transaction it is
        added again, rightly, and one that the server has forgotten (after some 200 million others)
        is taken for committed.

        Raises:
            StoreUnavailableError: Nothing is known to be added; call again with the same later.
        """
        try:
            async with connection_of(self._pool) as connection:
                if addition.transaction is not None and await self._is_done(connection, addition):
                    return
                async with transaction(connection):
                    columns = [list(column) for column in zip(*addition.rows, strict=True)]
                    addition.transaction = await connection.fetchval(_QUERIES["add"], *columns)
        except ROW_ERRORS:
            raise  # a value that no column can hold: a fault of ours, not of the server
        except TRANSIENT_ERRORS as error:
            raise StoreUnavailableError(f"{type(error).__name__}: {error}") from error

    async def _is_done(self, connection: asyncpg.Connection, addition: Addition) -> bool:
        try:
            outcome = await connection.fetchval(_QUERIES["outcome"], addition.transaction)
        except asyncpg.InvalidParameterValueError:
            outcome = ABORTED  # in the future of this server: another one, or restored
        if outcome is None or outcome == COMMITTED:
            return True
        if outcome != ABORTED:
            raise StoreUnavailableError(f"the transaction of the last try is {outcome}")
        addition.transaction = None
        return False
