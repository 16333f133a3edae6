"""One relay at a time: an advisory lock of PostgreSQL that lives as long as its connection.

A relay that is killed loses its connection, and with it the lock, within a moment; one whose
machine goes dark loses it after the keep-alive below. The connection also listens for what must
not wait.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from gateway.queries import load_queries
from gateway.store_errors import TRANSIENT_ERRORS

LOCK_KEY: Final = 0x6669656C64677732
"""The bytes of `fieldgw2`; migrations have `fieldgw1`."""

CONNECT_TIMEOUT_SECONDS: Final = 10.0
COMMAND_TIMEOUT_SECONDS: Final = 10.0
"""A server that does not answer a question without a table for so long is away."""

KEEP_ALIVE: Final = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
"""Seconds and tries: 25 s after a leader's machine has gone dark the server gives its lock free."""

CHANNEL: Final = "publication"
"""Notified by transactions whose events must not wait for the next look."""

LOOK_SECONDS: Final = 5.0
"""How often a leader asks whether its connection still lives: a link can die without a word."""

_LEAD = load_queries("publication.sql")["lead"]


class LeadershipLostError(Exception):
    """The connection that holds the lock is gone; another may lead by now."""


class Lead:
    """The lead while it lasts."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._lost = asyncio.Event()
        connection.add_termination_listener(lambda _connection: self._lost.set())

    @property
    def is_lost(self) -> bool:
        """Whether the connection that holds the lock is known to be gone."""
        return self._lost.is_set()

    async def until_lost(self) -> None:
        """Wait for the end of the lead.

        Raises:
            LeadershipLostError: always, in the end.
        """
        while not self.is_lost:
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._lost.wait()
            except TimeoutError:
                await self._look()
        raise LeadershipLostError("the connection that holds the lead is lost")

    async def _look(self) -> None:
        try:
            await self._connection.execute("SELECT 1")
        except TRANSIENT_ERRORS as error:
            raise LeadershipLostError(f"the lead is lost: {error!r}") from error


@asynccontextmanager
async def leadership(dsn: str, notified: Callable[[], None]) -> AsyncIterator[Lead | None]:
    """Try to lead while the block lasts. Gives the lead, or None when another has it. `notified` is
    called for each notification.

    Raises:
        OSError, asyncpg.PostgresError, asyncpg.InterfaceError: the database is away.
    """
    connection = await asyncpg.connect(
        dsn,
        timeout=CONNECT_TIMEOUT_SECONDS,
        command_timeout=COMMAND_TIMEOUT_SECONDS,
        server_settings={"application_name": "field-gateway relay", **KEEP_ALIVE},
    )
    try:
        if not await connection.fetchval(_LEAD, LOCK_KEY):
            yield None
            return
        lead = Lead(connection)
        await connection.add_listener(CHANNEL, lambda *_: notified())
        yield lead
    finally:
        # At once: a polite goodbye to a dead server hangs, and the lock goes with the connection.
        connection.terminate()
