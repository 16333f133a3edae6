"""Greetings in turn: who is admitted, and what happens while the database is away."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from gateway.admission import MAX_LOOKUP, Admission, Admitted, Applicant, decide
from gateway.devices import Registration
from gateway.protocol.errors import RefusalCode
from gateway.protocol.proof import Greeting, derive_keys, device_proof, verify_gateway_proof
from tests.helpers.device_client import secret_of
from tests.helpers.metrics import grown
from tests.helpers.tcp_gateway import MemoryRegistry, until

KEYS = derive_keys(secret_of(1))
GREETING = Greeting(bytes(range(12)), bytes(12), 1, 7)
PROOF = device_proof(secret_of(1), GREETING)
REGISTERED = Registration(KEYS.stored_key, KEYS.gateway_key, False, 9, ((8, RefusalCode.BAD_TEXT),))


def applicant(proof: bytes | None = PROOF, greeting: Greeting = GREETING) -> Applicant:
    """A greeting whose answer nobody waits for."""
    return Applicant(greeting, 0, proof, lambda _admitted: None, lambda: None)


def test_a_registered_device_with_the_right_proof() -> None:
    """It is admitted with what it must know, and with the gateway's own proof."""
    admitted = decide(applicant(), REGISTERED)
    assert admitted is not None
    assert (admitted.settled_through, admitted.refused) == (9, [(8, RefusalCode.BAD_TEXT)])
    assert verify_gateway_proof(secret_of(1), GREETING, admitted.gateway_proof)


def test_a_device_that_the_broker_vouches_for() -> None:
    """Over MQTT there is no proof to check."""
    assert decide(applicant(None), REGISTERED) is not None


@pytest.mark.parametrize("proof", [PROOF, None])
def test_a_revoked_device(proof: bytes | None) -> None:
    """Whatever it can prove, it is not admitted."""
    revoked = Registration(KEYS.stored_key, KEYS.gateway_key, True, 9, ())
    assert decide(applicant(proof), revoked) is None


@pytest.mark.parametrize("proof", [PROOF, None])
def test_an_unknown_device(proof: bytes | None) -> None:
    """Nobody has registered it."""
    assert decide(applicant(proof), None) is None


@pytest.mark.parametrize("proof", [b"", PROOF[:-1], bytes(16), PROOF[::-1]])
def test_a_wrong_proof(proof: bytes) -> None:
    """The number alone admits nobody."""
    assert decide(applicant(proof), REGISTERED) is None


class Waiting:
    """Devices that greet over MQTT, and the answers they got."""

    def __init__(self, admission: Admission) -> None:
        self.answers: dict[tuple[int, int], Admitted | None] = {}
        self.turned_away: list[int] = []
        self._admission = admission

    def greet(
        self, device: int, installation: int = 1, settled_through: int = 0, address: str = ""
    ) -> Applicant:
        """Queue a greeting."""
        applicant = Applicant(
            Greeting(b"", bytes(12), device, installation),
            settled_through,
            None,
            lambda admitted: self.answers.update({(device, installation): admitted}),
            lambda: self.turned_away.append(device),
            address,
        )
        self._admission.apply(applicant)
        return applicant


@asynccontextmanager
async def running(registry: MemoryRegistry) -> AsyncIterator[Waiting]:
    """Admit until the block ends."""
    admission = Admission(registry)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(admission.run())
        yield Waiting(admission)
        task.cancel()


@pytest.mark.asyncio
async def test_many_greetings_are_one_query() -> None:
    """Those that wait are looked up together, up to a bound, and in order."""
    registry = MemoryRegistry()
    async with running(registry) as waiting:
        for device in range(1, MAX_LOOKUP + 45):
            waiting.greet(device)
        await until(lambda: len(waiting.answers) == MAX_LOOKUP + 44)
    assert [len(asked) for asked in registry.lookups] == [MAX_LOOKUP, 44]
    assert all(waiting.answers.values())


@pytest.mark.asyncio
async def test_a_device_that_greets_twice_at_once() -> None:
    """It is asked for once, by the lowest number that it claims; both greetings are answered."""
    registry = MemoryRegistry()
    async with running(registry) as waiting:
        for settled_through in (7, 3, 5):
            waiting.greet(4, settled_through=settled_through)
        waiting.greet(4, installation=2, settled_through=9)
        await until(lambda: len(waiting.answers) == 2)
    assert registry.lookups == [[(4, 1, 3), (4, 2, 9)]]


@pytest.mark.asyncio
async def test_greetings_wait_for_the_database() -> None:
    """Nobody is refused because it is away; the waiting is logged, not each greeting."""
    registry = MemoryRegistry()
    registry.is_away = True
    with capture_logs() as logs:
        async with running(registry) as waiting:
            waiting.greet(1)
            waiting.greet(2)
            await until(lambda: len(registry.lookups) >= 2)
            assert not waiting.answers
            registry.is_away = False
            await until(lambda: len(waiting.answers) == 2)
    lines = [line for line in logs if line["event"] == "admission_waits"]
    assert {line["greetings"] for line in lines} == {2}


