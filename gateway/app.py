"""The tree of tasks of one gateway process, and the order in which it ends.

Start: database -> batcher, admission, desk and courier, publishing, metering -> HTTP -> TCP, MQTT.
Stop: read no more -> flush desk, batcher -> acks, goodbye -> events, counts -> HTTP -> database.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

import asyncpg

from gateway import observe, observe_health
from gateway.admission import MAX_WAITING as MAX_GREETINGS
from gateway.admission import Admission
from gateway.allowance import MAX_REMEMBERED, Allowances
from gateway.attendance import Attendance
from gateway.batcher import Batcher
from gateway.database_watch import watch_database
from gateway.devices import Devices
from gateway.http_server import SHUTDOWN_SECONDS as HTTP_SHUTDOWN_SECONDS
from gateway.http_server import start_http_server
from gateway.metering import LAST_TRAFFIC_SECONDS, Metering
from gateway.mqtt_client import ANSWER_WITHIN_SECONDS as BROKER_ANSWER_SECONDS
from gateway.mqtt_sessions import MAX_REPLIES
from gateway.mqtt_source import LAST_REPLIES_SECONDS, MqttSource
from gateway.notifications import listen
from gateway.open_files import provide_files
from gateway.page_bill import DATABASE_TIMEOUT_SECONDS as LAST_BILL_SECONDS
from gateway.page_station import PageStation, build_page
from gateway.parcel import Transport
from gateway.publishing import (
    LAST_EVENTS_SECONDS,
    LAST_FAREWELL_SECONDS,
    LAST_PRESENCE_SECONDS,
    Publishing,
)
from gateway.reference import load_tables
from gateway.retry import back_off
from gateway.revocation import Revocation
from gateway.session import Station
from gateway.settings import Settings
from gateway.store import PostgresStore, open_pool
from gateway.store_errors import TRANSIENT_ERRORS, StoreUnavailableError
from gateway.task_courier import TaskCourier
from gateway.task_desk import MAX_WAITING as MAX_DESK
from gateway.task_desk import TaskDesk
from gateway.tasks import Tasks
from gateway.tcp_server import TcpServer
from gateway.tcp_session import CLOSE_WITHIN_SECONDS
from gateway.tls import Tls, open_tls

LAST_COUNTS_SECONDS: Final = 2.0
"""How long the last counts of refusals may take at shutdown: no more than they are worth."""

DESK_DRAIN_SECONDS: Final = 5.0
"""How long the task desk may take at shutdown. What it does not commit comes again; reports, which
are more, get the whole drain's time after it."""

LAST_STATEMENTS_SECONDS: Final = 1.0
"""How long stations may take to end before the connections that they wait for are cut: a server
that is there confirms a cancelled statement within milliseconds."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running gateway listens."""

    http: str
    tcp: tuple[str, int] | None


@dataclass(slots=True)
class Gateway:
    """The stations of one process."""

    settings: Settings
    store: PostgresStore
    batcher: Batcher
    admission: Admission
    desk: TaskDesk
    courier: TaskCourier
    attendance: Attendance
    revocation: Revocation
    tcp: TcpServer | None
    mqtt: MqttSource | None
    publishing: Publishing | None
    metering: Metering | None
    allowances: Allowances
    page: PageStation | None

    async def checks(self) -> Mapping[str, bool]:
        """What `/readyz` asks."""
        results = {"database": await self.store.is_ready(), "room": not self.batcher.is_full}
        if self.mqtt is not None:
            results["broker"] = self.mqtt.is_connected
        return results


async def serve(
    settings: Settings, stop: asyncio.Event, started: Callable[[Addresses], None]
) -> None:
    """Run a gateway until `stop` is set, then drain it.

    `started` is called with the addresses once everything listens. Raises `OSError` when an
    address is taken, and `SettingsError` when nobody has said whether TCP is to speak TLS, or its
    certificate is of no use.
    """
    tls = open_tls(settings.tcp) if settings.tcp.enabled else None
    pool = await _open_pool(settings, stop)
    if pool is None:
        return
    if settings.tcp.enabled:
        provide_files(settings.tcp, settings.database)
    try:
        gateway = _build(settings, pool, tls)
        _watch_queues(gateway)
        async with asyncio.TaskGroup() as tasks:
            stations = _start_stations(tasks, gateway)
            async with _http(gateway) as http_address:
                tcp_address = await gateway.tcp.start() if gateway.tcp else None
                if gateway.tcp is not None and tls is not None:
                    asyncio.get_running_loop().add_signal_handler(
                        signal.SIGHUP, gateway.tcp.reload_certificate
                    )
                if gateway.mqtt is not None:
                    stations.append(tasks.create_task(gateway.mqtt.run(), name="mqtt"))
                addresses = Addresses(http_address, tcp_address)
                observe.started(settings.name, addresses.http, addresses.tcp)
                started(addresses)
                await stop.wait()
                await _drain(gateway)
            for station in stations:
                station.cancel()
            await asyncio.wait(stations, timeout=LAST_STATEMENTS_SECONDS)
            pool.terminate()
    finally:
        pool.terminate()
    observe.stopped(settings.name)


