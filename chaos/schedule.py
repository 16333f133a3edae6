"""What breaks, when and for how long: a pure function of a seed and a length.

Faults are dealt in four lanes. Within a lane one fault follows the other, with a rest between them;
across lanes they overlap as chance has it. What must never come together stands in one lane: a
PostgreSQL that is down cannot start on a full disk, and a link has one ailment at a time.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from random import Random
from typing import Final

QUIET_SECONDS: Final = 8.0
"""At the end, without faults: back-off of handsets ends at some seconds."""

FIRST_AFTER_SECONDS: Final = 1.0
"""Until the fleet has begun to speak."""

REST_SECONDS: Final = 2.5
"""Between two faults of a lane: a killed server is there again, and some reports get through."""

LEAST_SECONDS: Final = 1.0
MOST_SECONDS: Final = 8.0
"""How long a fault lasts. Longer than the time-outs that the run sets for statements."""

CLOCK_JUMPS_SECONDS: Final = (90, 21_600)
"""Of minutes to hours, back and ahead. Less than the day that a report may be ahead."""

SLOW_BYTES_PER_SECOND: Final = (500, 8_000)
"""A GPRS link at its worst and at its best."""


@unique
class Fault(StrEnum):
    """What may break."""

    POSTGRES_KILLED = "PostgreSQL killed"
    POSTGRES_HUNG = "PostgreSQL hung"
    OUT_OF_CONNECTIONS = "PostgreSQL out of connections"
    DISK_FULL = "disk full"
    FAIL_OVER = "fail-over"
    GATEWAY_KILLED = "gateway killed"
    BROKER_KILLED = "broker killed"
    LINK_CUT = "link cut"
    LINK_HALF_OPEN = "link half-open"
    LINK_SLOW = "link slow"
    LINK_CORRUPTING = "link corrupting"
    CLOCK_JUMP = "clock jump"


GATEWAYS: Final = ("a", "b")

CORRUPTIBLE: Final = ("handsets-a",)
"""Links with TLS. On the others nothing but TCP's checksum would notice a changed byte."""

LINKS: Final = (
    *CORRUPTIBLE,
    "handsets-b",
    "handsets-broker",
    "a-postgres",
    "b-postgres",
    "a-broker",
    "b-broker",
)

TARGETS: Final[Mapping[Fault, tuple[str, ...]]] = {
    Fault.POSTGRES_KILLED: ("postgres",),
    Fault.POSTGRES_HUNG: ("postgres",),
    Fault.OUT_OF_CONNECTIONS: ("postgres",),
    Fault.DISK_FULL: ("postgres",),
    Fault.FAIL_OVER: ("postgres",),
    Fault.GATEWAY_KILLED: GATEWAYS,
    Fault.BROKER_KILLED: ("broker",),
    Fault.LINK_CUT: LINKS,
    Fault.LINK_HALF_OPEN: LINKS,
    Fault.LINK_SLOW: LINKS,
    Fault.LINK_CORRUPTING: CORRUPTIBLE,
    Fault.CLOCK_JUMP: GATEWAYS,
}
"""What each may hit."""


@dataclass(frozen=True, slots=True)
class Lane:
    """Faults that follow one another.

    Attributes:
        deck: dealt whole before any comes again, each time in another order.
        turn_seconds: most between the beginnings of two turns. With it a deck is dealt within a
            minute less the quiet at its end.
    """

    deck: tuple[Fault, ...]
    turn_seconds: float


LANES: Final = (
    Lane(
        (
            Fault.POSTGRES_KILLED,
            Fault.POSTGRES_HUNG,
            Fault.OUT_OF_CONNECTIONS,
            Fault.DISK_FULL,
            Fault.FAIL_OVER,
        ),
        10.0,
    ),
    Lane((Fault.GATEWAY_KILLED, Fault.BROKER_KILLED), 12.0),
    Lane(
        (Fault.LINK_CUT, Fault.LINK_HALF_OPEN, Fault.LINK_SLOW, Fault.LINK_CORRUPTING),
        9.0,
    ),
    Lane((Fault.CLOCK_JUMP,), 15.0),
)


@dataclass(frozen=True, slots=True)
class Injection:
    """One fault of a schedule.

    Attributes:
        at_seconds: since the beginning of the run.
        fault: what breaks.
        target: where; one of `TARGETS`.
        seconds: how long; then it is mended.
        amount: seconds that the clock is ahead (behind if negative), or bytes per second of a slow
            link; 0 for other faults.
        lane: index into `LANES`.
    """

    at_seconds: float
    fault: Fault
    target: str
    seconds: float
    amount: int
    lane: int

    @property
    def ends_at_seconds(self) -> float:
        """When it is mended, since the beginning of the run."""
        return round(self.at_seconds + self.seconds, 1)

    def __str__(self) -> str:
        """For people."""
        how = {
            Fault.CLOCK_JUMP: f" by {self.amount:+,} s",
            Fault.LINK_SLOW: f", {self.amount:,} bytes/s",
        }.get(self.fault, "")
        span = f"{self.at_seconds:6.1f} s to {self.ends_at_seconds:6.1f} s"
        return f"{span}  {self.fault}: {self.target}{how}"


def make_schedule(seed: int, seconds: float) -> tuple[Injection, ...]:
    """The faults of a run, in order of time. The same arguments give the same schedule.

    From a minute on every fault comes at least once. Shorter runs get what fits.

    Args:
        seed: of everything that chance decides.
        seconds: how long the run is, its quiet end included.
    """
    dealt = [
        injection
        for number, lane in enumerate(LANES)
        for injection in _deal(Random(f"chaos/{seed}/{number}"), number, lane, seconds)
    ]
    return tuple(sorted(dealt, key=lambda injection: (injection.at_seconds, injection.lane)))


def kinds(schedule: Iterable[Injection]) -> Counter[Fault]:
    """How often each fault comes."""
    return Counter(injection.fault for injection in schedule)


def _deal(random: Random, number: int, lane: Lane, seconds: float) -> Iterator[Injection]:
    spread = seconds - QUIET_SECONDS - FIRST_AFTER_SECONDS
    turns = max(1, -int(-spread // lane.turn_seconds))
    turn_seconds = spread / turns
    longest = min(MOST_SECONDS, turn_seconds - REST_SECONDS)
    if longest < LEAST_SECONDS:
        return
    faults = _decks(random, lane.deck)
    for turn in range(turns):
        fault = next(faults)
        lasts = round(random.uniform(LEAST_SECONDS, longest), 1)
        begins = FIRST_AFTER_SECONDS + turn * turn_seconds
        at = begins + random.uniform(0, max(0.0, turn_seconds - REST_SECONDS - lasts))
        target = random.choice(TARGETS[fault])
        yield Injection(round(at, 1), fault, target, lasts, _amount(random, fault), number)


def _decks(random: Random, deck: tuple[Fault, ...]) -> Iterator[Fault]:
    while True:
        yield from random.sample(deck, len(deck))


def _amount(random: Random, fault: Fault) -> int:
    if fault is Fault.CLOCK_JUMP:
        return random.choice((-1, 1)) * random.randint(*CLOCK_JUMPS_SECONDS)
    if fault is Fault.LINK_SLOW:
        return random.randint(*SLOW_BYTES_PER_SECOND)
    return 0
