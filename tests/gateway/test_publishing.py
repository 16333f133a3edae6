"""The station that publishes: what starts, what is told in which order at the end."""

import asyncio
import itertools
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from gateway.attendance import Attendance
from gateway.parcel import Parcel, Transport
from gateway.publishing import (
    LAST_EVENTS_SECONDS,
    LAST_FAREWELL_SECONDS,
    LAST_PRESENCE_SECONDS,
    Publishing,
)
from gateway.server_process import free_port
from gateway.store import PostgresStore, open_pool
from tests.helpers.brokers import Broker
from tests.helpers.builders import build_reports
from tests.helpers.event_collector import Collector, collector
from tests.helpers.metrics import value_of
from tests.helpers.presence_rig import session
from tests.helpers.served_gateway import Look, settings_of
from tests.helpers.tcp_gateway import until

pytestmark = pytest.mark.asyncio

_numbers = itertools.count()


@pytest_asyncio.fixture
async def pool(database_dsn: str) -> AsyncIterator[asyncpg.Pool]:
    """Connections to a database of the test's own."""
    pool = await open_pool(database_dsn, size=6)
    yield pool
    pool.terminate()


def publishing_of(
    dsn: str, pool: asyncpg.Pool, port: int, attendance: Attendance
) -> tuple[Publishing, str]:
    """A station under a name of its own."""
    name = f"publishing-{next(_numbers)}"
    settings = settings_of(dsn, name, mqtt={"enabled": True, "port": port})
    return Publishing(settings, pool, attendance, lambda: False), name


def told_of(collected: Collector, name: str) -> list[str]:
    """Types of the events that came, in order, those of other gateways left out."""
    return [
        f"{event['type'].split('.')[1]} {event['data'].get('online', 'stored')}"
        for _, event in collected.all
        if event["data"].get("gateway", name) == name
    ]


async def test_the_order_of_the_end(database_dsn: str, pool: asyncpg.Pool, broker: Broker) -> None:
    """Events of what was just committed, then devices, then the gateway itself."""
    attendance = Attendance()
    publishing, name = publishing_of(database_dsn, pool, broker.gateway_port, attendance)
    store = PostgresStore(pool, gateway=name)
    parcel = Parcel(1, 1, Transport.TCP, b"", build_reports(3))
    async with collector(broker, f"{name}-subscriber") as collected:
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(publishing.run())
            attendance.arrived(session())
            await collected.until(lambda: len(told_of(collected, name)) == 2)
            assert publishing.is_connected
            await until(lambda: value_of("gateway_relay_leads") == 1)
            await store.write([parcel])
            await publishing.close()
            assert not publishing.is_connected
            await running
        await collected.until(lambda: len(told_of(collected, name)) == 7)
    assert sorted(told_of(collected, name)[:2]) == ["device True", "gateway True"]
    assert told_of(collected, name)[2:] == [*["report stored"] * 3, "device False", "gateway False"]
    assert await Look(database_dsn).rows("SELECT device_id FROM presence") == []
    assert await Look(database_dsn).rows("SELECT publications_waiting FROM relay_state") == [(0,)]


async def test_an_end_without_a_broker(database_dsn: str, pool: asyncpg.Pool) -> None:
    """Nothing can be told: it ends soon, and what waits stays in the table."""
    publishing, name = publishing_of(database_dsn, pool, free_port(), Attendance())
    await PostgresStore(pool, gateway=name).write(
        [Parcel(1, 1, Transport.TCP, b"", build_reports(3))]
    )
    with capture_logs() as logs:
        async with asyncio.timeout(LAST_FAREWELL_SECONDS), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(publishing.run())
            await until(lambda: any(line["event"] == "events_stopped" for line in logs))
            await publishing.close()
            await running
    assert await Look(database_dsn).rows("SELECT reports_waiting FROM relay_state") == [(3,)]


async def test_an_operator_sees_the_lag_while_there_is_no_broker(
    database_dsn: str, pool: asyncpg.Pool
) -> None:
    """Nobody leads then, and the lag is what has to be seen."""
    publishing, name = publishing_of(database_dsn, pool, free_port(), Attendance())
    await PostgresStore(pool, gateway=name).write(
        [Parcel(1, 1, Transport.TCP, b"", build_reports(3))]
    )
    await Look(database_dsn).rows(
        "UPDATE publication SET stored_at = now() - interval '1 hour' RETURNING id"
    )
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(publishing.run())
        await until(lambda: value_of("gateway_relay_lag_seconds") >= 3_600)
        assert value_of("gateway_relay_waiting_reports") == 3
        running.cancel()


async def test_an_end_before_the_beginning(database_dsn: str, pool: asyncpg.Pool) -> None:
    """Another station failed while this one was to be started."""
    publishing, _ = publishing_of(database_dsn, pool, free_port(), Attendance())
    async with asyncio.timeout(1):
        await publishing.close()


async def test_its_queues(database_dsn: str, pool: asyncpg.Pool) -> None:
    """The metrics can read both."""
    publishing, _ = publishing_of(database_dsn, pool, free_port(), Attendance())
    publishing.watch_queues()
    for queue in ("events_unacked", "presence_untold"):
        assert value_of("gateway_queue_depth", {"queue": queue}) == 0


async def test_the_end_fits_into_what_supervisors_wait() -> None:
    """Beside the 20 s of the drain: 30 s are usual."""
    assert LAST_EVENTS_SECONDS + LAST_PRESENCE_SECONDS + LAST_FAREWELL_SECONDS <= 8
