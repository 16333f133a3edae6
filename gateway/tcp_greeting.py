"""How a connection of a handset begins: challenge, hello, and welcome or refusal."""

import os
from collections.abc import Callable
from typing import Final, Protocol

from gateway import observe
from gateway.admission import (
    NOT_ADMITTED_RETRY_SECONDS,
    Admission,
    Admitted,
    Applicant,
)
from gateway.failed_proofs import FailedProofs
from gateway.parcel import Transport
from gateway.protocol import limits
from gateway.protocol.errors import GoodbyeReason, RefusalCode, Resend
from gateway.protocol.messages import Challenge, Hello, Message, Refusal
from gateway.protocol.proof import Greeting
from gateway.session import Station
from gateway.settings import TcpSettings
from gateway.strangers import neighbourhood

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
        """Its address and port, for the log."""
        ...

    def address(self) -> str:
        """Its address without the port."""
        ...

    def has_place(self, device_id: int) -> bool:
        """Whether a session of this device fits."""
        ...

    def wait_until(self, refuse_at: float) -> None:
        """Call `refuse_if_due` at that time of the station's clock."""
        ...

    def admit(self, hello: Hello, admitted: Admitted) -> None:
        """Open the session of a device; its welcome follows."""
        ...


class TcpGreeting:
    """The greeting of one connection."""

    def __init__(
        self,
        greeted: Greeted,
        admission: Admission,
        failed_proofs: FailedProofs,
        station: Station,
        settings: TcpSettings,
    ) -> None:
        self.refuse_at: float | None = None
        """When the refusal goes out that is held back, if there is one."""
        self._greeted = greeted
        self._admission = admission
        self._failed_proofs = failed_proofs
        self._station = station
        self._settings = settings
        self._nonce = os.urandom(limits.NONCE_BYTES)
        self._applicant: Applicant | None = None
        self._applied_at = 0.0

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
        self._applied_at = self._station.monotonic()
        self._applicant = Applicant(
            Greeting(self._nonce, hello.nonce, hello.device, hello.installation),
            hello.settled_through,
            hello.proof,
            lambda admitted: answer(hello, admitted),
            self.turn_away,
            neighbourhood(self._greeted.address()),
        )
        self._admission.apply(self._applicant)

    def withdraw(self) -> None:
        """The connection is gone: nobody waits for the answer."""
        if self._applicant is not None:
            self._admission.withdraw(self._applicant)
            self._applicant = None

    def end(self, hello: Hello, admitted: Admitted | None) -> bool:
        """Welcome the device, or refuse it, now or later; whether it was welcomed."""
        greeted, settings = self._greeted, self._settings
        self._applicant = None
        if admitted is None:
            self._hold_refusal(hello.device)
            return False
        if not greeted.has_place(hello.device):
            self.turn_away()
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

    def refuse_if_due(self, now: float) -> None:
        """Send the refusal that was held back until now."""
        if self.refuse_at is None or now < self.refuse_at:
            return
        retry_after = NOT_ADMITTED_RETRY_SECONDS
        self._greeted.say(
            Refusal(RefusalCode.NOT_ADMITTED, Resend.LATER, retry_after_seconds=retry_after)
        )
        self._greeted.close(GoodbyeReason.NOT_ADMITTED, retry_after)

    def _hold_refusal(self, device: int) -> None:
        """From the hello on, not from the answer: how long we took to know must not show."""
        address = neighbourhood(self._greeted.address())
        now = self._station.monotonic()
        hold_seconds = self._failed_proofs.hold_seconds(address, device, now)
        observe.not_admitted(Transport.TCP, device, self._greeted.peer(), hold_seconds)
        self.refuse_at = self._applied_at + hold_seconds
        self._greeted.wait_until(self.refuse_at)
