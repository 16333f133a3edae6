"""What is to be done with tasks, and how each is done within a transaction.

What a workflow service asks for ends in a verdict, what a device says in a fate; both say what was
true at the commit. Doing the same work again is harmless and says so.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import asyncpg
import msgspec

from gateway.database import transaction
from gateway.handlers.outcome import Answered
from gateway.protocol.errors import RefusalCode
from gateway.protocol.limits import MAX_TASK
from gateway.protocol.task_messages import ANSWERS, Noted, Receipt, TaskKind, TaskNoted
from gateway.queries import load_queries
from gateway.task_request import (
    Action,
    Asked,
    Cancellation,
    Malformed,
    TaskRequest,
    fault_of_times,
)

_QUERIES: Final = load_queries("tasks.sql")


@dataclass(frozen=True, slots=True)
class FromDevice:
    """What a device said of a task."""

    device_id: int
    installation: int
    reply: TaskNoted | Answered


Work = Asked | FromDevice


class RequestVerdict(msgspec.Struct, frozen=True):
    """What became of a request or a cancellation."""

    accepted: bool
    repeated: bool = False
    """It was done before; nothing was done now."""
    tasks: int = 0
    """How many tasks were made or cancelled now."""
    reason: str | None = None
    """Why it was refused."""


class Fate(msgspec.Struct, frozen=True):
    """What became of something that a device said of a task."""

    receipt: Receipt | None = None
    """None for a note, which gets none."""
    code: RefusalCode | None = None
    """Why an answer is not accepted."""
    detail: str = ""


class _RefusedError(Exception):
    """Takes back what a request has done so far; the text is its reason."""


def locking_order(work: Work) -> int:
    """Work that locks a single task goes by its number, and before what locks many: so that two
    transactions seldom wait for each other in a circle.
    """
    return work.reply.task if isinstance(work, FromDevice) else MAX_TASK + 1


async def do(connection: asyncpg.Connection, work: Work) -> RequestVerdict | Fate:
    """Do one piece of work within the connection's transaction."""
    if isinstance(work, FromDevice):
        reply = work.reply
        if isinstance(reply, Answered):
            return await _answer(connection, work.device_id, work.installation, reply)
        return await _note(connection, work.device_id, work.installation, reply)
    verdict = await _decide(connection, work)
    await connection.execute(
        _QUERIES["decide"],
        work.id,
        _action(work).value,
        verdict.accepted,
        verdict.repeated,
        verdict.tasks,
        verdict.reason,
        (work.reason or None) if isinstance(work, Cancellation) else None,
    )
    return verdict


def _action(asked: Asked) -> Action:
    if isinstance(asked, Malformed):
        return asked.action
    return Action.REQUEST if isinstance(asked, TaskRequest) else Action.CANCEL


async def _decide(connection: asyncpg.Connection, asked: Asked) -> RequestVerdict:
    if isinstance(asked, Malformed):
        return RequestVerdict(accepted=False, reason=asked.reason)
    try:
        async with transaction(connection):
            if isinstance(asked, TaskRequest):
                return await _request(connection, asked)
            return await _cancel(connection, asked)
    except _RefusedError as error:
        return RequestVerdict(accepted=False, reason=str(error))


# What a workflow service asks for.


async def _request(connection: asyncpg.Connection, request: TaskRequest) -> RequestVerdict:
    columns = _columns(request)
    known = await connection.fetchrow(_QUERIES["known_request"], *columns)
    if known["same"] is None:
        await _check_superseded(connection, request)
        # Added before its times are judged, by a clock that is read behind it: gateways that get
        # the same one wait for each other here, so that they cannot decide otherwise, however
        # long ago their transactions began.
        if await connection.fetchval(_QUERIES["add_request"], *columns):
            fault = fault_of_times(request, await connection.fetchval(_QUERIES["clock"]))
            if fault:
                raise _RefusedError(fault)
            return await _make_tasks(connection, request)
        # Another gateway was quicker.
        known = await connection.fetchrow(_QUERIES["known_request"], *columns)
    if not known["same"]:
        raise _RefusedError(f"id: {request.id} was used before, with other content")
    return RequestVerdict(accepted=True, repeated=True)


