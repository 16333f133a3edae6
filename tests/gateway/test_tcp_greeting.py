"""How a connection begins, without one."""

from typing import Any

import pytest

from gateway.admission import Admitted
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

    def __init__(self) -> None:
        self.done: list[Any] = []

    def say(self, message: Message) -> None:
        """Note it."""
        self.done.append(message)

    def close(self, reason: GoodbyeReason, retry_after_seconds: int = 0) -> None:
        """Note it."""
        self.done.append((reason, retry_after_seconds))

    def peer(self) -> str:
        """Anybody."""
        return "192.0.2.1:1"

    def admit(self, hello: Hello, admitted: Admitted) -> None:
        """Note it."""
        self.done.append((hello.device, admitted.settled_through))


class Admission:
    """Has room or not; keeps who applied."""

    def __init__(self, *, has_room: bool = True) -> None:
        self.applicants: list[Any] = []
        self._has_room = has_room

    def apply(self, applicant: Any) -> bool:
        """See `Admission.apply`."""
        self.applicants.append(applicant)
        return self._has_room


def greeting(*, has_room: bool = True) -> tuple[TcpGreeting, Greeted, Admission]:
    """A greeting, the connection and the admission."""
    station = Station(
        tables=TABLES,
        offer=lambda _parcel: None,
        refused=lambda _transport, _items: None,
        unix_time=lambda: float(NOW),
        monotonic=lambda: 0.0,
        call_soon=lambda _call: None,
    )
    greeted, admission = Greeted(), Admission(has_room=has_room)
    made = TcpGreeting(greeted, admission, station, TcpSettings())  # type: ignore[arg-type]
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
    one, of_one, _ = greeting(has_room=False)
    one.apply(HELLO, lambda *_: None)
    for greeted in (of_full, of_one):
        refusal, goodbye = greeted.done
        assert (refusal.code, refusal.retry_after_seconds) == (RefusalCode.BUSY, BUSY_RETRY_SECONDS)
        assert goodbye == (GoodbyeReason.NORMAL, BUSY_RETRY_SECONDS)


def test_not_admitted() -> None:
    """Refused, and the end."""
    one, greeted, _ = greeting()
    assert not one.end(HELLO, None)
    refusal, goodbye = greeted.done
    assert isinstance(refusal, Refusal)
    assert refusal.code is RefusalCode.NOT_ADMITTED
    assert goodbye == (GoodbyeReason.NOT_ADMITTED, 0)


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
