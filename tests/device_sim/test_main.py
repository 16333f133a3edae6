"""Tests of the command line: help that teaches, errors that say what to do, exit codes."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from device_sim.__main__ import EXIT_USAGE, main
from device_sim.credentials import read_fleet
from device_sim.play import EXIT_UNFINISHED

SMALL = ("--devices", "2", "--reports", "10")
TASKS = ("--scenario", "tasks", "--devices", "2")
NOWHERE = ("--gateway", "127.0.0.1:1", "--broker", "127.0.0.1:1", "--timeout", "0.2")


def invoke(*arguments: str | Path) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def fleet_file(tmp_path: Path) -> Path:
    """A fleet of two, made by the command."""
    path = tmp_path / "fleet.csv"
    assert invoke("fleet", *SMALL, "--out", path).exit_code == 0
    return path


def test_help_shows_the_way_from_fleet_to_verification() -> None:
    """And the exit codes; each command explains its options."""
    text = invoke("--help").output
    for word in (
        "--scenario tasks",
        "device-sim fleet",
        "gateway devices import",
        "--verify",
        "Exit codes",
    ):
        assert word in text
    for command in ("run", "fleet"):
        assert "--seed" in invoke(command, "--help").output


def test_fleet_writes_as_many_devices_as_asked_for(fleet_file: Path) -> None:
    """With secrets."""
    assert len(read_fleet(fleet_file)) == 2


def test_wrong_usage(tmp_path: Path, fleet_file: Path) -> None:
    """Exit code 2 and a sentence that names the option or the file."""
    state = tmp_path / "state"
    state.write_text("no database" * 200)
    nowhere = tmp_path / "nowhere" / "fleet.csv"
    cases = [
        (("run", "--fleet", fleet_file, "--speed", "fast"), "neither max nor a number"),
        (("run", "--fleet", fleet_file, "--gateway", "here"), "is not HOST:PORT"),
        (("run", "--fleet", nowhere), "fleet.csv"),
        (("run", "--fleet", fleet_file), "lacks 771 devices of this scenario"),
        (("run", *SMALL, "--fleet", fleet_file, "--state", state), "--state"),
        (("run", "--devices", "10000", "--fleet", fleet_file), "devices must be 2 to 9999"),
        (("fleet", "--out", nowhere), "fleet.csv"),
        (("run", *TASKS, "--fleet", fleet_file, "--speed", "2"), "--speed: not for the scenario"),
        (("run", *TASKS, "--fleet", fleet_file, "--seconds", "1"), "--seconds"),
    ]
    for arguments, message in cases:
        result = invoke(*arguments)
        assert result.exit_code == EXIT_USAGE, arguments
        assert message in result.output


def test_a_state_file_of_another_run_is_refused(tmp_path: Path, fleet_file: Path) -> None:
    """Before anything is sent; the same run goes on."""
    common = ("--devices", "2", "--fleet", fleet_file, "--state", tmp_path / "state")
    assert invoke("run", "--reports", "10", *common, *NOWHERE).exit_code == EXIT_UNFINISHED
    assert invoke("run", "--reports", "10", *common, *NOWHERE).exit_code == EXIT_UNFINISHED
    other = invoke("run", "--reports", "11", *common, *NOWHERE)
    assert other.exit_code == EXIT_USAGE
    assert "reports is 10 there and 11 here" in other.output


def test_a_database_that_is_away_cannot_verify(fleet_file: Path) -> None:
    """Exit code 3, and it says which option it was."""
    result = invoke(
        *("run", *SMALL, "--fleet", fleet_file, "--timeout", "0.1", "--gateway", "127.0.0.1:1"),
        *("--broker", "127.0.0.1:1", "--verify", "postgresql://127.0.0.1:1/none"),
    )
    assert result.exit_code == EXIT_UNFINISHED
    assert "device-sim: --verify" in result.output


def test_a_run_of_tasks_without_events_times_out(fleet_file: Path, tmp_path: Path) -> None:
    """It says where to look; its state cannot be taken up again, for its times are past."""
    command = ("run", *TASKS, "--fleet", fleet_file, "--state", tmp_path / "state", *NOWHERE)
    result = invoke(*command)
    assert result.exit_code == EXIT_UNFINISHED
    assert "no event of any task came" in " ".join(result.output.split())
    again = invoke(*command)
    assert again.exit_code == EXIT_USAGE
    assert "cannot be resumed" in again.output
