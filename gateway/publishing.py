"""What publishes for subscribers, as one station: the connection, the relay, who is online."""

import asyncio
from collections.abc import Callable
from typing import Final

import asyncpg

from gateway import observe
from gateway.attendance import Attendance
from gateway.presence import Presence
from gateway.publications import Publications
from gateway.publisher import FAREWELL_SECONDS, Publisher
from gateway.reference import load_reference
from gateway.relay import Relay
from gateway.settings import Settings

LAST_EVENTS_SECONDS: Final = 2.0
"""At shutdown: how long publishing may go on. What is left the next relay publishes."""

LAST_PRESENCE_SECONDS: Final = 2.0
"""At shutdown: how long telling may take that all devices of this gateway are gone."""


LAST_FAREWELL_SECONDS: Final = FAREWELL_SECONDS + 1
"""At shutdown: how long leaving the broker may take. Without a farewell the last will is sent."""


class Publishing:
    """Built from the settings; runs beside the stations that take reports.

    Args:
        settings: Of the whole gateway.
        pool: Of the database.
        attendance: Who is here.
        is_busy: Whether reports are being written.
    """

    def __init__(
        self,
        settings: Settings,
        pool: asyncpg.Pool,
        attendance: Attendance,
        is_busy: Callable[[], bool],
    ) -> None:
        publications, reference = Publications(pool), load_reference()
        self._publisher = Publisher(settings.mqtt, settings.name)
        self._presence = Presence(settings.name, publications, self._publisher, reference)
        self._relay = Relay(
            settings.relay,
            settings.database.dsn,
            publications,
            self._publisher,
            reference,
            is_busy,
            is_counted=settings.meter.enabled,
        )
        self._relaying: asyncio.Task[None] | None = None
        self._telling: asyncio.Task[None] | None = None
        self._connecting: asyncio.Task[None] | None = None
        attendance.listen(self._presence)

    @property
    def is_connected(self) -> bool:
        """Whether events can go to the broker."""
        return self._publisher.connected.is_set()

    async def run(self) -> None:
        """Publish until closed or cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._relaying = tasks.create_task(self._relay.run(), name="relay")
            self._telling = tasks.create_task(self._presence.run(), name="presence")
            self._connecting = tasks.create_task(self._publisher.run(), name="publisher")

    async def close(self) -> None:
        """Publish what was just committed, say who leaves, and leave the broker."""
        await self._relay.drain(LAST_EVENTS_SECONDS)
        _cancel(self._relaying)
        await self._presence.close(LAST_PRESENCE_SECONDS if self.is_connected else 0)
        _cancel(self._telling)
        self._publisher.close()
        if self._connecting is not None:
            await asyncio.wait({self._connecting}, timeout=LAST_FAREWELL_SECONDS)
            _cancel(self._connecting)

    def watch_queues(self) -> None:
        """Let the metrics read how much waits."""
        observe.watch_queue("events_unacked", self._publisher.statistics)
        observe.watch_queue("presence_untold", self._presence.statistics)


def _cancel(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