@pytest.mark.asyncio
async def test_a_full_queue_turns_away_who_has_the_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that floods it loses its own; those turned away are not answered otherwise."""
    monkeypatch.setattr("gateway.admission.MAX_WAITING", 3)
    async with running(MemoryRegistry()) as waiting:
        for device in (1, 2, 3):
            waiting.greet(device, address="192.0.2.1")
        assert not waiting.turned_away
        waiting.greet(4, address="198.51.100.1")
        waiting.greet(5)
        assert waiting.turned_away == [1, 2]
        await until(lambda: len(waiting.answers) == 3)
    assert sorted(device for device, _ in waiting.answers) == [3, 4, 5]


@pytest.mark.asyncio
async def test_addresses_take_turns() -> None:
    """Behind a flood from one address the greeting from another is in the very next query."""
    registry = MemoryRegistry()
    registry.go_on.clear()
    async with running(registry) as waiting:
        for device in range(1, 2 * MAX_LOOKUP + 1):
            waiting.greet(device, address="192.0.2.1")
        await until(lambda: len(registry.lookups) == 1)
        waiting.greet(900, address="198.51.100.1")
        waiting.greet(901)
        waiting.greet(902, address="192.0.2.1")
        registry.go_on.set()
        await until(lambda: len(waiting.answers) == 2 * MAX_LOOKUP + 3)
    assert {900, 901} <= {device for device, _, _ in registry.lookups[1]}
    assert 902 not in {device for device, _, _ in registry.lookups[1]}


@pytest.mark.asyncio
async def test_who_has_gone_is_not_looked_up() -> None:
    """Somebody who greets and leaves again and again costs the database nothing."""
    registry = MemoryRegistry()
    async with running(registry) as waiting:
        applicant = waiting.greet(1)
        waiting._admission.withdraw(applicant)
        waiting._admission.withdraw(applicant)
        waiting.greet(2)
        await until(lambda: bool(waiting.answers))
    assert registry.lookups == [[(2, 1, 0)]]


@pytest.mark.asyncio
async def test_a_bug_in_turning_away_costs_one_greeting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that takes its place is admitted."""
    monkeypatch.setattr("gateway.admission.MAX_WAITING", 1)
    failures = grown("gateway_greeting_failures_total")

    def raise_() -> None:
        raise ZeroDivisionError("a bug of this test")

    async with running(MemoryRegistry()) as waiting:
        greeting = Greeting(b"", bytes(12), 1, 1)
        waiting._admission.apply(Applicant(greeting, 0, None, lambda _admitted: None, raise_))
        waiting.greet(2)
        await until(lambda: bool(waiting.answers))
    assert failures() == 1


@pytest.mark.parametrize("device", ["registered", "revoked", "unknown"])
def test_every_refusal_costs_one_check(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """So the time that a refusal takes does not tell which devices there are. The check ends in a
    comparison that takes the same time wherever the difference is.
    """
    compared: list[int] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append(len(one))
        return one == other

    monkeypatch.setattr("gateway.protocol.proof.hmac.compare_digest", compare)
    revoked = Registration(KEYS.stored_key, KEYS.gateway_key, True, 9, ())
    known = {"registered": REGISTERED, "revoked": revoked, "unknown": None}
    assert decide(applicant(bytes(16)), known[device]) is None
    assert compared == [16]


class PoisonedRegistry(MemoryRegistry):
    """Fails for device 13, as a bug of ours would."""

    async def lookup(
        self, greetings: Iterable[tuple[int, int, int]]
    ) -> Mapping[tuple[int, int], Registration]:
        """See `MemoryRegistry.lookup`."""
        asked = list(greetings)
        if any(device == 13 for device, _, _ in asked):
            raise LookupError("a bug of this test")
        return await super().lookup(asked)


@pytest.mark.asyncio
async def test_a_bug_in_the_look_up_costs_one_greeting() -> None:
    """The greeting that meets it is not admitted, visibly; its neighbours are."""
    failures = grown("gateway_greeting_failures_total")
    async with running(PoisonedRegistry()) as waiting:
        for device in (12, 13, 14):
            waiting.greet(device)
        await until(lambda: len(waiting.answers) == 3)
    admitted = {device: answer is not None for (device, _), answer in waiting.answers.items()}
    assert admitted == {12: True, 13: False, 14: True}
    assert failures() == 1


@pytest.mark.asyncio
async def test_a_bug_in_an_answer_costs_one_greeting() -> None:
    """Others are admitted after it."""
    failures = grown("gateway_greeting_failures_total")

    def raise_(_admitted: Admitted | None) -> None:
        raise ZeroDivisionError("a bug of this test")

    async with running(MemoryRegistry()) as waiting:
        waiting._admission.apply(
            Applicant(Greeting(b"", bytes(12), 1, 1), 0, None, raise_, lambda: None)
        )
        waiting.greet(2)
        await until(lambda: bool(waiting.answers))
    assert failures() == 1
