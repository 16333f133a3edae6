"""Tests of the inspector at work."""

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from device_sim.author import write_reports
from device_sim.courier import Courier
from device_sim.faults import NO_FAULTS, FaultPlan
from device_sim.handset import FRESH_REPORTS
from device_sim.links import PERFECT
from device_sim.outbox import Outbox
from device_sim.pace import MAX_SPEED, Pace
from gateway.protocol.messages import Ack, WireBacklog, WireReport
from tests.helpers.builders import build_report
from tests.helpers.couriers import DEVICE, INSTALLATION, build_courier, open_outbox, welcome_to

START = 1_200_000_000
REPORTS = [build_report(sequence=n + 1, observed_at=START + 60 * n) for n in range(100)]


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    """An empty one."""
    return open_outbox(tmp_path)


async def write(courier: Courier, pace: Pace, written: int = 0) -> None:
    """Write the hundred reports, without faults."""
    plan = FaultPlan(1, DEVICE, len(REPORTS), PERFECT, NO_FAULTS)
    await write_reports(courier, REPORTS, written, len(REPORTS), plan, pace)


def written_to(outbox: Outbox) -> int:
    """Reports in the file."""
    return len(outbox.unsettled(DEVICE, INSTALLATION))


def settle(courier: Courier) -> None:
    """Send what may go and have it acked."""
    courier.receive(welcome_to(courier.hello(None)), 0.0)
    while not courier.handset.is_empty:
        while courier.next_outgoing(0.0):
            pass
        courier.receive(Ack(courier.handset.next_sequence - 1), 0.0)


@pytest.mark.trio
async def test_reports_are_written_when_they_are_observed(
    outbox: Outbox, autojump_clock: MockClock
) -> None:
    """One a minute of the scenario, at twice the speed; not more than fit into the handset."""
    courier = build_courier(outbox)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(write, courier, Pace(2, START))
        await trio.sleep(1)
        assert written_to(outbox) == 1
        await trio.sleep(10 * 30)
        assert written_to(outbox) == 11
        await trio.sleep(100 * 30)
        assert written_to(outbox) == FRESH_REPORTS
        assert not courier.is_all_written
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_what_is_written_without_a_link_goes_as_a_backlog(
    outbox: Outbox, autojump_clock: MockClock
) -> None:
    """As soon as a gateway welcomes the handset; what is written after that goes singly."""
    courier = build_courier(outbox)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(write, courier, Pace(1, START))
        await trio.sleep(150)
        courier.receive(welcome_to(courier.hello(None)), 0.0)
        await trio.sleep(120)
        nursery.cancel_scope.cancel()
    kinds = []
    while outgoing := courier.next_outgoing(0.0):
        kinds.append(type(outgoing.message))
    assert kinds == [WireBacklog, WireReport, WireReport]


@pytest.mark.trio
async def test_at_full_speed_only_the_room_in_the_handset_counts(outbox: Outbox) -> None:
    """Written in portions, as acks make room."""
    courier = build_courier(outbox)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(write, courier, Pace(MAX_SPEED, START))
        await trio.testing.wait_all_tasks_blocked()
        assert FRESH_REPORTS <= written_to(outbox) < len(REPORTS)
        while not courier.is_finished:
            settle(courier)
            await trio.testing.wait_all_tasks_blocked()
    assert courier.tally.acked == len(REPORTS)


@pytest.mark.trio
async def test_a_second_run_goes_on_where_the_first_ended(outbox: Outbox) -> None:
    """Nothing is written twice, and nothing left out."""
    courier = build_courier(outbox)
    outbox.add(DEVICE, INSTALLATION, 1, REPORTS[:90])
    courier.handset.next_sequence = 91
    await write(courier, Pace(MAX_SPEED, START), written=90)
    assert outbox.unsettled(DEVICE, INSTALLATION) == REPORTS
    assert courier.is_all_written


@pytest.mark.trio
async def test_a_scenario_that_was_all_written_is_not_made_again(outbox: Outbox) -> None:
    """The reports are not even asked for."""
    courier = build_courier(outbox)
    plan = FaultPlan(1, DEVICE, 5, PERFECT, NO_FAULTS)
    unasked = iter(REPORTS)
    await write_reports(courier, unasked, 5, 5, plan, Pace(MAX_SPEED, START))
    assert courier.is_all_written
    assert next(unasked) is REPORTS[0]
