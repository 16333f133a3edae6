"""Options of the command line that need more than click has."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final, TypeVar

import click

from device_sim.pace import MAX_SPEED
from device_sim.plan import Address

DEFAULT_SEED: Final = 2008

QUARTER: Final = "longgang-q1"
TASKS: Final = "tasks"
SCENARIOS: Final = (QUARTER, TASKS)

DEFAULT_TASKS: Final = 60
DEFAULT_SECONDS: Final = 30.0

MIN_SECONDS: Final = 10.0
"""Shorter, and a task would be over before a busy machine has brought it to its handset."""

_PORT_DIGITS: Final = 5

Command = TypeVar("Command", bound=Callable[..., Any])


class SpeedType(click.ParamType[float]):
    """`max`, or a number above zero."""

    name = "speed"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The speed, or a usage error."""
        if value == "max":
            return MAX_SPEED
        try:
            speed = float(value)
        except ValueError:
            speed = math.nan
        if not (speed > 0 and math.isfinite(speed)):
            self.fail(f"{value!r} is neither max nor a number above zero", param, ctx)
        return speed


class AddressType(click.ParamType[Address]):
    """HOST:PORT; an IPv6 address stands in brackets."""

    name = "host:port"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Address:
        """Host and port, or a usage error."""
        written, _, port = str(value).rpartition(":")
        host = written.strip("[]")
        if not host or not _is_port(port):
            self.fail(f"{value!r} is not HOST:PORT", param, ctx)
        return host, int(port)


def _is_port(text: str) -> bool:
    """Whether it is a port. Python takes no text of thousands of digits for a number."""
    return text.isdecimal() and len(text) <= _PORT_DIGITS and 0 < int(text) < 2**16


def scenario_options(command: Command) -> Command:
    """The options that say what the scenario is; both commands must be given the same."""
    options = (
        click.option(
            "--scenario", type=click.Choice(SCENARIOS), default=QUARTER, show_default=True,
            help="What is played: the first quarter of 2008 in Longgang, or a centre that asks "
            "inspectors to verify complaints and check repairs.",
        ),
        click.option(
            "--devices", type=click.IntRange(min=2), metavar="N",
            help="Inspectors, each with a handset.  [default: the published 773; tasks: 20]",
        ),
        click.option(
            "--reports", type=click.IntRange(min=0), metavar="N",
            help="Reports of all together.  [default: the published 265,735; tasks: 5 a device]",
        ),
        click.option(
            "--transport", type=click.Choice(["tcp", "mqtt", "mixed"]), default="mixed",
            show_default=True, help="mixed: every other handset speaks MQTT.",
        ),
        click.option(
            "--seed", type=int, default=DEFAULT_SEED, show_default=True,
            help="Of everything that chance decides: reports, faults, numbers.",
        ),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class TaskChoice:
    """What was chosen for the scenario `tasks`."""

    tasks: int
    seconds: float
    user: str
    password: str
    broker: Address | None = None
    """Where the centre connects; None for where the handsets do."""


def task_options(command: Command) -> Command:
    """The options of the scenario `tasks`; the command gets them as one, `task_choice`."""

    @wraps(command)
    def gathered(
        *,
        tasks: int,
        seconds: float,
        centre_user: str,
        centre_password: str,
        centre_broker: Address | None,
        **others: Any,
    ) -> Any:
        choice = TaskChoice(tasks, seconds, centre_user, centre_password, centre_broker)
        return command(task_choice=choice, **others)

    options = (
        click.option(
            "--tasks", type=click.IntRange(min=1), default=DEFAULT_TASKS, show_default=True,
            metavar="M",
            help="Scenario tasks: requests of the centre; one for a street or for all makes a "
            "task for each device there.",
        ),
        click.option(
            "--seconds", type=click.FloatRange(min=MIN_SECONDS), default=DEFAULT_SECONDS,
            show_default=True, metavar="S",
            help="Scenario tasks: how long the run is to be, about. The last task expires by "
            "then, late answers come some seconds later.",
        ),
        click.option(
            "--centre-user", default="workflow", show_default=True, metavar="NAME",
            help="Scenario tasks: as whom the centre connects to the broker, to publish requests "
            "and read the events of tasks.",
        ),
        click.option(
            "--centre-password", default="", envvar="DEVICE_SIM_CENTRE_PASSWORD",
            show_envvar=True, metavar="TEXT", help="Scenario tasks: its password.",
        ),
        click.option(
            "--centre-broker", type=AddressType(), metavar="HOST:PORT",
            help="Scenario tasks: where it connects; services may have a port of their own.  "
            "[default: that of --broker]",
        ),
    )  # fmt: skip
    for option in reversed(options):
        gathered = option(gathered)
    return gathered  # type: ignore[return-value]  # click calls it by keyword
