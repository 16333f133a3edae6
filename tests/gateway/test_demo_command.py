"""`gateway demo`: its options, checked before anything starts."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.__main__ import main
from gateway.command import EXIT_USAGE
from gateway.demo_command import EXIT_WRONG


@pytest.mark.parametrize(
    "arguments",
    [
        ("--reports", "1"),
        ("--devices", "1"),
        ("--transport", "pigeon"),
        ("--link", "5g"),
        ("--reports", "many"),
    ],
)
def test_wrong_options(arguments: tuple[str, ...]) -> None:
    """Nothing is started; the option is named."""
    result = CliRunner().invoke(main, ["demo", *arguments])
    assert result.exit_code == EXIT_USAGE
    assert arguments[0] in result.stderr


@pytest.mark.parametrize("speed", ["fast", "0", "-1"])
def test_a_wrong_speed(speed: str, tmp_path: Path) -> None:
    """Found out before servers are started."""
    result = CliRunner().invoke(main, ["demo", "--speed", speed, "--data", str(tmp_path / "demo")])
    assert result.exit_code == EXIT_USAGE
    assert "--speed" in result.stderr
    assert not (tmp_path / "demo").exists()


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    """A message and an exit code, no traceback."""
    file = tmp_path / "file"
    file.touch()
    result = CliRunner().invoke(main, ["demo", "--once", "--data", str(file / "below")])
    assert result.exit_code == EXIT_WRONG
    assert str(file / "below") in result.stderr