def _start_stations(tasks: asyncio.TaskGroup, gateway: Gateway) -> list[asyncio.Task[None]]:
    """All that work behind the listeners, until they are cancelled."""
    settings = gateway.settings
    stations = [
        tasks.create_task(gateway.batcher.run(), name="batcher"),
        tasks.create_task(gateway.admission.run(), name="admission"),
        tasks.create_task(gateway.desk.run(), name="task desk"),
        tasks.create_task(gateway.courier.run(), name="task courier"),
        tasks.create_task(
            listen(settings.database.dsn, "task", gateway.courier.wake),
            name="task listener",
        ),
        tasks.create_task(gateway.revocation.run(), name="revocation"),
        tasks.create_task(
            listen(settings.database.dsn, "device", gateway.revocation.wake),
            name="device listener",
        ),
        tasks.create_task(watch_database(gateway.store.is_ready), name="database watch"),
    ]
    if gateway.publishing is not None:
        stations.append(tasks.create_task(gateway.publishing.run(), name="publishing"))
    if gateway.metering is not None:
        stations.append(tasks.create_task(gateway.metering.run(), name="metering"))
    if gateway.page is not None:
        stations.append(tasks.create_task(gateway.page.run(), name="page"))
    return stations


def longest_stop_seconds(settings: Settings) -> float:
    """How long a gateway may take from SIGTERM to its end, whatever stands still around it: all
    the waits of `serve` behind one another. What it is calculating then it finishes besides.
    """
    return (
        min(DESK_DRAIN_SECONDS, settings.drain_timeout_seconds)
        + settings.drain_timeout_seconds
        + LAST_COUNTS_SECONDS
        + CLOSE_WITHIN_SECONDS
        + LAST_REPLIES_SECONDS
        + LAST_EVENTS_SECONDS
        + LAST_PRESENCE_SECONDS
        + LAST_FAREWELL_SECONDS
        + LAST_TRAFFIC_SECONDS
        + HTTP_SHUTDOWN_SECONDS
        + LAST_STATEMENTS_SECONDS
        + BROKER_ANSWER_SECONDS
        + LAST_BILL_SECONDS
    )


