"""PostgreSQL's NOTIFY as a call: a connection of its own that listens, and comes back when lost.

A notification may be missed while the connection is away, and a dead link is not noticed at once.
So it only spares waiting: whoever is woken by it also looks by itself from time to time.
"""

import asyncio
from collections.abc import Callable

import asyncpg

from gateway import observe_tasks
from gateway.database import CONNECT_TIMEOUT_SECONDS
from gateway.retry import back_off
from gateway.store_errors import TRANSIENT_ERRORS


async def listen(dsn: str, channel: str, wake: Callable[[], None]) -> None:
    """Call `wake` for each notification on a channel, and once whenever listening begins: what was
    missed before is to be looked for. Runs until cancelled.
    """
    delays = back_off()
    while True:
        lost = asyncio.Event()
        try:
            connection = await _connect(dsn, channel, wake, lost)
        except TRANSIENT_ERRORS as error:
            delay_seconds = next(delays)
            observe_tasks.listener_lost(channel, error, delay_seconds)
            await asyncio.sleep(delay_seconds)
            continue
        delays = back_off()
        wake()
        try:
            await lost.wait()
        finally:
            connection.terminate()


async def _connect(
    dsn: str, channel: str, wake: Callable[[], None], lost: asyncio.Event
) -> asyncpg.Connection:
    connection = await asyncpg.connect(
        dsn,
        timeout=CONNECT_TIMEOUT_SECONDS,
        command_timeout=CONNECT_TIMEOUT_SECONDS,
        server_settings={"application_name": f"field-gateway {channel} listener"},
    )
    try:
        connection.add_termination_listener(lambda _connection: lost.set())
        await connection.add_listener(channel, lambda *_notification: wake())
    except BaseException:
        connection.terminate()
        raise
    return connection
