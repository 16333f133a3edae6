"""Tests of the options that need more than click has."""

import click
import pytest

from device_sim.options import DEFAULT_SEED, AddressType, SpeedType, scenario_options
from device_sim.pace import MAX_SPEED


@pytest.mark.parametrize("text, speed", [("max", MAX_SPEED), ("1", 1.0), ("0.5", 0.5)])
def test_speeds(text: str, speed: float) -> None:
    """max, or times real time."""
    assert SpeedType().convert(text, None, None) == speed


@pytest.mark.parametrize("text", ["", "fast", "0", "-1", "inf", "nan"])
def test_what_is_no_speed(text: str) -> None:
    """Is a usage error that shows it."""
    with pytest.raises(click.BadParameter, match="neither max nor a number"):
        SpeedType().convert(text, None, None)


@pytest.mark.parametrize(
    "text, address",
    [("localhost:7440", ("localhost", 7440)), ("[::1]:1883", ("::1", 1883))],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    """Brackets of IPv6 are taken off."""
    assert AddressType().convert(text, None, None) == address


@pytest.mark.parametrize("text", ["", "host", ":80", "host:", "host:x", "host:0", "host:65536"])
def test_what_is_no_address(text: str) -> None:
    """Is a usage error that shows it."""
    with pytest.raises(click.BadParameter, match="is not HOST:PORT"):
        AddressType().convert(text, None, None)


def test_the_scenario_has_defaults() -> None:
    """The published quarter, mixed, with a fixed seed."""

    @click.command()
    @scenario_options
    def command(**options: object) -> None:
        del options

    context = command.make_context("command", [])
    assert context.params == {
        "scenario": "longgang-q1",
        "devices": None,
        "reports": None,
        "transport": "mixed",
        "seed": DEFAULT_SEED,
    }
