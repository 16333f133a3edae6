"""Tests of what is to be run."""

import math

import pytest

from device_sim.centre_link import Login
from device_sim.credentials import Credential
from device_sim.faults import ALL_FAULTS, NO_FAULTS, Rates
from device_sim.links import PERFECT
from device_sim.pace import Pace
from device_sim.plan import SPARE_SECONDS, Plan, default_timeout_seconds, with_errands
from device_sim.replies import AT_ONCE
from device_sim.scenario import longgang_q1
from device_sim.shifts import QUARTER_END, QUARTER_START
from device_sim.task_scenario import HABITS, RATES
from tests.helpers.builders import NOW
from tests.helpers.couriers import SECRET

LOGIN = Login("127.0.0.1", 1, "workflow", "")


def build_plan(rates: Rates = ALL_FAULTS) -> Plan:
    """A few handsets that report."""
    scenario = longgang_q1(3, 6, 30)
    streets = {one.device_id: one.street.code for one in scenario.fleet.inspectors}
    return Plan(
        scenario=scenario,
        credentials={device: Credential(SECRET, None, code) for device, code in streets.items()},
        gateway=("127.0.0.1", 1),
        broker=("127.0.0.1", 1),
        profile=PERFECT,
        speed=math.inf,
        rates=rates,
    )


def test_without_errands_tasks_are_answered_by_the_way() -> None:
    """The quarter is about reports."""
    plan = build_plan()
    assert plan.errands is None
    assert plan.task_plan.habits == AT_ONCE


@pytest.mark.trio
async def test_with_errands_the_quarter_passes_in_the_run() -> None:
    """The centre waits for what the postings ask for, and inspectors take their time."""
    plan = with_errands(build_plan(), 40, 30.0, LOGIN, NOW)
    assert plan.errands is not None
    assert Pace(plan.speed, 0).seconds(QUARTER_END - QUARTER_START) == pytest.approx(30.0)
    assert len(plan.errands.centre.errands) == 40
    assert len(plan.errands.postings) >= 40
    assert not plan.errands.centre.is_done
    assert plan.task_plan.habits == HABITS
    assert plan.task_plan.seed == 3


@pytest.mark.parametrize("rates, expected", [(ALL_FAULTS, RATES), (NO_FAULTS, NO_FAULTS)])
def test_faults_are_more_frequent_where_few_messages_are_sent(
    rates: Rates, expected: Rates
) -> None:
    """Unless none are wanted."""
    assert with_errands(build_plan(rates), 5, 30.0, LOGIN, NOW).rates == expected


def test_a_run_of_tasks_is_given_up_some_time() -> None:
    """Without events it would never end."""
    assert default_timeout_seconds(30.0) == 60.0 + SPARE_SECONDS
