"""Codes on the wire and whose fault an error was."""

import pytest

from gateway.protocol.errors import (
    GoodbyeReason,
    LocalProtocolError,
    ProtocolError,
    RefusalCode,
    RemoteProtocolError,
    Resend,
)


def test_refusal_codes_never_change() -> None:
    """A number on the wire keeps its meaning for ever."""
    assert {code.name: code.value for code in RefusalCode} == {
        "UNSUPPORTED_VERSION": 1,
        "NOT_ADMITTED": 2,
        "GREETING_EXPECTED": 3,
        "BAD_FRAME": 20,
        "UNKNOWN_MESSAGE": 21,
        "MALFORMED_MESSAGE": 22,
        "UNEXPECTED_MESSAGE": 23,
        "UNKNOWN_EDITION": 40,
        "UNKNOWN_CLASS": 41,
        "UNKNOWN_GRID": 42,
        "BAD_POSITION": 43,
        "BAD_TIME": 44,
        "BAD_TEXT": 45,
        "BAD_COMPONENT": 46,
        "BAD_TRAITS": 47,
        "SEQUENCE_CONFLICT": 48,
        "UNSTORABLE": 49,
        "UNKNOWN_TASK": 50,
        "BAD_ANSWER": 51,
        "BUSY": 60,
        "TOO_MANY_REPORTS": 61,
    }


def test_resend_and_reasons_never_change() -> None:
    """The same for what to do with the refused and why a session ends."""
    assert [(each.name, each.value) for each in Resend] == [("NEVER", 0), ("LATER", 1)]
    assert [each.name for each in sorted(GoodbyeReason)] == [
        "NORMAL",
        "SHUTTING_DOWN",
        "IDLE",
        "REPLACED",
        "PROTOCOL_ERROR",
        "NOT_ADMITTED",
        "GREETING_TIMEOUT",
        "TOO_MANY_ERRORS",
    ]
    assert [each.value for each in sorted(GoodbyeReason)] == list(range(8))


def test_remote_error_carries_its_code() -> None:
    """The code is an attribute; the text is for the log and names it."""
    error = RemoteProtocolError(RefusalCode.BAD_TEXT, "too long")
    assert (error.code, error.detail) == (RefusalCode.BAD_TEXT, "too long")
    assert str(error) == "BAD_TEXT: too long"


@pytest.mark.parametrize("kind", [LocalProtocolError, RemoteProtocolError])
def test_one_base_for_both_faults(kind: type[ProtocolError]) -> None:
    """Ours and the peer's are told apart, and neither is the other."""
    assert issubclass(kind, ProtocolError)
    assert not issubclass(LocalProtocolError, RemoteProtocolError)
    assert not issubclass(RemoteProtocolError, LocalProtocolError)
