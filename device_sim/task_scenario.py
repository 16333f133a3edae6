"""The scenario `tasks`: what a centre asks of its inspectors, and takes back. Pure and seeded.

Requests are spread over the first part of the run and are open for some seconds each, so that all
of their life passes before one's eyes. All shares are assumptions [A]; `docs/scenario.md` lists
them. Times are Unix seconds; expiries are whole ones, as on the wire.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil, floor
from random import Random
from typing import Final, Literal

import msgspec

from device_sim.faults import Rates
from device_sim.fleet import Fleet, Inspector
from device_sim.reference import Street, findings
from device_sim.replies import Habits
from device_sim.texts import DescriptionWriter
from device_sim.walk import walk
from gateway.protocol import topics
from gateway.protocol.limits import MAX_TASK_CHARACTERS
from gateway.protocol.report import Patrol, Urgency

Kind = Literal["verify", "check", "notice"]

KINDS: Final[Mapping[Kind, float]] = {"verify": 0.45, "check": 0.3, "notice": 0.25}
"""Of the requests."""

TO_STREET: Final[Mapping[Kind, float]] = {"verify": 0.1, "check": 0.05, "notice": 0.35}
TO_ALL: Final[Mapping[Kind, float]] = {"verify": 0.0, "check": 0.0, "notice": 0.15}
"""Shares that are for more than one device."""

ASKED_UNTIL: Final = 0.55
"""Part of the run in which requests are made."""

OPEN_FOR: Final = (0.15, 0.45)
"""How long a task is open, as a part of the run."""

MIN_OPEN_SECONDS: Final = 4.0
LATER_SHARE: Final = 0.1
"""Requests with a `not_before`, `LATER_BY` of the run after they are made."""

LATER_BY: Final = 0.1
CANCELLED_SHARE: Final = 0.15
"""In the first half of the time in which they are open; some are answered before."""

SUPERSEDED_SHARE: Final = 0.1
"""Requests that take the place of an earlier one that is still open."""

TWICE_SHARE: Final = 0.15
"""Requests and cancellations that are published twice, as by an asker in doubt."""

TWICE_AFTER_SECONDS: Final = 1.0
SETTLED_SECONDS: Final = 1.0
"""How long after a request something is published that refers to it."""

HABITS: Final = Habits(in_time=0.7, late=0.12, span=(0.05, 0.7), late_seconds=(2.0, 5.0))
"""When inspectors answer; 18 % never do."""

RATES: Final = Rates(cut=0.02, lost_ack=0.02, repeat=0.05, half_open=0.01, offline=0.0, wiped=0.15)
"""Faults: far more often than in the quarter, because far fewer messages are sent."""

NOTICES: Final = (
    "明天上午九点在街道办开例会，请准时参加。",
    "台风蓝色预警，注意巡查广告牌和行道树。",
    "本周重点巡查占道经营和乱堆放。",
    "系统今晚升级，请在二十点前上报当天案件。",
    "请各位监督员检查手持终端电量和定位。",
)
_QUESTION: Final = {"verify": "核实市民投诉：", "check": "核查处理结果："}


class Target(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of the three."""

    device: int | None = None
    street: str | None = None
    everybody: bool = msgspec.field(name="all", default=False)


class Place(msgspec.Struct, frozen=True):
    """WGS 84 degrees."""

    lat: float
    lon: float


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is published to ask for tasks, as JSON."""

    id: str
    kind: Kind
    to: Target
    text: str
    expires_at: datetime
    case_number: str = ""
    grid: str | None = None
    position: Place | None = None
    pictures: list[str] = []
    not_before: datetime | None = None
    supersedes: str | None = None


class Cancellation(msgspec.Struct, frozen=True):
    """What is published to take a request back, as JSON."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Errand:
    """A request, and whose tasks it makes."""

    at: float
    request: Request
    devices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Posting:
    """Something to publish, with QoS 1."""

    at: float
    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class TaskScenario:
    """What the centre does."""

    errands: tuple[Errand, ...]
    postings: tuple[Posting, ...]
    """In order of time."""


