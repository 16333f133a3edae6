"""Admits devices in turn: greetings wait in a bounded queue and are looked up many at a time.

After an outage a thousand handsets greet within a second; one query answers hundreds of them, and
those for whom there is no room are told to come back later.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from gateway import observe
from gateway.devices import Registration
from gateway.protocol import limits
from gateway.protocol.messages import Welcome
from gateway.protocol.proof import Greeting, Keys, gateway_proof, verify_device_proof
from gateway.retry import back_off
from gateway.store_errors import StoreUnavailableError

MAX_WAITING: Final = 8_192
"""Greetings that may wait: some 4 MB. More are refused with BUSY."""

MAX_LOOKUP: Final = 256
"""Greetings answered with one query."""


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


@dataclass(frozen=True, slots=True)
class Applicant:
    """A greeting that waits for its answer."""

    greeting: Greeting
    settled_through: int
    proof: bytes | None
    """None where the transport has already established who it is."""
    answer: Callable[[Admitted | None], None]
    """Called once on the event loop; None means not admitted."""


class Admission:
    """The queue and the task that empties it."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._waiting: asyncio.Queue[Applicant] = asyncio.Queue(MAX_WAITING)

    def apply(self, applicant: Applicant) -> bool:
        """Queue a greeting. False: no room, and `answer` will not be called."""
        try:
            self._waiting.put_nowait(applicant)
        except asyncio.QueueFull:
            return False
        return True

    def statistics(self) -> int:
        """How many greetings wait."""
        return self._waiting.qsize()

    async def run(self) -> None:
        """Answer greetings until cancelled. While the database is away they wait."""
        while True:
            applicants = [await self._waiting.get()]
            while len(applicants) < MAX_LOOKUP and not self._waiting.empty():
                applicants.append(self._waiting.get_nowait())
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


def decide(applicant: Applicant, registration: Registration | None) -> Admitted | None:
    """Whether to admit. An unknown device, a revoked one and a wrong proof look the same."""
    if registration is None or registration.revoked:
        return None
    keys = Keys(registration.stored_key, registration.gateway_key)
    greeting = applicant.greeting
    if applicant.proof is not None and not verify_device_proof(keys, greeting, applicant.proof):
        return None
    return Admitted(
        registration.settled_through,
        list(registration.refused),
        gateway_proof(keys, greeting),
        registration.standing,
    )
