"""What all commands share: errors become a message and an exit code."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from gateway.command import (
    EXIT_FAILED,
    EXIT_UNREACHABLE,
    EXIT_USAGE,
    fail,
    load_or_exit,
    run_or_exit,
)
from gateway.migrate import DatabaseUnreachableError, MigrationError
from gateway.server_process import ServerFailedError


async def answer() -> int:
    """Work that succeeds."""
    await asyncio.sleep(0)
    return 42


async def raise_(error: BaseException) -> None:
    """Work that does not."""
    await asyncio.sleep(0)
    raise error


def in_groups(error: Exception) -> Exception:
    """As it comes out of nested task groups."""
    return ExceptionGroup("outer", [ExceptionGroup("inner", [error])])


def test_work_that_succeeds() -> None:
    """Its result is handed back."""
    assert run_or_exit(answer()) == 42


@pytest.mark.parametrize("wrapped", [lambda error: error, in_groups], ids=["plain", "in groups"])
@pytest.mark.parametrize(
    "error, code",
    [
        (DatabaseUnreachableError("cannot connect"), EXIT_UNREACHABLE),
        (asyncpg.InterfaceError("connection is closed"), EXIT_UNREACHABLE),
        (ConnectionRefusedError(111, "Connection refused"), EXIT_UNREACHABLE),
        (MigrationError("0002 failed"), EXIT_FAILED),
        (ServerFailedError("PostgreSQL ended while starting"), EXIT_FAILED),
        (asyncpg.UndefinedTableError("no table"), EXIT_FAILED),
        (OSError(98, "address in use"), EXIT_FAILED),
    ],
)
def test_expected_errors_end_with_a_message(
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    code: int,
    wrapped: Callable[[Exception], Exception],
) -> None:
    """No traceback: what happened, on stderr, and a code for scripts."""
    with pytest.raises(SystemExit) as ended:
        run_or_exit(raise_(wrapped(error)))
    assert ended.value.code == code
    assert capsys.readouterr() == ("", f"gateway: {error}\n")


@pytest.mark.parametrize("wrapped", [lambda error: error, in_groups], ids=["plain", "in groups"])
def test_bugs_keep_their_traceback(wrapped: Callable[[Exception], Exception]) -> None:
    """What nobody expected is not dressed up."""
    with pytest.raises((ZeroDivisionError, ExceptionGroup)):
        run_or_exit(raise_(wrapped(ZeroDivisionError())))


def test_an_expected_error_beside_a_bug_is_a_bug() -> None:
    """The traceback shows both."""
    both = ExceptionGroup("", [OSError(98, "address in use"), ZeroDivisionError()])
    with pytest.raises(ExceptionGroup):
        run_or_exit(raise_(both))


def test_fail(capsys: pytest.CaptureFixture[str]) -> None:
    """A message on stderr and the code."""
    with pytest.raises(SystemExit) as ended:
        fail("no such street", EXIT_USAGE)
    assert ended.value.code == EXIT_USAGE
    assert capsys.readouterr() == ("", "gateway: no such street\n")


def test_wrong_settings(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong usage: nothing was tried."""
    monkeypatch.setenv("GATEWAY_TCP__PORT", "none")
    with pytest.raises(SystemExit) as ended:
        load_or_exit(None)
    assert ended.value.code == EXIT_USAGE
    assert "tcp.port (environment variable GATEWAY_TCP__PORT)" in capsys.readouterr().err


def test_settings_from_a_file(tmp_path: Path) -> None:
    """They are read from where the command line says."""
    file = tmp_path / "settings.toml"
    file.write_text("[http]\nport = 0\n")
    assert load_or_exit(file).http.port == 0
