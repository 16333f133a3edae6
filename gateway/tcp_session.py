"""One connection of a handset: moves bytes and time between a socket and the pure `Connection`.

Reading stops, and so the handset's sending does, while a frame waits for room or for its turn
(`intake`), while a device has its window of unacked reports under way, while its greeting is looked
up, and while it does not read what we send. So the memory of one session is bounded by one read and
its window.
"""

import asyncio
from functools import partial
from typing import Final, cast

from gateway import observe, observe_door, observe_meter
from gateway.admission import Admitted
from gateway.intake import Intake
from gateway.parcel import Transport
from gateway.protocol.connection import Connection, Event, Timeouts
from gateway.protocol.errors import GoodbyeReason
from gateway.protocol.messages import BadFrame, Hello, Message
from gateway.protocol.state import Role, State
from gateway.session import Session
from gateway.tcp_bugs import costs_only_its_session
from gateway.tcp_greeting import TcpGreeting
from gateway.tcp_host import TcpHost
from gateway.tcp_meter import TcpMeter, open_meter
from gateway.tls_link import TlsLink
from gateway.traffic_meter import Link, TrafficMeter

GIVEN_UP_RETRY_SECONDS: Final = 5
"""When a device may come back whose frame was given up: after a restart of ours, usually."""

CLOSE_WITHIN_SECONDS: Final = 5.0
"""How long a peer may take to read our last words. Then the connection is cut: one that does not
read must not hold up a shutdown."""


