"""A handset's session over TCP: `Connection` in the role of the device, driven by trio."""

import math
from dataclasses import replace

import trio

from device_sim.courier import Courier, UntrustedGatewayError
from device_sim.session import Ending, Session
from device_sim.streams import Link
from gateway.protocol.connection import Connection, Event
from gateway.protocol.errors import GoodbyeReason
from gateway.protocol.messages import Challenge, Goodbye, Message, Ping, Pong, Welcome
from gateway.protocol.state import Role, State


class TcpSession(Session):
    """Moves bytes and time between the link and the connection's state machine."""

    def __init__(self, link: Link, courier: Courier) -> None:
        super().__init__(link, courier)
        self._connection = Connection(Role.DEVICE, trio.current_time())

    def _open(self, now: float) -> bytes:
        del now  # the gateway speaks first
        return b""

    def _receive(self, data: bytes, now: float) -> None:
        connection = self._connection
        connection.receive_data(data, now)
        while event := connection.next_event():
            if isinstance(event, Challenge):
                connection.send(self.courier.hello(event.nonce), now)
            elif isinstance(event, Ping):
                connection.send(Pong(), now)
            elif isinstance(event, Goodbye):
                self.end(Ending.LOST, event.retry_after_seconds)
            else:
                self._answered(event, now)
        self._collect()

    def _answered(self, event: Event, now: float) -> None:
        connection = self._connection
        try:
            self.courier.receive(event, now)
        except UntrustedGatewayError:
            connection.close(GoodbyeReason.PROTOCOL_ERROR, now)
            self._out += connection.data_to_send()
            raise
        if isinstance(event, Welcome):
            connection.timeouts = replace(
                connection.timeouts, heartbeat_seconds=event.heartbeat_seconds
            )

    def _pack(self, message: Message, now: float) -> bytes:
        self._collect()
        self._connection.send(message, now)
        return self._connection.data_to_send()

    def _keep_time(self, now: float) -> None:
        self._connection.handle_deadline(now)
        self._collect()

    def _next_deadline(self) -> float:
        deadline = self._connection.next_deadline()
        return math.inf if deadline is None else deadline

    def _farewell(self, now: float) -> bytes:
        self._connection.close(GoodbyeReason.NORMAL, now)
        return self._connection.data_to_send()

    def _collect(self) -> None:
        """Take what the connection wants to send, and see whether it has closed itself."""
        self._out += self._connection.data_to_send()
        if self._connection.state is State.CLOSED:
            self.end(Ending.LOST)
