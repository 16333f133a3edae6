"""How a connection of a handset begins: challenge, hello, and welcome or refusal."""

import os
from collections.abc import Callable
from typing import Final, Protocol

from gateway import observe
from gateway.admission import Admission, Admitted, Applicant
from gateway.parcel import Transport
from gateway.protocol import limits
from gateway.protocol.errors import GoodbyeReason, RefusalCode, Resend
from gateway.protocol.messages import Challenge, Hello, Message, Refusal
from gateway.protocol.proof import Greeting
from gateway.session import Station
from gateway.settings import TcpSettings

BUSY_RETRY_SECONDS: Final = 30
"""When a device that found no room may come back; it adds jitter of its own."""


class Greeted(Protocol):
    """The connection, as its greeting sees it."""

    def say(self, message: Message) -> None:
        """Send a message with what follows in this turn."""
        ...

    def close(self, reason: GoodbyeReason, retry_after_seconds: int = 0) -> None:
        """Say goodbye and close."""
        ...

    def peer(self) -> str:
        """Its address, for the log."""
        ...

    def admit(self, hello: Hello, admitted: Admitted) -> None:
        """Open the session of a device; its welcome follows."""
        ...


class TcpGreeting:
    """The greeting of one connection."""

    def __init__(
        self, greeted: Greeted, admission: Admission, station: Station, settings: TcpSettings
    ) -> None:
        self._greeted = greeted
        self._admission = admission
        self._station = station
        self._settings = settings
        self._nonce = os.urandom(limits.NONCE_BYTES)

    def challenge(self) -> None:
        """The gateway speaks first."""
        self._greeted.say(Challenge(limits.PROTOCOL_VERSION, self._nonce))

    def turn_away(self) -> None:
        """There is no room: come back later."""
        observe.turned_away(Transport.TCP)
        self._greeted.say(
            Refusal(RefusalCode.BUSY, Resend.LATER, retry_after_seconds=BUSY_RETRY_SECONDS)
        )
        self._greeted.close(GoodbyeReason.NORMAL, BUSY_RETRY_SECONDS)

    def apply(self, hello: Hello, answer: Callable[[Hello, Admitted | None], None]) -> None:
        """Have the device looked up. `answer` is called with the result, to be given to `end`."""
        applicant = Applicant(
            Greeting(self._nonce, hello.nonce, hello.device, hello.installation),
            hello.settled_through,
            hello.proof,
            lambda admitted: answer(hello, admitted),
        )
        if not self._admission.apply(applicant):
            self.turn_away()

    def end(self, hello: Hello, admitted: Admitted | None) -> bool:
        """Welcome the device, or refuse it; whether it was welcomed."""
        greeted, settings = self._greeted, self._settings
        if admitted is None:
            observe.not_admitted(Transport.TCP, hello.device, greeted.peer())
            greeted.say(Refusal(RefusalCode.NOT_ADMITTED, Resend.LATER))
            greeted.close(GoodbyeReason.NOT_ADMITTED)
            return False
        greeted.admit(hello, admitted)
        welcome = admitted.welcome(
            int(self._station.unix_time()),
            self._station.tables.current,
            heartbeat_seconds=settings.heartbeat_seconds,
            window_reports=settings.window_reports,
        )
        greeted.say(welcome)
        observe.session_opened(Transport.TCP, hello.device, greeted.peer())
        return True
