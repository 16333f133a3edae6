"""The limit of open files fits the settings, as far as we may raise it."""

import resource
import subprocess
import sys
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from gateway.open_files import RESERVE_FILES, provide_files
from gateway.settings import DatabaseSettings, TcpSettings

TCP = TcpSettings(max_sessions=1_000, max_strangers=500)
DATABASE = DatabaseSettings(max_connections=10)
NEEDED = 1_510 + RESERVE_FILES

Limits = tuple[int, int]


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], list[Limits]]:
    """Sets what the system says; a list of what it was told."""

    def limit(soft: int, hard: int) -> list[Limits]:
        told: list[Limits] = []
        monkeypatch.setattr(resource, "getrlimit", lambda _what: (soft, hard))
        monkeypatch.setattr(resource, "setrlimit", lambda _what, limits: told.append(limits))
        return told

    return limit


@pytest.mark.parametrize(
    "soft,hard,told",
    [
        (NEEDED, NEEDED, []),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, []),
        (NEEDED - 1, NEEDED, [(NEEDED, NEEDED)]),
        (1_024, 65_536, [(NEEDED, 65_536)]),
        (1_024, resource.RLIM_INFINITY, [(NEEDED, resource.RLIM_INFINITY)]),
    ],
)
def test_it_is_raised_as_far_as_needed(
    limited: Callable[[int, int], list[Limits]], soft: int, hard: int, told: list[Limits]
) -> None:
    """And left alone where it is enough."""
    was_told = limited(soft, hard)
    with capture_logs() as logs:
        provide_files(TCP, DATABASE)
    assert was_told == told
    assert not logs


def test_a_hard_limit_below(limited: Callable[[int, int], list[Limits]]) -> None:
    """All that is allowed, and a warning that says what to set."""
    told = limited(256, NEEDED - 1)
    with capture_logs() as logs:
        provide_files(TCP, DATABASE)
    assert told == [(NEEDED - 1, NEEDED - 1)]
    (line,) = logs
    assert (line["event"], line["log_level"]) == ("files_limited", "warning")
    assert (line["needed"], line["allowed"]) == (NEEDED, NEEDED - 1)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_listener_without_files_does_not_spin(loop: str) -> None:
    """It waits, and accepts again when there are files."""
    result = subprocess.run(
        [sys.executable, "-m", "tests.helpers.out_of_files", loop],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    assert float(result.stdout) < 0.5
