"""Admits devices in turn: greetings wait in a bounded queue and are looked up many at a time.

After an outage a thousand handsets greet within a second; one query answers hundreds of them, and
those for whom there is no room are told to come back later.

Addresses take turns (over MQTT devices do, because the broker has established who they are): one
that floods the queue waits behind itself, and when the queue is full its own greetings are turned
away. That is all an address decides: whether to admit is decided by registration and proof alone.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from gateway import observe
from gateway.crowd import Crowd
from gateway.devices import Registration
from gateway.protocol import limits
from gateway.protocol.messages import Welcome
from gateway.protocol.proof import Greeting, Keys, gateway_proof, verify_device_proof
from gateway.retry import back_off
from gateway.store_errors import StoreUnavailableError

MAX_WAITING: Final = 8_192
"""Greetings that may wait: some 5 MB. For one more, the longest waiting of those who have the most
is turned away."""

MAX_LOOKUP: Final = 256
"""Greetings answered with one query."""

NOT_ADMITTED_RETRY_SECONDS: Final = 60
"""When a device that is not admitted may try again: the longest back-off of the protocol."""


class Registry(Protocol):
    """Where devices are registered."""

    async def lookup(
        self, greetings: Iterable[tuple[int, int, int]]
    ) -> Mapping[tuple[int, int], Registration]:
        """Registrations by (device, installation) for (device, installation, settled_through)."""
        ...


@dataclass(frozen=True, slots=True)
class Admitted:
    """A device that is who it says."""

    settled_through: int
    refused: list[tuple[int, int]]
    """Sequence number and refusal code of what is in quarantine above the greeting's number."""
    gateway_proof: bytes
    standing: int = 0
    """Of the device when it was looked up: the session ends when it has another."""

    def welcome(
        self,
        now: int,
        edition: int,
        *,
        heartbeat_seconds: int = limits.HEARTBEAT_SECONDS,
        window_reports: int = limits.WINDOW_REPORTS,
    ) -> Welcome:
        """The answer to its greeting. `now` is Unix time in seconds."""
        return Welcome(
            version=limits.PROTOCOL_VERSION,
            proof=self.gateway_proof,
            server_time=now,
            settled_through=self.settled_through,
            heartbeat_seconds=heartbeat_seconds,
            window_reports=window_reports,
            edition=edition,
            refused=self.refused,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Applicant:
    """A greeting that waits for its answer: one of two calls, once, on the event loop."""

    greeting: Greeting
    settled_through: int
    proof: bytes | None
    """None where the transport has already established who it is."""
    answer: Callable[[Admitted | None], None]
    """None means not admitted."""
    turned_away: Callable[[], None]
    """There is no room: come back later."""
    shares_turns_with: str = ""
    """The address it comes from; empty: its device alone."""

    @property
    def turns(self) -> str | int:
        """All greetings that have one turn between them."""
        return self.shares_turns_with or self.greeting.device


class Admission:
    """The queue and the task that empties it."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._waiting: Crowd[str | int, Applicant] = Crowd()
        self._somebody_waits = asyncio.Event()

    def apply(self, applicant: Applicant) -> None:
        """Queue a greeting. If there is no room, somebody's `turned_away` is called first."""
        if len(self._waiting) >= MAX_WAITING:
            self._turn_away(self._waiting.take_from_largest())
        self._waiting.add(applicant.turns, applicant)
        self._somebody_waits.set()

    def withdraw(self, applicant: Applicant) -> None:
        """Its connection is gone: do not look it up. Harmless when it does not wait any more."""
        with contextlib.suppress(KeyError):
            self._waiting.remove(applicant.turns, applicant)

    def statistics(self) -> int:
        """How many greetings wait."""
        return len(self._waiting)

    async def run(self) -> None:
        """Answer greetings until cancelled. While the database is away they wait."""
        while True:
            await self._somebody_waits.wait()
            applicants = [
                self._waiting.take_next() for _ in range(min(len(self._waiting), MAX_LOOKUP))
            ]
            if not self._waiting:
                self._somebody_waits.clear()
            if not applicants:
                continue
            registrations = await self._look_up_all(applicants)
            for applicant in applicants:
                self._answer(applicant, registrations)

    async def _look_up_all(
        self, applicants: list[Applicant]
    ) -> Mapping[tuple[int, int], Registration]:
        """Look up together, or one by one where a bug of ours is in the way: it must cost only the
        greeting that meets it, which is not admitted.
        """
        try:
            return await self._look_up(applicants)
        except Exception as error:  # noqa: BLE001 - see above
            if len(applicants) == 1:
                observe.greeting_failed(error)
                return {}
        found: dict[tuple[int, int], Registration] = {}
        for applicant in applicants:
            found.update(await self._look_up_all([applicant]))
        return found

    @staticmethod
    def _turn_away(applicant: Applicant) -> None:
        try:
            applicant.turned_away()
        except Exception as error:  # noqa: BLE001 - one device's bug must not shut out the others
            observe.greeting_failed(error)

    def _answer(
        self, applicant: Applicant, registrations: Mapping[tuple[int, int], Registration]
    ) -> None:
        key = (applicant.greeting.device, applicant.greeting.installation)
        try:
            applicant.answer(decide(applicant, registrations.get(key)))
        except Exception as error:  # noqa: BLE001 - one device's bug must not shut out the others
            observe.greeting_failed(error)

    async def _look_up(self, applicants: list[Applicant]) -> Mapping[tuple[int, int], Registration]:
        wanted: dict[tuple[int, int], int] = {}
        for applicant in applicants:
            key = (applicant.greeting.device, applicant.greeting.installation)
            known = wanted.get(key, applicant.settled_through)
            wanted[key] = min(known, applicant.settled_through)
        for delay_seconds in back_off():
            try:
                return await self._registry.lookup(
                    [(*key, settled_through) for key, settled_through in wanted.items()]
                )
            except StoreUnavailableError as error:
                observe.admission_waits(error, len(applicants), delay_seconds)
                await asyncio.sleep(delay_seconds)
        raise AssertionError("back_off never ends")


_NOBODY: Final = Registration(
    os.urandom(limits.PROOF_BYTES), os.urandom(limits.PROOF_BYTES), True, 0, ()
)
"""Stands for an unknown device, so that its proof costs what a known one's does. Keys at random:
that a proof fits is as unlikely as with any device, and nobody is admitted even then."""


def decide(applicant: Applicant, registration: Registration | None) -> Admitted | None:
    """Whether to admit. An unknown device, a revoked one and a wrong proof look the same, and take
    the same time: each costs the check of one proof.
    """
    known = registration or _NOBODY
    keys = Keys(known.stored_key, known.gateway_key)
    greeting, proof = applicant.greeting, applicant.proof
    is_proved = proof is None or verify_device_proof(keys, greeting, proof)
    if known.revoked or not is_proved:
        return None
    return Admitted(
        known.settled_through, list(known.refused), gateway_proof(keys, greeting), known.standing
    )
