"""Tests of the whole fleet, against a gateway of the tests on a real port."""

import math
import os
import signal
from pathlib import Path

import pytest
import trio

from device_sim.centre_link import Login
from device_sim.credentials import Credential
from device_sim.faults import ALL_FAULTS, Rates
from device_sim.links import link_profile
from device_sim.outbox import Outbox, State
from device_sim.pace import MAX_SPEED
from device_sim.plan import Address, Plan, with_errands
from device_sim.runtime import Outcome, installation_number, run_fleet
from device_sim.scenario import Scenario, longgang_q1
from device_sim.tally import Tally
from tests.helpers.builders import NOW
from tests.helpers.couriers import SECRET, open_outbox
from tests.helpers.scripted_fleet import Trackers, listening_gateway

HARSH = Rates(cut=0.05, lost_ack=0.05, repeat=0.05, half_open=0.02, offline=0.05, wiped=0.5)
"""Everything goes wrong, and often."""


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    """An empty one."""
    return open_outbox(tmp_path)


def plan_for(address: Address, rates: Rates = ALL_FAULTS, reports: int = 400) -> Plan:
    """Eight handsets over TCP."""
    scenario = longgang_q1(3, 8, reports, "tcp")
    return Plan(
        scenario=scenario,
        credentials=credentials(scenario),
        gateway=address,
        broker=address,
        profile=link_profile("gprs"),
        speed=MAX_SPEED,
        rates=rates,
    )


def credentials(scenario: Scenario) -> dict[int, Credential]:
    """The same secret for every device."""
    return {device: Credential(SECRET, None) for device in scenario.fleet.device_ids}


async def run(
    plan: Plan, outbox: Outbox, tally: Tally, timeout_seconds: float = math.inf
) -> Outcome:
    """Run without display."""
    return await run_fleet(plan, outbox, tally, lambda: None, 1.0, timeout_seconds)


@pytest.mark.trio
async def test_everything_arrives_whatever_goes_wrong(outbox: Outbox) -> None:
    """Cuts, lost acks, repeats, half-open links, outages and wipes: each report is settled once."""
    trackers: Trackers = {}
    tally = Tally()
    async with listening_gateway(trackers) as address:
        assert await run(plan_for(address, HARSH), outbox, tally) is Outcome.COMPLETE
    totals = outbox.totals()
    assert (totals.written, totals.acked, totals.refused) == (400, 400, 0)
    assert {entry.state for entry in outbox.entries()} == {State.ACKED}
    for (device, installation), tracker in trackers.items():
        numbers = [
            entry.report.sequence
            for entry in outbox.entries()
            if (entry.device, entry.installation) == (device, installation)
        ]
        assert tracker.through == len(numbers)
    assert tally.wipes
    assert tally.outages
    assert tally.resends
    assert len(tally.faults) == 4
    assert tally.finished == 8


@pytest.mark.trio
async def test_a_second_run_finishes_what_the_first_began(tmp_path: Path) -> None:
    """The first never meets a gateway; what it wrote is in the file."""
    first = open_outbox(tmp_path)
    nowhere = plan_for(("127.0.0.1", 1))
    assert await run(nowhere, first, Tally(), timeout_seconds=0.3) is Outcome.TIMED_OUT
    began = first.totals()
    assert began.written > 0
    assert began.acked == 0
    first.close()
    second = open_outbox(tmp_path)
    async with listening_gateway({}) as address:
        assert await run(plan_for(address), second, Tally()) is Outcome.COMPLETE
    assert second.totals().acked == 400


@pytest.mark.trio
async def test_a_signal_ends_the_run_in_order(outbox: Outbox) -> None:
    """And nothing that was written is lost."""
    outcomes = []

    async def run_until_signal() -> None:
        outcomes.append(await run(plan_for(("127.0.0.1", 1)), outbox, Tally()))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_until_signal)
        while not outbox.totals().written:
            await trio.lowlevel.checkpoint()
        os.kill(os.getpid(), signal.SIGTERM)
    assert outcomes == [Outcome.INTERRUPTED]
    assert outbox.totals().written > 0


@pytest.mark.trio
async def test_a_handset_with_a_wrong_secret_gives_up(outbox: Outbox) -> None:
    """The gateway cannot prove itself to it; the others go on."""
    tally = Tally()
    async with listening_gateway({}) as address:
        plan = plan_for(address)
        stranger = plan.scenario.fleet.device_ids[0]
        secrets = {**credentials(plan.scenario), stranger: Credential(bytes(32), None)}
        plan = Plan(plan.scenario, secrets, address, address, plan.profile, MAX_SPEED)
        assert await run(plan, outbox, tally) is Outcome.COMPLETE
    assert list(tally.failures) == [stranger]
    assert tally.finished == 8


@pytest.mark.trio
async def test_a_slow_link_is_used_when_time_passes(outbox: Outbox) -> None:
    """At a finite speed the profile's delays are there; a quarter in a few seconds here."""
    plan = plan_for(("127.0.0.1", 1), reports=8)
    async with listening_gateway({}) as address:
        fast = Plan(plan.scenario, plan.credentials, address, address, plan.profile, 5e6)
        assert await run(fast, outbox, Tally()) is Outcome.COMPLETE
    assert outbox.totals().acked == 8


def test_installation_numbers_come_from_the_seed() -> None:
    """Each device and each wipe has another one."""
    numbers = {installation_number(1, device, n) for device in (7, 8) for n in (1, 2, 3)}
    assert len(numbers) == 6
    assert installation_number(1, 7, 1) in numbers
    assert all(0 <= number < 2**31 for number in numbers)


@pytest.mark.trio
async def test_a_centre_that_is_refused_dismisses_the_handsets(outbox: Outbox) -> None:
    """They bring their reports home; the reason stands with the centre."""
    refusal = bytes.fromhex("2003008700")  # CONNACK of MQTT 5: not authorized

    async def refuse(stream: trio.SocketStream) -> None:
        await stream.receive_some(65_536)
        await stream.send_all(refusal)

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    broker_host, broker_port, *_ = listener.socket.getsockname()
    async with listening_gateway({}) as address, trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, refuse, [listener])
        login = Login(broker_host, broker_port, "workflow", "")
        plan = with_errands(plan_for(address, reports=16), 5, 2.0, login, NOW)
        tally = Tally()
        assert await run(plan, outbox, tally, timeout_seconds=60) is Outcome.COMPLETE
        nursery.cancel_scope.cancel()
    assert plan.errands is not None
    assert "refuses the user workflow" in str(plan.errands.centre.failure)
    assert outbox.totals().acked == 16


@pytest.mark.trio
async def test_handsets_stay_on_while_tasks_may_come(outbox: Outbox) -> None:
    """With nothing left to report they wait for the centre, here in vain."""
    async with listening_gateway({}) as address:
        login = Login("127.0.0.1", 1, "workflow", "")
        plan = with_errands(plan_for(address, reports=8), 5, 1.0, login, NOW)
        tally = Tally()
        assert await run(plan, outbox, tally, timeout_seconds=3) is Outcome.TIMED_OUT
    assert outbox.totals().acked == 8
    assert tally.finished == 0
