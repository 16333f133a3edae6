"""Which errors are a row's fault and which may pass."""

import asyncpg
import pytest

from gateway.store_errors import ROW_ERRORS, TRANSIENT_ERRORS


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError(),
        TimeoutError(),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InternalClientError(),
        asyncpg.CannotConnectNowError(),
        asyncpg.AdminShutdownError(),
        asyncpg.CrashShutdownError(),
        asyncpg.TooManyConnectionsError(),
        asyncpg.DiskFullError(),
        asyncpg.ReadOnlySQLTransactionError(),
        asyncpg.DeadlockDetectedError(),
        asyncpg.SerializationError(),
        asyncpg.QueryCanceledError(),
        asyncpg.ConnectionDoesNotExistError(),
        asyncpg.UndefinedTableError(),
        asyncpg.InsufficientPrivilegeError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_may_pass(error: Exception) -> None:
    """States of the server and the link are waited for and never blamed on a row."""
    assert isinstance(error, TRANSIENT_ERRORS)
    assert not isinstance(error, ROW_ERRORS)


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.NumericValueOutOfRangeError(),
        asyncpg.CharacterNotInRepertoireError(),
        asyncpg.UntranslatableCharacterError(),
        asyncpg.CheckViolationError(),
        asyncpg.NotNullViolationError(),
        asyncpg.UniqueViolationError(),
        asyncpg.ProgramLimitExceededError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_fault_of_a_row(error: Exception) -> None:
    """These lead to a closer look at each row."""
    assert isinstance(error, ROW_ERRORS)


@pytest.mark.parametrize("error", [KeyError(), TypeError(), ValueError()], ids=repr)
def test_bugs_are_neither(error: Exception) -> None:
    """A bug of ours is not waited for."""
    assert not isinstance(error, TRANSIENT_ERRORS)
