"""What is to be run: a scenario, where to, over which links, how fast, and with which errands."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from device_sim.centre import Centre
from device_sim.centre_link import Login
from device_sim.credentials import Credential
from device_sim.faults import ALL_FAULTS, NO_FAULTS, Rates
from device_sim.links import LinkProfile
from device_sim.mqtt_link import Dialect
from device_sim.scenario import Scenario
from device_sim.shifts import DAY_SECONDS, DAYS
from device_sim.task_courier import BY_THE_WAY, TaskPlan
from device_sim.task_scenario import HABITS, RATES, Posting, TaskScenarioWriter
from device_sim.tls_link import ClientTls

DEFAULT_DEVICES: Final = 20
REPORTS_PER_DEVICE: Final = 5
"""Of the scenario `tasks`: enough that handsets report between two tasks and some are wiped."""

SPARE_SECONDS: Final = 60.0
"""How much longer than twice its length a run of tasks may take before it is given up."""

Address = tuple[str, int]
"""Host and port."""


@dataclass(frozen=True, slots=True)
class Errands:
    """What the scenario `tasks` adds to a run."""

    centre: Centre
    """Follows what it asked for; ends with what it knows."""
    postings: tuple[Posting, ...]
    login: Login
    began_at: float
    """Unix time on which the postings' times are counted."""
    seconds: float
    """How long the run is to be, about."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be run."""

    scenario: Scenario
    credentials: Mapping[int, Credential]
    """For every device of the scenario."""
    gateway: Address
    broker: Address
    profile: LinkProfile
    speed: float
    rates: Rates = ALL_FAULTS
    dialect: Dialect | None = None
    """Version of MQTT; None tries 5 and falls back to 3.1.1."""
    errands: Errands | None = None
    tls: ClientTls | None = None
    """Of handsets over TCP; None for plaintext."""

    @property
    def task_plan(self) -> TaskPlan:
        """How inspectors deal with tasks."""
        return TaskPlan(self.scenario.seed, HABITS) if self.errands else BY_THE_WAY


def with_errands(plan: Plan, tasks: int, seconds: float, login: Login, began_at: float) -> Plan:
    """The same plan with a centre that asks for tasks, while the quarter passes in `seconds`.

    Args:
        plan: of a run without tasks. Its faults, if any, become more frequent.
        tasks: requests of the centre.
        seconds: how long the run is to be, about.
        login: of the centre at the broker.
        began_at: Unix time of now.
    """
    street_of = {device: known.street for device, known in plan.credentials.items()}
    writer = TaskScenarioWriter(
        plan.scenario.seed, plan.scenario.fleet, street_of, began_at, seconds
    )
    played = writer.write(tasks)
    return replace(
        plan,
        speed=DAYS * DAY_SECONDS / seconds,
        rates=NO_FAULTS if plan.rates == NO_FAULTS else RATES,
        errands=Errands(Centre(played.errands), played.postings, login, began_at, seconds),
    )


def default_timeout_seconds(seconds: float) -> float:
    """When a run of tasks of so many seconds is given up."""
    return 2 * seconds + SPARE_SECONDS
