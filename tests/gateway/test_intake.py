"""Which frame may be taken: by room, by turn, and an emergency without either."""

import pytest

from gateway.batcher import Batcher
from gateway.intake import FRAMES_AT_ONCE, Intake
from gateway.protocol.messages import Message, Ping
from gateway.protocol.report import Urgency
from gateway.protocol.state import Role
from gateway.protocol.wire_report import is_urgent
from gateway.settings import BatchSettings
from gateway.turns import Turns
from tests.helpers.batching import emergency, of_device
from tests.helpers.connection_pair import frame_of, ready
from tests.helpers.memory_store import MemoryStore
from tests.helpers.wire import backlog, wire

pytestmark = pytest.mark.asyncio

EMERGENCY = wire(1, urgency=Urgency.EMERGENCY)


class Rig:
    """An intake, whose batcher holds one item of each kind, and whose turn the test decides on."""

    def __init__(self, *messages: Message) -> None:
        self.now = 0.0
        self.batcher = Batcher(MemoryStore(), BatchSettings(max_items=1, max_pending_items=1))
        self.turns = Turns(
            lambda _callback: None, lambda _s, _callback: None, lambda: False, lambda: self.now
        )
        self.asked_again = 0
        self.may_jump = True
        self.intake = Intake(
            self.batcher, self.turns, self._go_on, lambda event: self.may_jump and is_urgent(event)
        )
        self.connection = ready(Role.GATEWAY)
        for message in messages:
            self.connection.receive_data(frame_of(message), 0.0)

    def fill(self, *, urgent: bool = False) -> None:
        """Put in one more than there is room for."""
        for number in (1, 2):
            self.batcher.offer(emergency(number) if urgent else of_device(1, number))

    def use_time(self) -> None:
        """Let others use up this turn."""
        self.turns.has_time()
        self.now += 1

    def may_take(self, taken: int = 0) -> bool:
        """Ask."""
        return self.intake.may_take(self.connection, taken)

    def _go_on(self) -> None:
        self.asked_again += 1


@pytest.mark.parametrize("message", [wire(1), EMERGENCY, backlog(2), Ping()])
async def test_with_room_and_time(message: Message) -> None:
    """Everything goes, up to so many in a turn."""
    rig = Rig(message)
    assert rig.may_take(FRAMES_AT_ONCE - 1)
    assert not rig.may_take(FRAMES_AT_ONCE)
    assert rig.intake.waits
    assert len(rig.turns) == 1


async def test_a_full_batcher_lets_only_an_emergency_through() -> None:
    """Others are held where they lie, and are asked for once when there is room."""
    assert_passes = Rig(EMERGENCY, wire(2))
    assert_passes.fill()
    assert assert_passes.may_take()
    assert not assert_passes.intake.waits
    for held in (wire(1), backlog(2), Ping()):
        rig = Rig(held, EMERGENCY)
        rig.fill()
        assert not rig.may_take()
        assert not rig.may_take()
        assert rig.batcher.statistics().waiting_for_space == 1
        assert rig.connection.next_event() == held


async def test_an_emergency_needs_no_time() -> None:
    """But one session's emergencies are no other's delay: they have their number in a turn."""
    rig = Rig(EMERGENCY)
    rig.use_time()
    assert rig.may_take(FRAMES_AT_ONCE - 1)
    assert not rig.may_take(FRAMES_AT_ONCE)


async def test_others_wait_for_their_turn() -> None:
    """And go on when it comes."""
    rig = Rig(wire(1))
    rig.use_time()
    assert not rig.may_take()
    assert rig.intake.waits
    rig.turns._next_turn()
    assert rig.asked_again == 1
    assert not rig.intake.waits
    assert rig.may_take()


async def test_emergencies_beyond_their_bound_wait_for_room() -> None:
    """Ordinary reports go on meanwhile."""
    flood = Rig(EMERGENCY)
    flood.fill(urgent=True)
    assert not flood.may_take()
    assert flood.batcher.statistics().waiting_for_space == 1
    ordinary = Rig(wire(1))
    ordinary.fill(urgent=True)
    assert ordinary.may_take()
    ordinary.use_time()
    assert not ordinary.may_take()
    assert len(ordinary.turns) == 1


async def test_nothing_to_take_waits_for_nothing() -> None:
    """Half a frame is read on, full batcher or not: it may become an emergency."""
    rig = Rig()
    rig.fill()
    rig.use_time()
    rig.connection.receive_data(frame_of(EMERGENCY)[:-1], 0.0)
    assert rig.may_take()
    assert not rig.intake.waits


async def test_who_calls_everything_an_emergency_waits_like_the_others() -> None:
    """Beyond its share its emergencies need room and time."""
    rig = Rig(EMERGENCY)
    rig.fill()
    assert rig.may_take()
    rig.may_jump = False
    assert not rig.may_take()
    assert rig.intake.waits


async def test_whoever_may_jump_needs_neither_room_nor_time() -> None:
    """It is asked of the frame that is next, whatever that is."""
    rig = Rig(wire(1), wire(2))
    rig.intake = Intake(
        rig.batcher, rig.turns, lambda: None, lambda event: event == rig.connection.peek_event()
    )
    rig.fill()
    rig.use_time()
    assert rig.may_take()
