"""Requests for tasks, as a workflow service makes them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from gateway.handlers.outcome import Answered
from gateway.protocol.task_messages import Answer, Noted, TaskNoted
from gateway.task_request import TaskRequest, decode_request
from gateway.task_work import FromDevice

ANSWERED_AT = 1_700_000_000


def ahead(seconds: float) -> str:
    """A moment from now, as JSON has it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def request_body(request_id: str = "r1", **changes: Any) -> bytes:
    """A request for device 1 that is good for an hour, in JSON; a change to None leaves out."""
    values: dict[str, Any] = {
        "id": request_id,
        "kind": "verify",
        "to": {"device": 1},
        "text": "请核实人民路口的井盖",
        "expires_at": ahead(3_600),
        **changes,
    }
    return json.dumps({name: value for name, value in values.items() if value is not None}).encode()


def build_request(request_id: str = "r1", **changes: Any) -> TaskRequest:
    """The same, decoded."""
    return decode_request(request_body(request_id, **changes))


def noted(
    task: int, what: Noted = Noted.RECEIVED, *, device: int = 1, installation: int = 1
) -> FromDevice:
    """A device says that it has noted a task."""
    return FromDevice(device, installation, TaskNoted(task, what))


def answered(
    task: int,
    answer: Answer = Answer.EXISTS,
    text: str = "在",
    *,
    device: int = 1,
    installation: int = 1,
) -> FromDevice:
    """A device answers."""
    return FromDevice(device, installation, Answered(task, answer, ANSWERED_AT, text))


async def let_all_be_past(dsn: str) -> None:
    """Let all tasks have expired a moment ago, which nobody may do but a test."""
    connection = await asyncpg.connect(dsn)
    await connection.execute("SET session_replication_role = replica")
    await connection.execute("UPDATE task SET expires_at = now()")
    await connection.close()
