"""What the command says before and after its runs."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from fuzz import __main__ as command
from fuzz.results import Status
from fuzz.runner import Run


def run_of(target: str, inputs: int, findings: tuple[Path, ...] = (), fault: str = "") -> Run:
    """A run that has ended."""
    status = Status(inputs=inputs, seconds=1, highest_bytes=2**20, growth_bytes=0, fault=fault)
    return Run(target, "s", "c", status, 5, findings, Path("log"), succeeded=not findings)


def invoke(monkeypatch: pytest.MonkeyPatch, run: Run) -> tuple[int, str]:
    """Exit code and output where the fuzzer gives this run."""
    monkeypatch.setattr(command, "find_spec", lambda _name: object())
    monkeypatch.setattr(command, "run_target", lambda *_arguments: run)
    monkeypatch.setattr(command, "replay", lambda *_arguments: "Traceback of it")
    result = CliRunner().invoke(command.main, ["topics", "--runs", "40"])
    return result.exit_code, result.output


def test_without_atheris_it_says_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what works without."""
    monkeypatch.setattr(command, "find_spec", lambda _name: None)
    result = CliRunner().invoke(command.main, ["topics"])
    assert result.exit_code == 1
    assert "Linux x86_64 only" in result.output
    assert "pytest tests/fuzz" in result.output


def test_a_run_without_findings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line, and exit code 0."""
    code, output = invoke(monkeypatch, run_of("topics", 40))
    assert code == 0
    assert output.split()[:3] == ["topics", "40", "inputs"]


@pytest.mark.parametrize(
    "run, told",
    [
        (run_of("topics", 40, (Path("var/crash-1"),)), "FINDING var/crash-1\nTraceback of it"),
        (run_of("topics", 39), "39 inputs"),
    ],
)
def test_what_is_not_well_fails(monkeypatch: pytest.MonkeyPatch, run: Run, told: str) -> None:
    """A finding with its traceback, or fewer inputs than were asked for."""
    code, output = invoke(monkeypatch, run)
    assert code == 1
    assert told in output


def test_growing_memory_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the words of the watch."""
    _, output = invoke(monkeypatch, run_of("topics", 40, fault="something is kept"))
    assert "MEMORY something is kept" in output
