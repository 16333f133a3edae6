"""Options of the command line that need more than click has."""

import math
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from device_sim.pace import MAX_SPEED
from device_sim.runtime import Address

DEFAULT_SEED: Final = 2008

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
        host, _, port = str(value).rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
            self.fail(f"{value!r} is not HOST:PORT", param, ctx)
        return host.strip("[]"), int(port)


def scenario_options(command: Command) -> Command:
    """The options that say what the scenario is; both commands must be given the same."""
    options = (
        click.option(
            "--scenario", type=click.Choice(["longgang-q1"]), default="longgang-q1",
            show_default=True, help="What is played: the first quarter of 2008 in Longgang.",
        ),
        click.option(
            "--devices", type=click.IntRange(min=2), metavar="N",
            help="Inspectors, each with a handset.  [default: the published 773]",
        ),
        click.option(
            "--reports", type=click.IntRange(min=0), metavar="N",
            help="Reports of all together.  [default: the published 265,735]",
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