class TcpSession(asyncio.BufferedProtocol):
    """Moves bytes and time between a socket and the pure `Connection`, and asks `Session` what to
    do with each message.
    """

    def __init__(self, server: TcpHost) -> None:
        self._server = server
        self._clock = server.station.monotonic
        settings = server.settings
        timeouts = Timeouts(
            greeting_seconds=settings.greeted_within_seconds(),
            idle_seconds=settings.idle_timeout_seconds,
        )
        self._connection = Connection(Role.GATEWAY, self._clock(), timeouts)
        self._greeting: TcpGreeting | None = None
        """None when it is over."""
        self._session: Session | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._reading_is_paused = False
        self._writing_paused_at: float | None = None
        self._intake = Intake(server.batcher, server.turns, self._pump, self._may_jump)
        self._link: Link | None = None
        self._payload_meter: TcpMeter | None = None
        """Of a connection without TLS, which counts itself."""
        self._stopped_reading = False
        self._has_given_up = False
        self._bad_frame: BadFrame | None = None
        self._cut_because: str | None = None
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[None] = self._loop.create_future()

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A handset, or somebody else, has connected."""
        self._transport = cast("asyncio.Transport", transport)
        self._opened_at = self._clock()
        if self._server.traffic is not None:
            self._begin_metering(self._server.traffic)
        server = self._server
        self._greeting = greeting = TcpGreeting(
            self, server.admission, server.failed_proofs, server.station, server.settings
        )
        greeting.challenge()
        if not server.opened(self):
            greeting.turn_away()
        self._flush()
        self._arm_timer()

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Where the loop puts the next bytes."""
        return self._server.read_buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes have come."""
        if self._payload_meter is not None:
            self._payload_meter.received(nbytes)
        self._connection.receive_data(self._server.read_buffer[:nbytes], self._clock())
        self._pump()

    def eof_received(self) -> None:
        """The peer has finished."""
        self._connection.receive_eof()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone. What is under way is stored all the same; the resend is a
        duplicate then.
        """
        if self._timer is not None:
            self._timer.cancel()
        self._connection.receive_eof()
        if self._greeting is not None:
            self._greeting.withdraw()
        self._server.closed(self, self._device_id())
        if self._link is not None:
            goodbye = self._connection.goodbye
            by_peer = goodbye is not None and goodbye.reason == GoodbyeReason.NORMAL
            self._link.end(by_peer=by_peer)
        if self._session is not None:
            self._server.station.left(self._session)
        if not self.closed.done():
            self.closed.set_result(None)
        self._log_end(exc)
        self._let_go()

    def _let_go(self) -> None:
        """What refers to us we refer to: it would stay in memory until a collection of all of it,
        and after a storm of short connections that holds everybody up for a fifth of a second.
        """
        self._greeting = self._session = None
        self._intake.end()

    def pause_writing(self) -> None:
        """The peer does not read: take no more from it that would have to be answered."""
        self._writing_paused_at = self._clock()
        self._update_reading()

    def resume_writing(self) -> None:
        """The peer reads again."""
        self._writing_paused_at = None
        self._pump()

    # Called by the server.

    def stop_reading(self) -> None:
        """Shutting down: take nothing more; acks still go out."""
        self._stopped_reading = True
        self._update_reading()

    @costs_only_its_session
    def close(self, reason: GoodbyeReason, retry_after_seconds: int = 0) -> None:
        """Say goodbye and close."""
        self._connection.close(reason, self._clock(), retry_after_seconds)
        self._flush()

    def make_way(self) -> None:
        """Its place is needed for a newcomer. Without a word, which it might never read."""
        observe_door.stranger_cut()
        self._cut("crowded_out")

    def fail(self, error: Exception) -> None:
        """Cut the connection after a bug of ours: the device resends what it has no ack for."""
        observe.session_failed(Transport.TCP, self._device_id(), self.peer(), error)
        self._cut("failed")

    # From bytes to messages.

    @costs_only_its_session
    def _pump(self) -> None:
        """Take messages out of the connection as long as there is room for what they bring."""
        connection, taken = self._connection, 0
        while not self._is_blocked():
            if self._session is not None and not self._intake.may_take(connection, taken):
                break
            event = connection.next_event()
            if event is None:
                break
            if isinstance(event, BadFrame):
                self._note_bad_frame(event)
            if self._session is not None:
                self._session.handle(event, connection.body, self._resume, self._given_up)
            elif isinstance(event, Hello) and self._greeting is not None:
                self._greeting.apply(event, self._answer)
            taken += 1
        self._update_reading()
        self._flush()

    def _may_jump(self, event: Event) -> bool:
        return self._session is not None and self._session.may_jump(event)

    def _is_blocked(self) -> bool:
        if self._connection.state is State.CLOSED:
            return False
        if self._writing_paused_at is not None or self._stopped_reading:
            return True
        session = self._session
        if session is None:
            return self._connection.state is State.ADMITTING
        return session.unsettled_items >= self._server.settings.window_reports

    def _resume(self) -> None:
        """A frame was settled, so the window may have room again."""
        if self._has_given_up:
            self._end_when_settled()
        elif self._reading_is_paused and not self._intake.waits:
            self._server.station.call_soon(self._pump)

    def _given_up(self) -> None:
        """A frame gets no verdict. The link ends, so that the device sends it again; but first its
        neighbours get theirs, else one that is given up each time would hold them up for ever.
        """
        self._has_given_up = True
        self.stop_reading()
        self._end_when_settled()

    def _end_when_settled(self) -> None:
        if self._session is not None and not self._session.unsettled_items:
            # Behind the acks that this turn still sends.
            self._server.station.call_soon(
                lambda: self.close(GoodbyeReason.SHUTTING_DOWN, GIVEN_UP_RETRY_SECONDS)
            )

    def _update_reading(self) -> None:
        blocked = self._intake.waits or self._is_blocked()
        if blocked == self._reading_is_paused or self._transport.is_closing():
            return
        self._reading_is_paused = blocked
        if blocked:
            self._transport.pause_reading()
        else:
            # The peer could not be heard until now: its silence begins anew.
            self._connection.receive_data(b"", self._clock())
            self._transport.resume_reading()

    def _note_bad_frame(self, bad: BadFrame) -> None:
        """Count each; log the first of a session."""
        observe.bad_frame(Transport.TCP, bad.code)
        if self._bad_frame is None:
            self._bad_frame = bad
            observe.first_bad_frame(self.peer(), self._device_id(), bad)

    # The greeting.

    @costs_only_its_session
    def _answer(self, hello: Hello, admitted: Admitted | None) -> None:
        greeting = self._greeting
        if self._connection.state is not State.ADMITTING or greeting is None:
            return
        if greeting.end(hello, admitted) and self._session is not None:
            self._greeting = None
            self._server.station.arrived(self._session)
            self._arm_timer()
            self._pump()

    def admit(self, hello: Hello, admitted: Admitted) -> None:
        """Open the session of a device; its welcome follows."""
        self._session = Session(
            self._server.station,
            hello.device,
            hello.installation,
            Transport.TCP,
            settled_through=admitted.settled_through,
            send=self._send,
            is_listening=lambda: self._writing_paused_at is None,
            standing=admitted.standing,
            shut_out=lambda: self.close(GoodbyeReason.NOT_ADMITTED),
            end=partial(self.close, GoodbyeReason.TOO_MANY_ERRORS),
        )
        if self._link is not None:
            self._link.belongs_to(hello.device)
            self._link.connected()
        self._server.admitted(self, hello.device)

    def has_place(self, device_id: int) -> bool:
        """Whether a session of this device fits."""
        return self._server.has_place(device_id)

    def wait_until(self, refuse_at: float) -> None:
        """Its refusal is held back until then."""
        self._server.refusing(self)
        self._ring_at(refuse_at)

    def say(self, message: Message) -> None:
        """Send a message with what follows in this turn."""
        self._connection.send(message, self._clock())

    def peer(self) -> str:
        """Its address and port, for the log."""
        address = self._transport.get_extra_info("peername")
        return f"{address[0]}:{address[1]}" if address else "unknown"

    def address(self) -> str:
        """Its address without the port."""
        address = self._transport.get_extra_info("peername")
        return str(address[0]) if address else "unknown"

    # What it carries.

    def _begin_metering(self, traffic: TrafficMeter) -> None:
        meter = open_meter(self._transport)
        self._link = traffic.begin(Transport.TCP, meter)
        if isinstance(self._transport, TlsLink):
            self._transport.count_with(meter)
        else:
            self._payload_meter = meter
        if meter.is_model:
            observe_meter.connection_modelled()

    # From messages to bytes.

    @costs_only_its_session
    def _send(self, messages: list[Message]) -> None:
        if self._connection.state is not State.READY:
            return
        now = self._clock()
        for message in messages:
            self._connection.send(message, now)
        self._flush()

    def _flush(self) -> None:
        if self._transport.is_closing():
            return
        if data := self._connection.data_to_send():
            self._transport.write(data)
            if self._payload_meter is not None:
                self._payload_meter.sent(len(data))
        if self._connection.state is State.CLOSED:
            self._transport.close()
            self._ring_at(self._clock() + CLOSE_WITHIN_SECONDS)

    def _cut(self, because: str) -> None:
        """Close without waiting for what is not sent yet."""
        self._cut_because = because
        self._connection.receive_eof()
        self._transport.abort()

    # Time.

    def _arm_timer(self) -> None:
        deadline = self._connection.next_deadline()
        if deadline is not None:
            # A frame that begins meanwhile brings the deadline forward, but not to before this.
            soonest = self._clock() + self._connection.timeouts.frame_seconds
            self._ring_at(min(deadline, soonest))

    def _ring_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._deadline)

    @costs_only_its_session
    def _deadline(self) -> None:
        """Give up a peer that does not read; ring the connection, unless it is silent only because
        we do not read from it.
        """
        now, idle_seconds = self._clock(), self._connection.timeouts.idle_seconds
        if self._transport.is_closing():
            self._cut("unread")
        elif self._writing_paused_at is not None:
            if now - self._writing_paused_at >= idle_seconds:
                self._cut("unread")
            else:
                self._ring_at(self._writing_paused_at + idle_seconds)
        elif self._reading_is_paused and self._session is not None:
            self._ring_at(now + idle_seconds)
        elif self._greeting is not None and self._greeting.refuse_at is not None:
            self._greeting.refuse_if_due(now)
            if self._connection.state is not State.CLOSED:
                self._ring_at(self._greeting.refuse_at)
        else:
            self._connection.handle_deadline(now)
            self._flush()
            self._arm_timer()

    # For the log.

    def _device_id(self) -> int | None:
        return self._session.device_id if self._session else None

    def _log_end(self, error: Exception | None) -> None:
        observe.session_closed(
            Transport.TCP,
            device_id=self._device_id(),
            peer=self.peer(),
            seconds=self._clock() - self._opened_at,
            counts=self._session.statistics.counts() if self._session else {},
            reason=self._end_reason(),
            error=error,
        )

    def _end_reason(self) -> str:
        """One of a few words: a goodbye's reason, or how it ended without one."""
        goodbye = self._connection.goodbye
        if self._cut_because is not None or goodbye is None:
            return self._cut_because or "cut"
        try:
            return GoodbyeReason(goodbye.reason).name.lower()
        except ValueError:
            return "unknown"
