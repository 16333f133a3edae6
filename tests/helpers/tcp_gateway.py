"""A TCP server in the test's own event loop, with everything behind it but the database."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from gateway import observe
from gateway.admission import Admission
from gateway.allowance import BURST_QUICK, Allowances
from gateway.attendance import Attendance
from gateway.batch_writer import Store
from gateway.batcher import Batcher
from gateway.devices import Registration
from gateway.protocol.errors import RefusalCode
from gateway.protocol.proof import derive_keys
from gateway.session import Station
from gateway.settings import BatchSettings, LimitSettings, TcpSettings
from gateway.store_errors import StoreUnavailableError
from gateway.tcp_server import TcpServer
from gateway.tcp_session import TcpSession
from gateway.tls import open_tls
from tests.helpers.builders import NOW, TABLES
from tests.helpers.device_client import ANSWER_WITHIN_SECONDS, secret_of
from tests.helpers.memory_store import MemoryStore

KNOWN_DEVICES = range(1, 1_000)


class MemoryRegistry:
    """Knows `KNOWN_DEVICES`. `is_away` makes it fail as a database does that is not there; a
    cleared `go_on` holds every look-up until it is set again.
    """

    def __init__(self) -> None:
        self.revoked: set[int] = set()
        self.settled_through = 0
        self.standing = 0
        self.refused: tuple[tuple[int, RefusalCode], ...] = ()
        self.lookups: list[list[tuple[int, int, int]]] = []
        self.is_away = False
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def lookup(
        self, greetings: Iterable[tuple[int, int, int]]
    ) -> Mapping[tuple[int, int], Registration]:
        """See `Devices.lookup`."""
        asked = list(greetings)
        self.lookups.append(asked)
        await self.go_on.wait()
        if self.is_away:
            raise StoreUnavailableError("the registry of this test is away")
        return {
            (device, installation): self._registration(device)
            for device, installation, _ in asked
            if device in KNOWN_DEVICES
        }

    def _registration(self, device: int) -> Registration:
        keys = derive_keys(secret_of(device))
        return Registration(
            keys.stored_key,
            keys.gateway_key,
            device in self.revoked,
            self.settled_through,
            self.refused,
            self.standing,
        )


UNLIMITED = LimitSettings(
    burst_reports=1_000_000, burst_emergencies=1_000_000, burst_quarantined=1_000_000
)
"""For tests in which one device brings more than its share."""


class TcpGateway:
    """A server, its stations, and its address. Started by `tcp_gateway`."""

    def __init__(
        self,
        store: Store,
        batch: BatchSettings,
        settings: TcpSettings,
        limits: LimitSettings | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._seconds_ahead = 0.0
        self.registry = MemoryRegistry()
        self.batcher = Batcher(store, batch, monotonic=loop.time)
        self.admission = Admission(self.registry)
        self.attendance = Attendance()
        self.station = Station(
            tables=TABLES,
            offer=self.batcher.offer,
            refused=observe.refused,
            unix_time=lambda: float(NOW),
            monotonic=lambda: loop.time() + self._seconds_ahead,
            call_soon=loop.call_soon,
            arrived=self.attendance.arrived,
            left=self.attendance.left,
            is_crowded=self.batcher.is_crowded,
            allowances=Allowances(limits or UNLIMITED),
        )
        tls = open_tls(settings) if settings.certificate else None
        self.server = TcpServer(settings, self.station, self.admission, self.batcher, tls=tls)
        self.address = ("", 0)

    @property
    def sessions(self) -> int:
        """How many connections are open."""
        return self.server.statistics()

    def session_of(self, device: int) -> TcpSession:
        """The server's side of an admitted device's connection."""
        return self.server._by_device[device]

    def let_time_pass(self, seconds: float) -> None:
        """Move the clock of the sessions on and ring the timer of each, as their loop would."""
        self._seconds_ahead += seconds
        for session in list(self.server._open):
            session._deadline()

    def let_pass_no_crowd(self, *devices: int) -> None:
        """Let these devices have used up their share of reports that pass a crowd."""
        now = self.station.monotonic()
        for device in devices:
            self.station.allowances.of(device, now).quick.charge(BURST_QUICK, now)

    async def until_sessions(self, count: int) -> None:
        """Wait until so many connections are open."""
        await until(lambda: self.sessions == count)


@asynccontextmanager
async def tcp_gateway(
    store: Store | None = None,
    *,
    batch: BatchSettings | None = None,
    limits: LimitSettings | None = None,
    **settings: Any,
) -> AsyncIterator[TcpGateway]:
    """Run a server on a free port, with these settings of TCP; drained and closed afterwards."""
    values = msgspec.convert({"host": "127.0.0.1", "port": 0, **settings}, TcpSettings)
    batch = batch or BatchSettings(linger_seconds=0)
    gateway = TcpGateway(store or MemoryStore(), batch, values, limits)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(gateway.batcher.run())
        admission = tasks.create_task(gateway.admission.run())
        gateway.address = await gateway.server.start()
        try:
            yield gateway
        finally:
            gateway.server.stop_accepting()
            await gateway.batcher.drain(ANSWER_WITHIN_SECONDS)
            await gateway.server.close_sessions()
            admission.cancel()


async def until(condition: Callable[[], bool]) -> None:
    """Give the loop turns until the condition holds."""
    async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
        while not condition():  # noqa: ASYNC110 -- the conditions are facts of other processes
            await asyncio.sleep(0.002)


def reads(session: TcpSession) -> bool:
    """Whether the session takes bytes from its socket now."""
    return bool(session._transport.is_reading())
