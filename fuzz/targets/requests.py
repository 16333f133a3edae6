"""Task requests and cancellations in JSON, from workflow services."""

from datetime import UTC, datetime
from typing import Final

import msgspec

from gateway.protocol import limits
from gateway.protocol.text import unfit_character
from gateway.task_request import (
    Action,
    Cancellation,
    Malformed,
    TaskRequest,
    decode_asked,
    fault_of_times,
)
from gateway.task_work import _columns

_NOW: Final = datetime(2008, 1, 2, tzinfo=UTC)
_COLUMN_LIMIT: Final = 2**63


def check(data: bytes) -> None:
    """Either action: a verdict that can be told and kept, whatever came."""
    for action in Action:
        asked = decode_asked(action, data)
        assert not unfit_character(asked.id)
        if isinstance(asked, Malformed):
            assert asked.reason
        else:
            _check_understood(action, asked)


def _check_understood(action: Action, asked: TaskRequest | Cancellation) -> None:
    assert decode_asked(action, msgspec.json.encode(asked)) == asked
    if isinstance(asked, TaskRequest):
        assert 1 <= len(asked.text) <= limits.MAX_TASK_CHARACTERS
        fault_of_times(asked, _NOW)
        for value in _columns(asked):
            if isinstance(value, datetime):
                value.astimezone(UTC)  # as it is written into its column
            elif isinstance(value, int):
                assert abs(value) < _COLUMN_LIMIT
