"""Who takes part in a flood run."""

import pytest

from bench.flood.attacks import FIRST_NUMBER, NUMBER_MARK
from bench.flood.fleet import HONEST, HOSTILE, NEWCOMERS, make_plan
from bench.flood.plan import FloodPlan
from gateway.protocol.framing import FrameBuffer
from gateway.protocol.limits import MAX_BACKLOG_REPORTS, MAX_FRAME_BYTES
from gateway.protocol.messages import WireBacklog, WireReport, decode
from gateway.protocol.wire_report import is_urgent
from gateway.reference import load_tables

TABLES = load_tables()


@pytest.fixture(scope="module")
def plan() -> FloodPlan:
    """The plan of seed 1."""
    return make_plan(1, TABLES.editions[TABLES.current])[0]


def body_of(frame: bytes) -> bytes:
    """Without its length."""
    frames = FrameBuffer()
    frames.feed(frame)
    body = frames.next_body()
    assert body is not None
    return body


def test_everybody_is_somebody_else(plan: FloodPlan) -> None:
    """No number twice, honest or not; all of them get registered."""
    everybody = [*(one.who for one in plan.handsets), *plan.newcomers, *plan.hostile]
    assert len({who.device_id for who in everybody}) == HONEST + NEWCOMERS + HOSTILE
    _, registered = make_plan(1, TABLES.editions[TABLES.current])
    assert {one.device_id for one in registered} == {who.device_id for who in everybody}


def test_the_largest_frame_is_nearly_full(plan: FloodPlan) -> None:
    """As many reports as there may be, and no room for one more letter in each text."""
    body = body_of(plan.largest_frame)
    message = decode(body)
    assert isinstance(message, WireBacklog)
    assert len(message.times) == MAX_BACKLOG_REPORTS
    assert MAX_FRAME_BYTES - 3 * MAX_BACKLOG_REPORTS < len(body) <= MAX_FRAME_BYTES


def test_frames_can_be_numbered_anew(plan: FloodPlan) -> None:
    """The number stands there in five bytes, where the attacker looks for it."""
    first = NUMBER_MARK + FIRST_NUMBER.to_bytes(4, "big")
    later = NUMBER_MARK + (FIRST_NUMBER + 255).to_bytes(4, "big")
    backlog = decode(body_of(plan.largest_frame.replace(first, later, 1)))
    assert isinstance(backlog, WireBacklog)
    assert backlog.first_sequence == FIRST_NUMBER + 255
    urgent = decode(body_of(plan.urgent_frame.replace(first, later, 1)))
    assert isinstance(urgent, WireReport)
    assert (urgent.sequence, is_urgent(urgent)) == (FIRST_NUMBER + 255, True)
