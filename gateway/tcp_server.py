"""Listens for handsets over TCP and knows their sessions: one `asyncio.Protocol` for each
connection (`tcp_session`), no task per frame.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from gateway import observe, observe_tls
from gateway.admission import Admission
from gateway.batcher import Batcher
from gateway.failed_proofs import FailedProofs
from gateway.parcel import Transport
from gateway.protocol.errors import GoodbyeReason
from gateway.session import Station
from gateway.settings import TcpSettings
from gateway.settings_loader import SettingsError
from gateway.strangers import Stranger, Strangers
from gateway.tcp_session import TcpSession
from gateway.tls import Tls
from gateway.tls_link import TlsLink
from gateway.traffic_meter import TrafficMeter
from gateway.turns import Turns

READ_BYTES: Final = 65_536
"""Most bytes taken in one read: four of the largest frames."""

RESTART_RETRY_SECONDS: Final = 5
"""When devices may come back after a shutdown: about as long as a restart takes."""


class TcpServer:
    """Listens, and knows the sessions."""

    def __init__(
        self,
        settings: TcpSettings,
        station: Station,
        admission: Admission,
        batcher: Batcher,
        traffic: TrafficMeter | None = None,
        tls: Tls | None = None,
    ) -> None:
        self.settings = settings
        self._tls = tls
        self.traffic = traffic
        self.station = station
        self.admission = admission
        self.batcher = batcher
        self.read_buffer = memoryview(bytearray(READ_BYTES))
        """Shared by all sessions: each takes its bytes out before the next one reads."""
        self.turns = Turns(station.call_soon, _call_later, batcher.is_hurried)
        batcher.are_turns_crowded = self.turns.are_crowded
        self.failed_proofs = FailedProofs()
        self.strangers = Strangers(settings.max_strangers)
        self._stranger_of: dict[TcpSession, Stranger] = {}
        self._open: set[TcpSession] = set()
        self._by_device: dict[int, TcpSession] = {}
        self._server: asyncio.Server | None = None
        self._is_stopping = False

    async def start(self) -> tuple[str, int]:
        """Begin to listen; returns the address. Raises `OSError` when it is taken."""
        settings = self.settings
        if self._tls is not None:
            observe_tls.certificate_loaded(self._tls.expires_at)
        self._server = await asyncio.get_running_loop().create_server(
            self._accept,
            settings.host,
            settings.port,
            backlog=settings.listen_backlog,
        )
        host, port, *_ = self._server.sockets[0].getsockname()
        return str(host), int(port)

    def _accept(self) -> asyncio.BufferedProtocol:
        session = TcpSession(self)
        if self._tls is None:
            return session
        return TlsLink(session, self._tls, self.settings.tls_handshake_timeout_seconds)

    def reload_certificate(self) -> None:
        """Show new connections the certificate that lies in its file now; those that are open stay
        as they are. One that is of no use is logged and not taken.
        """
        if self._tls is None:
            return
        try:
            self._tls.reload()
        except SettingsError as error:
            observe_tls.certificate_not_reloaded(error)
        else:
            observe_tls.certificate_loaded(self._tls.expires_at)

    def stop_accepting(self) -> None:
        """Close the listener and stop reading; sessions stay open for their acks."""
        self._is_stopping = True
        if self._server is not None:
            self._server.close()
        for session in list(self._open):
            session.stop_reading()

    async def close_sessions(self) -> None:
        """Say goodbye to all, and wait until the transports are closed."""
        for session in list(self._open):
            session.close(GoodbyeReason.SHUTTING_DOWN, RESTART_RETRY_SECONDS)
        while self._open:
            await next(iter(self._open)).closed
        if self._server is not None:
            await self._server.wait_closed()

    def statistics(self) -> int:
        """How many connections are open."""
        return len(self._open)

    @property
    def admitted_sessions(self) -> int:
        """How many devices have a session."""
        return len(self._by_device)

    def opened(self, session: "TcpSession") -> bool:
        """Count a connection, a stranger's; False while we stop."""
        self._open.add(session)
        self._stranger_of[session] = self.strangers.enter(session.address(), session.make_way)
        observe.sessions_open(Transport.TCP, len(self._open))
        return not self._is_stopping

    def has_place(self, device_id: int) -> bool:
        """Whether a session of this device fits; it may take the place of its own older one."""
        return device_id in self._by_device or len(self._by_device) < self.settings.max_sessions

    def refusing(self, session: "TcpSession") -> None:
        """The refusal of this stranger is held back: it goes before all others."""
        self._stranger_of[session].hold()

    def admitted(self, session: "TcpSession", device_id: int) -> None:
        """Register a session for its device; an older one of the same device ends."""
        self._stranger_of.pop(session).leave()
        older = self._by_device.get(device_id)
        self._by_device[device_id] = session
        if older is not None:
            older.close(GoodbyeReason.REPLACED)

    def closed(self, session: "TcpSession", device_id: int | None) -> None:
        """Forget a connection."""
        self._open.discard(session)
        if (stranger := self._stranger_of.pop(session, None)) is not None:
            stranger.leave()
        observe.sessions_open(Transport.TCP, len(self._open))
        if device_id is not None and self._by_device.get(device_id) is session:
            del self._by_device[device_id]


def _call_later(seconds: float, call: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_later(seconds, call)
