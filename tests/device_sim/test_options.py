"""Tests of the options that need more than click has."""

import click
import pytest
from hypothesis import given

from device_sim.options import (
    DEFAULT_SECONDS,
    DEFAULT_SEED,
    DEFAULT_TASKS,
    MIN_SECONDS,
    AddressType,
    SpeedType,
    TaskChoice,
    scenario_options,
    task_options,
)
from device_sim.pace import MAX_SPEED
from fuzz.seeds import SEEDS
from fuzz.targets.arguments import check
from tests.helpers.hostile import changed
from tests.helpers.strategies import UNHURRIED


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


@pytest.mark.parametrize(
    "text",
    ["", "host", ":80", "host:", "host:x", "host:0", "host:65536", "[]:80", f"host:{1:05000d}"],
)
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


def chosen(*arguments: str) -> TaskChoice:
    """What a command with the options of tasks gets."""
    choices: list[TaskChoice] = []

    @click.command()
    @task_options
    def command(task_choice: TaskChoice) -> None:
        choices.append(task_choice)

    command.main(list(arguments), standalone_mode=False)
    return choices[0]


def test_the_options_of_tasks_come_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """With defaults; the password may stand in the environment, where `ps` does not show it."""
    assert chosen() == TaskChoice(DEFAULT_TASKS, DEFAULT_SECONDS, "workflow", "")
    monkeypatch.setenv("DEVICE_SIM_CENTRE_PASSWORD", "secret")
    arguments = ("--centre-user", "me", "--tasks", "7", "--centre-broker", "[::1]:1884")
    expected = TaskChoice(7, DEFAULT_SECONDS, "me", "secret", ("::1", 1884))
    assert chosen(*arguments) == expected


def test_a_run_of_tasks_has_a_least_length() -> None:
    """At it, and just below."""
    assert chosen("--seconds", str(MIN_SECONDS)).seconds == MIN_SECONDS
    with pytest.raises(click.BadParameter):
        chosen("--seconds", str(MIN_SECONDS - 0.1))


@UNHURRIED
@given(changed(SEEDS["arguments"]()))
def test_hostile_bytes(data: bytes) -> None:
    """A text is a value, or a usage error."""
    check(data)