async def _check_superseded(connection: asyncpg.Connection, request: TaskRequest) -> None:
    earlier = request.supersedes
    if earlier and not await connection.fetchval(_QUERIES["request_exists"], earlier):
        raise _RefusedError(f"supersedes: there is no request {earlier}")


async def _make_tasks(connection: asyncpg.Connection, request: TaskRequest) -> RequestVerdict:
    if request.supersedes:
        await connection.fetch(_QUERIES["withdraw"], request.supersedes, "superseded", request.id)
    made = await connection.fetch(_QUERIES["add_tasks"], request.id)
    if not made:
        raise _RefusedError(f"to: {_nobody(request)}")
    return RequestVerdict(accepted=True, tasks=len(made))


def _nobody(request: TaskRequest) -> str:
    target = request.to
    if target.device is not None:
        return f"device {target.device} is not registered, or revoked"
    where = f" in street {target.street}" if target.street else ""
    return f"there is no device{where}"


async def _cancel(connection: asyncpg.Connection, cancellation: Cancellation) -> RequestVerdict:
    withdrawn = await connection.fetch(_QUERIES["withdraw"], cancellation.id, "cancelled", None)
    if withdrawn:
        return RequestVerdict(accepted=True, tasks=len(withdrawn))
    found = await connection.fetchrow(_QUERIES["tasks_of_request"], cancellation.id)
    if found is None:
        raise _RefusedError(f"id: there is no request {cancellation.id}")
    if not found["cancelled"]:
        raise _RefusedError("nothing to cancel: all its tasks are over")
    return RequestVerdict(accepted=True, repeated=True)


def _columns(request: TaskRequest) -> tuple[object, ...]:
    """The request as the columns of task_request."""
    target, place = request.to, request.position
    return (
        request.id,
        target.device,
        int(target.street) if target.street else None,
        request.kind,
        request.text,
        request.case_number,
        int(request.grid) if request.grid else None,
        round(place.lat * 1e5) if place else None,
        round(place.lon * 1e5) if place else None,
        request.pictures,
        request.not_before,
        request.expires_at,
        request.supersedes,
    )


# What a device says.


async def _note(
    connection: asyncpg.Connection, device_id: int, installation: int, noted: TaskNoted
) -> Fate:
    query = "note_received" if noted.what == Noted.RECEIVED else "note_withdrawn"
    await connection.execute(_QUERIES[query], noted.task, device_id, installation)
    return Fate()


async def _answer(
    connection: asyncpg.Connection, device_id: int, installation: int, given: Answered
) -> Fate:
    number = given.task
    task = await connection.fetchrow(_QUERIES["task_to_answer"], number, device_id)
    if task is None:
        return _not_accepted(RefusalCode.UNKNOWN_TASK, f"task {number}")
    if given.answer not in ANSWERS[TaskKind[task["kind"].upper()]]:
        detail = f"task {number}: {given.answer.name.lower()} is no answer to {task['kind']}"
        return _not_accepted(RefusalCode.BAD_ANSWER, detail)
    answered_at = datetime.fromtimestamp(given.answered_at, UTC)
    answer = (given.answer.name.lower(), given.text, answered_at)
    if answer == (task["answer"], task["answer_text"], task["answered_at"]):
        return Fate(Receipt.ACCEPTED)
    state = task["state"]
    if not task["is_over"]:
        if not task["is_past"]:
            await connection.execute(_QUERIES["receive_to_answer"], number, installation)
            await connection.execute(_QUERIES["answer"], number, *answer)
            return Fate(Receipt.ACCEPTED)
        await connection.execute(_QUERIES["expire_one"], number)
        state = "expired"
    await connection.execute(_QUERIES["keep_late_answer"], number, state, *answer)
    return Fate(Receipt.LATE)


def _not_accepted(code: RefusalCode, detail: str) -> Fate:
    return Fate(Receipt.NOT_ACCEPTED, code, detail)