async def _open_pool(settings: Settings, stop: asyncio.Event) -> asyncpg.Pool | None:
    """Connect to the database; wait for it if it is away. None when `stop` came first."""
    async with asyncio.TaskGroup() as tasks:
        opening = tasks.create_task(_keep_opening_pool(settings), name="database opening")
        stopping = tasks.create_task(stop.wait(), name="stop")
        await asyncio.wait({opening, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in (opening, stopping):
            task.cancel()
    return None if opening.cancelled() else opening.result()


async def _keep_opening_pool(settings: Settings) -> asyncpg.Pool:
    for delay_seconds in back_off():
        try:
            return await open_pool(
                settings.database.dsn,
                size=settings.database.max_connections,
                command_timeout_seconds=settings.database.command_timeout_seconds,
            )
        except TRANSIENT_ERRORS as error:
            observe.database_away(error, delay_seconds)
        await asyncio.sleep(delay_seconds)
    raise AssertionError("back_off never ends")


def _build(settings: Settings, pool: asyncpg.Pool, tls: Tls | None) -> Gateway:
    loop = asyncio.get_running_loop()
    store = PostgresStore(pool, gateway=settings.name, publishes=settings.relay.enabled)
    batcher = Batcher(store, settings.batch, monotonic=loop.time)
    devices = Devices(pool)
    admission = Admission(devices)
    tasks = Tasks(pool, retry_seconds=settings.tasks.retry_seconds)
    desk, attendance = TaskDesk(tasks), Attendance()
    courier = TaskCourier(
        tasks,
        attendance,
        poll_seconds=settings.tasks.poll_seconds,
        unix_time=time.time,
        monotonic=loop.time,
    )
    station = Station(
        tables=load_tables(),
        offer=batcher.offer,
        refused=partial(_count_refused, store),
        unix_time=time.time,
        monotonic=loop.time,
        call_soon=loop.call_soon,
        take_task_reply=desk.take_reply,
        arrived=attendance.arrived,
        left=attendance.left,
        is_crowded=batcher.is_crowded,
        allowances=Allowances(settings.limits),
    )
    metering = Metering(settings, pool, batcher.is_writing) if settings.meter.enabled else None
    traffic = metering.traffic if metering else None
    tcp = (
        TcpServer(settings.tcp, station, admission, batcher, traffic, tls)
        if settings.tcp.enabled
        else None
    )
    mqtt = (
        MqttSource(
            settings.mqtt, settings.name, station, admission, batcher, desk.take_request, traffic
        )
        if settings.mqtt.enabled
        else None
    )
    publishing = _build_publishing(settings, pool, attendance, batcher)
    return Gateway(
        settings,
        store,
        batcher,
        admission,
        desk,
        courier,
        attendance,
        Revocation(devices, attendance, monotonic=loop.time),
        tcp,
        mqtt,
        publishing,
        metering,
        station.allowances,
        build_page(settings, pool, attendance) if settings.http.page else None,
    )


def _build_publishing(
    settings: Settings, pool: asyncpg.Pool, attendance: Attendance, batcher: Batcher
) -> Publishing | None:
    if not (settings.relay.enabled and settings.mqtt.enabled):
        return None
    return Publishing(settings, pool, attendance, batcher.is_writing)


def _count_refused(store: PostgresStore, transport: Transport, items: int) -> None:
    observe.refused(transport, items)
    store.count_refused(transport, items)


def _watch_queues(gateway: Gateway) -> None:
    batcher, tcp, mqtt, settings = gateway.batcher, gateway.tcp, gateway.mqtt, gateway.settings
    observe_health.watch_batcher(lambda: batcher.is_full)
    observe_health.watch_devices(lambda: len(gateway.attendance))
    observe.watch_queue("batcher_pending_items", lambda: batcher.statistics().pending_items)
    observe.watch_queue("batcher_writing_items", lambda: batcher.statistics().in_flight_items)
    observe.watch_queue("batcher_waiting_sources", lambda: batcher.statistics().waiting_for_space)
    observe.watch_queue("admission_greetings", gateway.admission.statistics, MAX_GREETINGS)
    observe.watch_queue("task_desk_waiting", gateway.desk.statistics, MAX_DESK)
    observe.watch_queue("task_courier_arrived", gateway.courier.statistics)
    observe.watch_queue("allowances", lambda: len(gateway.allowances), MAX_REMEMBERED)
    if tcp is not None:
        most_strangers = settings.tcp.max_strangers
        observe.watch_queue(
            "tcp_connections", lambda: tcp.admitted_sessions, settings.tcp.max_sessions
        )
        observe.watch_queue("tcp_strangers", lambda: len(tcp.strangers), most_strangers)
        observe.watch_queue("tcp_refusals_held", lambda: tcp.strangers.held)
        observe.watch_queue("tcp_waiting_turns", lambda: len(tcp.turns))
    if mqtt is not None:
        most = settings.mqtt.max_pending_messages
        observe.watch_queue("mqtt_unacked_messages", lambda: mqtt.statistics()[0], most)
        observe.watch_queue("mqtt_replies", lambda: mqtt.statistics()[1], MAX_REPLIES)
    if gateway.publishing is not None:
        gateway.publishing.watch_queues()
    if gateway.metering is not None:
        gateway.metering.watch_queues()


@asynccontextmanager
async def _http(gateway: Gateway) -> AsyncIterator[str]:
    figures = gateway.page.figures if gateway.page is not None else None
    runner, address = await start_http_server(gateway.settings.http, gateway.checks, figures)
    try:
        yield address
    finally:
        await runner.cleanup()


async def _drain(gateway: Gateway) -> None:
    observe.draining(gateway.batcher.statistics().pending_items)
    if gateway.tcp is not None:
        gateway.tcp.stop_accepting()
    if gateway.mqtt is not None:
        gateway.mqtt.stop_receiving()
    await gateway.desk.drain(min(DESK_DRAIN_SECONDS, gateway.settings.drain_timeout_seconds))
    await gateway.batcher.drain(gateway.settings.drain_timeout_seconds)
    await asyncio.sleep(0)  # the acks of a turn go out at its end, and before any goodbye
    # The counts of refusals are all that may be lost here.
    with contextlib.suppress(StoreUnavailableError, TimeoutError):
        async with asyncio.timeout(LAST_COUNTS_SECONDS):
            await gateway.store.flush_ledger()
    if gateway.tcp is not None:
        await gateway.tcp.close_sessions()
    if gateway.mqtt is not None:
        await gateway.mqtt.close()
    if gateway.publishing is not None:
        await gateway.publishing.close()
    if gateway.metering is not None:
        await gateway.metering.close()