class TaskScenarioWriter:
    """Makes up what a centre asks for.

    Args:
        seed: of everything that chance decides.
        fleet: the inspectors.
        street_of: street codes of all registered devices, those without a handset here included;
            None where it is not known.
        began_at: Unix time at which the run begins; makes the ids of requests new in each run.
        seconds: how long the run is to be, about.
    """

    def __init__(
        self,
        seed: int,
        fleet: Fleet,
        street_of: Mapping[int, int | None],
        began_at: float,
        seconds: float,
    ) -> None:
        self._random = Random(f"centre/{seed}")
        self._inspectors = fleet.inspectors
        self._street_of = street_of
        self._began_at = floor(began_at)  # so that whole seconds fall alike in each run
        self._seconds = seconds
        self._prefix = f"sim-{int(began_at * 1000)}"
        self._errands: list[Errand] = []
        self._postings: list[Posting] = []
        self._taken: set[str] = set()
        """Requests that were taken back or replaced."""
        self._writers: dict[Street, DescriptionWriter] = {}

    def write(self, tasks: int) -> TaskScenario:
        """A scenario with so many requests. To be called once."""
        chance = self._random.random
        spread = ASKED_UNTIL * self._seconds
        for at in sorted(self._began_at + spread * chance() for _ in range(tasks)):
            earlier = self._open_errand(at) if chance() < SUPERSEDED_SHARE else None
            self._ask(at, earlier)
        for errand in self._errands:
            is_free = errand.request.id not in self._taken
            if is_free and chance() < CANCELLED_SHARE:
                self._cancel(errand)
        self._postings.sort(key=lambda posting: posting.at)
        return TaskScenario(tuple(self._errands), tuple(self._postings))

    def _open_errand(self, at: float) -> Errand | None:
        """One that may be replaced now."""
        fit = [
            errand
            for errand in self._errands
            if errand.at + SETTLED_SECONDS < at < errand.request.expires_at.timestamp()
            and errand.request.id not in self._taken
        ]
        return self._random.choice(fit) if fit else None

    def _ask(self, at: float, earlier: Errand | None) -> None:
        chance, random = self._random.random, self._random
        inspector = random.choice(self._inspectors)
        number = len(self._errands) + 1
        kind = random.choices(list(KINDS), list(KINDS.values()))[0]
        to, devices = self._target(kind, inspector)
        if earlier is not None:
            self._taken.add(earlier.request.id)
            kind, to, devices = earlier.request.kind, earlier.request.to, earlier.devices
        begins_at = at + LATER_BY * self._seconds if chance() < LATER_SHARE else None
        open_for = max(MIN_OPEN_SECONDS, self._seconds * random.uniform(*OPEN_FOR))
        request = Request(
            id=f"{self._prefix}-{number}",
            kind=kind,
            to=to,
            text=self._text(kind, inspector),
            expires_at=_moment(ceil((begins_at or at) + open_for)),
            case_number="" if kind == "notice" else f"龙城管-{number:06d}",
            not_before=None if begins_at is None else _moment(begins_at),
            supersedes=None if earlier is None else earlier.request.id,
        )
        if kind != "notice":
            request = self._with_place(request, inspector)
        self._errands.append(Errand(at, request, devices))
        self._post(at, topics.TASK_REQUEST, request)

    def _target(self, kind: Kind, inspector: Inspector) -> tuple[Target, tuple[int, ...]]:
        chance, street = self._random.random(), inspector.street.code
        in_street = tuple(device for device, code in self._street_of.items() if code == street)
        if chance < TO_ALL[kind]:
            return Target(everybody=True), tuple(self._street_of)
        if chance < TO_ALL[kind] + TO_STREET[kind] and in_street:
            return Target(street=str(street)), in_street
        return Target(device=inspector.device_id), (inspector.device_id,)

    def _text(self, kind: Kind, inspector: Inspector) -> str:
        random, street = self._random, inspector.street
        if kind == "notice":
            return random.choice(NOTICES)
        writer = self._writers.setdefault(street, DescriptionWriter(random, street))
        what = writer.write(
            random.choice(findings()), Urgency.ORDINARY, Patrol.ROUTINE, simple=False
        )
        return (_QUESTION[kind] + what)[:MAX_TASK_CHARACTERS]

    def _with_place(self, request: Request, inspector: Inspector) -> Request:
        beat = (inspector.street, inspector.first_grid, inspector.grids)
        place = next(walk(self._random, *beat))
        pictures = range(self._random.randrange(3))
        return msgspec.structs.replace(
            request,
            grid=str(place.grid),
            position=Place(place.lat_e5 / 1e5, place.lon_e5 / 1e5),
            pictures=[f"http://pictures.example/{request.id}/{n}.jpg" for n in pictures],
        )

    def _cancel(self, errand: Errand) -> None:
        first = errand.at + SETTLED_SECONDS
        middle = (errand.at + errand.request.expires_at.timestamp()) / 2
        at = self._random.uniform(first, max(first, middle))
        self._post(at, topics.TASK_CANCEL, Cancellation(errand.request.id, "市民撤销投诉"))

    def _post(self, at: float, topic: str, content: Request | Cancellation) -> None:
        payload = msgspec.json.encode(content)
        self._postings.append(Posting(at, topic, payload))
        if self._random.random() < TWICE_SHARE:
            self._postings.append(Posting(at + TWICE_AFTER_SECONDS, topic, payload))


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
