"""How a connection begins, without one."""

import itertools
from typing import Any

import pytest

from gateway.admission import NOT_ADMITTED_RETRY_SECONDS, Admitted
from gateway.failed_proofs import FIRST_HOLD_SECONDS, FailedProofs
from gateway.protocol import limits
from gateway.protocol.errors import GoodbyeReason, RefusalCode
from gateway.protocol.messages import Challenge, Hello, Message, Refusal, Welcome
from gateway.session import Station
from gateway.settings import TcpSettings
from gateway.tcp_greeting import BUSY_RETRY_SECONDS, TcpGreeting
from tests.helpers.builders import NOW, TABLES

HELLO = Hello(limits.PROTOCOL_VERSION, 7, 1, 0, bytes(limits.NONCE_BYTES), b"")


class Greeted:
    """Notes what its greeting does with it."""

    def __init__(self, *, has_place: bool = True) -> None:
        self.done: list[Any] = []
        self.refuse_at: float | None = None
        self._has_place = has_place

    def say(self, message: Message) -> None:
        """Note it."""
        self.done.append(message)

    def close(self, reason: GoodbyeReason, retry_after_seconds: int = 0) -> None:
        """Note it."""
        self.done.append((reason, retry_after_seconds))

    def peer(self) -> str:
        """Anybody."""
        return "192.0.2.1:1"

    def address(self) -> str:
        """Anybody's."""
        return "192.0.2.1"

    def has_place(self, _device_id: int) -> bool:
        """See `TcpServer.has_place`."""
        return self._has_place

    def wait_until(self, refuse_at: float) -> None:
        """Note it."""
        self.refuse_at = refuse_at

    def admit(self, hello: Hello, admitted: Admitted) -> None:
        """Note it."""
        self.done.append((hello.device, admitted.settled_through))


class Admission:
    """Keeps who applied."""

    def __init__(self) -> None:
        self.applicants: list[Any] = []

    def apply(self, applicant: Any) -> None:
        """See `Admission.apply`."""
        self.applicants.append(applicant)

    def withdraw(self, applicant: Any) -> None:
        """See `Admission.withdraw`."""
        self.applicants.remove(applicant)


def greeting(*, has_place: bool = True) -> tuple[TcpGreeting, Greeted, Admission]:
    """A greeting, the connection and the admission."""
    station = Station(
        tables=TABLES,
        offer=lambda _parcel: None,
        refused=lambda _transport, _items: None,
        unix_time=lambda: float(NOW),
        monotonic=itertools.count(0, 0.125).__next__,
        call_soon=lambda _call: None,
    )
    greeted, admission = Greeted(has_place=has_place), Admission()
    made = TcpGreeting(greeted, admission, FailedProofs(), station, TcpSettings())  # type: ignore[arg-type]
    return made, greeted, admission


def test_each_challenge_has_its_own_nonce() -> None:
    """The proof of one connection is worth nothing on another."""
    nonces = set()
    for _ in range(10):
        one, greeted, _ = greeting()
        one.challenge()
        (challenge,) = greeted.done
        assert isinstance(challenge, Challenge)
        nonces.add(challenge.nonce)
    assert len(nonces) == 10


def test_the_proof_is_about_our_nonce_and_theirs() -> None:
    """What admission checks."""
    one, greeted, admission = greeting()
    one.challenge()
    answers: list[Admitted | None] = []
    one.apply(HELLO, lambda _hello, admitted: answers.append(admitted))
    (applicant,) = admission.applicants
    assert applicant.greeting.gateway_nonce == greeted.done[0].nonce
    assert applicant.greeting.device_nonce == HELLO.nonce
    applicant.answer(None)
    assert answers == [None]


def test_no_room() -> None:
    """Refused with the time to come back, when full and when greetings cannot be looked up."""
    full, of_full, _ = greeting()
    full.turn_away()
    one, of_one, admission = greeting()
    one.apply(HELLO, lambda *_: None)
    admission.applicants[0].turned_away()
    proved, of_proved, _ = greeting(has_place=False)
    assert not proved.end(HELLO, Admitted(0, [], bytes(16)))
    for greeted in (of_full, of_one, of_proved):
        refusal, goodbye = greeted.done
        assert (refusal.code, refusal.retry_after_seconds) == (RefusalCode.BUSY, BUSY_RETRY_SECONDS)
        assert goodbye == (GoodbyeReason.NORMAL, BUSY_RETRY_SECONDS)


def test_not_admitted() -> None:
    """Refused, and the end; but not before its time, which begins with the hello."""
    one, greeted, _ = greeting()
    one.apply(HELLO, lambda *_: None)
    one.refuse_if_due(1_000.0)
    assert not one.end(HELLO, None)
    assert one.refuse_at == greeted.refuse_at == FIRST_HOLD_SECONDS
    one.refuse_if_due(FIRST_HOLD_SECONDS - 0.001)
    assert not greeted.done
    one.refuse_if_due(FIRST_HOLD_SECONDS)
    refusal, goodbye = greeted.done
    assert isinstance(refusal, Refusal)
    assert refusal.code is RefusalCode.NOT_ADMITTED
    assert refusal.retry_after_seconds == NOT_ADMITTED_RETRY_SECONDS
    assert goodbye == (GoodbyeReason.NOT_ADMITTED, NOT_ADMITTED_RETRY_SECONDS)


def test_who_has_gone_is_not_looked_up() -> None:
    """Before a hello there is nothing to withdraw."""
    one, _, admission = greeting()
    one.withdraw()
    one.apply(HELLO, lambda *_: None)
    one.withdraw()
    assert not admission.applicants


@pytest.mark.parametrize("through", [0, 41])
def test_welcome(through: int) -> None:
    """The session is open before the welcome, with what is settled and our settings."""
    one, greeted, _ = greeting()
    assert one.end(HELLO, Admitted(through, [], bytes(16)))
    session, welcome = greeted.done
    assert session == (7, through)
    assert isinstance(welcome, Welcome)
    assert (welcome.heartbeat_seconds, welcome.window_reports) == (
        TcpSettings().heartbeat_seconds,
        TcpSettings().window_reports,
    )
