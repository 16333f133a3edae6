"""One session of one handset over one link: what TCP and MQTT have in common.

Two tasks: one reads and applies, one writes and keeps time. Each ends the session by saying how it
ends; nothing is raised between them.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import Enum, unique

import trio

from device_sim.courier import Courier, NotAdmittedError, Outgoing, UntrustedGatewayError
from device_sim.faults import Fault
from device_sim.streams import Link
from gateway.protocol.messages import Message


@unique
class Ending(Enum):
    """How a session ended."""

    FINISHED = "finished"
    """Everything is settled."""
    RENEWED = "renewed"
    """The handset has begun a new installation and has to greet anew."""
    CUT = "cut"
    """A fault of ours: the link broke."""
    HALF_OPEN = "half-open"
    """A fault of ours: the connection is forgotten and stays open."""
    LOST = "lost"
    """The gateway, the broker or the network ended it."""


class Session(ABC):
    """Drives one session. A subclass knows the transport's packets.

    Args:
        link: the open connection; the caller closes it afterwards.
        courier: of the handset.
    """

    def __init__(self, link: Link, courier: Courier) -> None:
        self.courier = courier
        self.ending: Ending | None = None
        self.retry_after_seconds = 0
        """The least pause before the next session, as the peer asked."""
        self._installation = courier.handset.installation
        self._link = link
        self._out = bytearray()
        self._is_deaf = False
        self._failure: NotAdmittedError | UntrustedGatewayError | None = None

    async def run(self, welcomed: Callable[[], None]) -> Ending:
        """Greet, send and receive until the session ends. `welcomed` is called once, if ever.

        Raises:
            NotAdmittedError: the handset is not wanted here.
            UntrustedGatewayError: the gateway does not know this device.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._link.run)
            nursery.start_soon(self._read)
            await self._write(welcomed)
            nursery.cancel_scope.cancel()
        if self._failure is not None:
            raise self._failure
        return self.ending or Ending.LOST

    def end(self, ending: Ending, retry_after_seconds: int = 0) -> None:
        """Let the session end; the first reason counts."""
        if self.ending is None:
            self.ending = ending
            self.retry_after_seconds = retry_after_seconds
        self.courier.wake.set()

    # What the transport knows.

    @abstractmethod
    def _open(self, now: float) -> bytes:
        """What to send first."""

    @abstractmethod
    def _receive(self, data: bytes, now: float) -> None:
        """Take what arrived; queue what has to be answered."""

    @abstractmethod
    def _pack(self, message: Message, now: float) -> bytes:
        """A message as bytes on this transport."""

    @abstractmethod
    def _keep_time(self, now: float) -> None:
        """Do what is due: a heartbeat, or the end of the session."""

    @abstractmethod
    def _next_deadline(self) -> float:
        """When to keep time again."""

    @abstractmethod
    def _farewell(self, now: float) -> bytes:
        """What to send last."""

    def _has_room(self) -> bool:
        """Whether the transport takes one more message."""
        return True

    # The two tasks.

    async def _read(self) -> None:
        try:
            while self.ending is None:
                data = await self._link.receive_some()
                if not data:
                    self.end(Ending.LOST)
                elif self._is_deaf:
                    self.end(Ending.CUT)
                else:
                    self._receive(data, trio.current_time())
                    self.courier.wake.set()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.end(Ending.LOST)
        except (NotAdmittedError, UntrustedGatewayError) as error:
            self._failure = error
            self.end(Ending.LOST)

    async def _write(self, welcomed: Callable[[], None]) -> None:
        try:
            self._out += self._open(trio.current_time())
            was_welcome = False
            while self.ending is None:
                self._keep_time(trio.current_time())
                if self.courier.is_welcome and not was_welcome:
                    was_welcome = True
                    welcomed()
                self._work(trio.current_time())
                if self._out:
                    await self._send_out()
                elif self.ending is None:
                    await self._wait()
            if self._failure is not None and self._out:
                await self._send_out()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.end(Ending.LOST)

    async def _send_out(self) -> None:
        data = bytes(self._out)
        self._out.clear()
        await self._link.send_all(data)

    async def _wait(self) -> None:
        """Until there is something to do."""
        deadline, retry_at = self._next_deadline(), self.courier.retry_at
        if retry_at is not None and self._may_send:
            deadline = min(deadline, retry_at)
        with trio.move_on_at(deadline):
            await self.courier.wake.wait()

    def _work(self, now: float) -> None:
        """Send what may go, or end the session when its time has come."""
        courier = self.courier
        if courier.handset.installation != self._installation:
            self._out += self._farewell(now)
            self.end(Ending.RENEWED)
        elif not courier.is_welcome:
            return
        elif courier.outage_seconds:
            self.end(Ending.CUT)
        elif courier.is_finished:
            self._out += self._farewell(now)
            self.end(Ending.FINISHED)
        while self.ending is None and self._may_send:
            outgoing = courier.next_outgoing(now)
            if outgoing is None:
                return
            self._put(outgoing, now)

    @property
    def _may_send(self) -> bool:
        """Whether a message could go now; what changes that wakes us."""
        return self.courier.is_welcome and not self._is_deaf and self._has_room()

    def _put(self, outgoing: Outgoing, now: float) -> None:
        """Queue the bytes of a message, with what happens to them."""
        frame = self._pack(outgoing.message, now)
        if outgoing.fault is Fault.CUT:
            self._out += frame[: len(frame) // 2]
            self.end(Ending.CUT)
            return
        self._out += frame
        if outgoing.repeated is not None:
            self._out += self._pack(outgoing.repeated, now)
        if outgoing.fault is Fault.LOST_ACK:
            self._is_deaf = True
        elif outgoing.fault is Fault.HALF_OPEN:
            self.end(Ending.HALF_OPEN)
