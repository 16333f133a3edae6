"""Tests of staying connected: back-off, admission in turn, faults that outlive a session."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest
import trio
from trio.testing import MemoryReceiveStream, MemorySendStream, MockClock, memory_stream_pair

from device_sim.courier import Courier, NotAdmittedError
from device_sim.keeper import LAST_BACKOFF_AT_FULL_SPEED_SECONDS, Keeper, Opened
from device_sim.links import PERFECT
from device_sim.pace import MAX_SPEED, Pace
from device_sim.session import Ending
from device_sim.streams import CountedLink
from device_sim.tcp_link import TcpSession
from tests.helpers.couriers import build_courier, open_outbox
from tests.helpers.scripted_gateway import ScriptedGateway

MemoryStream = trio.StapledStream[MemorySendStream, MemoryReceiveStream]


class Longest(Random):
    """Always draws the upper end: full jitter at its fullest."""

    def uniform(self, a: float, b: float) -> float:
        """The larger of both."""
        return max(a, b)


class ScriptedSession(TcpSession):
    """Ends as it is told to."""

    script: Iterator[tuple[Ending, int] | Exception]

    async def run(self, welcomed: object) -> Ending:
        """One step of the script."""
        step = next(self.script)
        if isinstance(step, Exception):
            raise step
        ending, self.retry_after_seconds = step
        if ending is not Ending.LOST and callable(welcomed):
            welcomed()
        self.courier.is_all_written = ending is Ending.FINISHED
        return ending


@dataclass
class World:
    """Opens scripted sessions and notes when, and what became of their streams."""

    courier: Courier
    script: Sequence[tuple[Ending, int] | Exception]
    began: list[float] = field(default_factory=list)
    opened: list[MemoryStream] = field(default_factory=list)
    open_before: list[int] = field(default_factory=list)
    """How many connections were open at each attempt."""

    async def connect(self) -> Opened:
        """Take the next step of the script."""
        self.began.append(trio.current_time())
        self.open_before.append(self.count_open())
        step = self.script[len(self.began) - 1]
        if isinstance(step, OSError):
            raise step
        ours, _theirs = memory_stream_pair()
        self.opened.append(ours)
        session = ScriptedSession(CountedLink(ours, self.courier.tally.traffic), self.courier)
        session.script = iter([step])
        return Opened(ours, session)

    def count_open(self) -> int:
        """Connections that our side has not closed."""
        return sum(not stream.receive_stream._closed for stream in self.opened)

    def keeper(self, speed: float = 1.0, places: int = 1) -> Keeper:
        """A keeper of this world."""
        return Keeper(
            self.courier,
            self.connect,
            trio.CapacityLimiter(places),
            Pace(speed, 0),
            PERFECT,
            Longest(),
        )

    @property
    def pauses(self) -> list[float]:
        """Seconds between the attempts."""
        return [round(b - a, 3) for a, b in zip(self.began, self.began[1:], strict=False)]


@pytest.fixture
def courier(tmp_path: Path) -> Courier:
    """A courier with nothing to do yet."""
    return build_courier(open_outbox(tmp_path))


DONE = (Ending.FINISHED, 0)
LOST = (Ending.LOST, 0)
REFUSED = ConnectionRefusedError()


@pytest.mark.trio
async def test_back_off_doubles_up_to_a_minute(courier: Courier, autojump_clock: MockClock) -> None:
    """Lost links and refused connections alike."""
    world = World(courier, [REFUSED, LOST, REFUSED, LOST, LOST, LOST, LOST, LOST, DONE])
    await world.keeper().run()
    assert world.pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    assert courier.tally.lost_links == 6


@pytest.mark.trio
async def test_a_welcome_sets_the_back_off_back(
    courier: Courier, autojump_clock: MockClock
) -> None:
    """A cut of ours has its own pause, here none."""
    world = World(courier, [LOST, LOST, (Ending.CUT, 0), LOST, DONE])
    await world.keeper().run()
    assert world.pauses == [1, 2, 0, 1]


@pytest.mark.trio
async def test_the_gateways_pause_is_the_least(courier: Courier, autojump_clock: MockClock) -> None:
    """Whatever chance says."""
    world = World(courier, [(Ending.LOST, 30), DONE])
    await world.keeper().run()
    assert world.pauses == [30]


@pytest.mark.trio
async def test_at_full_speed_the_back_off_stays_short(
    courier: Courier, autojump_clock: MockClock
) -> None:
    """The quarter takes a minute then, and a gateway that restarts is missed."""
    world = World(courier, [LOST] * 5 + [DONE])
    await world.keeper(MAX_SPEED).run()
    assert world.pauses == [1, 2, 4, 4, LAST_BACKOFF_AT_FULL_SPEED_SECONDS]


@pytest.mark.trio
async def test_an_outage_lasts_its_time(courier: Courier, autojump_clock: MockClock) -> None:
    """Divided by the speed, and once."""
    courier.outage_seconds = 3_600.0
    world = World(courier, [(Ending.CUT, 0), (Ending.CUT, 0), (Ending.RENEWED, 0), DONE])
    await world.keeper(speed=60.0).run()
    assert world.pauses == [60, 0, 0]


@pytest.mark.trio
async def test_a_forgotten_connection_stays_open_until_the_next_one_is_forgotten(
    courier: Courier, autojump_clock: MockClock
) -> None:
    """And in the end none is left."""
    world = World(courier, [(Ending.HALF_OPEN, 0), LOST, (Ending.HALF_OPEN, 0), LOST, DONE])
    await world.keeper().run()
    assert world.open_before == [0, 1, 1, 1, 1]
    assert world.count_open() == 0


@pytest.mark.trio
async def test_who_is_not_wanted_is_told(courier: Courier) -> None:
    """The place among those that greet is given back."""
    world = World(courier, [NotAdmittedError("unknown")])
    keeper = world.keeper()
    with pytest.raises(NotAdmittedError):
        await keeper.run()
    assert keeper._places.borrowed_tokens == 0


@pytest.mark.trio
async def test_handsets_greet_in_turn(tmp_path: Path, autojump_clock: MockClock) -> None:
    """The second connects when the first is welcome, though its session goes on."""
    places, greeted = trio.CapacityLimiter(1), []

    async def run(number: int, nursery: trio.Nursery) -> None:
        directory = tmp_path / str(number)
        directory.mkdir()
        courier = build_courier(open_outbox(directory))

        async def connect() -> Opened:
            greeted.append((number, trio.current_time()))
            ours, theirs = memory_stream_pair()
            gateway = ScriptedGateway(theirs)
            nursery.start_soon(serve_after_a_second, gateway)
            link = CountedLink(ours, courier.tally.traffic)
            return Opened(ours, TcpSession(link, courier))

        await Keeper(courier, connect, places, Pace(1, 0), PERFECT, Random(1)).run()

    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(run, number, nursery)
        await trio.sleep(10)
        nursery.cancel_scope.cancel()
    began = trio.current_time() - 10
    assert [round(moment - began) for _, moment in greeted] == [0, 1, 2]


async def serve_after_a_second(gateway: ScriptedGateway) -> None:
    """A gateway that takes its time to challenge."""
    await trio.sleep(1)
    await gateway.run()
