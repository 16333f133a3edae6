"""What the tables of tasks refuse by themselves, whoever writes to them."""

from collections.abc import AsyncIterator
from itertools import product

import asyncpg
import pytest
import pytest_asyncio

from tests.helpers.served_gateway import register

pytestmark = pytest.mark.asyncio

KINDS = ("verify", "check", "notice")
STATES = ("queued", "sent", "received", "answered", "expired", "cancelled", "superseded")
ENDS = {"expired", "cancelled", "superseded"}
LEGAL = {
    "queued": {"sent"} | ENDS,
    "sent": {"received"} | ENDS,
    "received": {"sent", "answered"} | ENDS,
}
"""Of a task that is answered; a notice ends when it is received."""


def is_legal(kind: str, previous: str, state: str) -> bool:
    """Whether a task may go from one state to another."""
    if kind == "notice" and previous == "received":
        return False
    return state in LEGAL.get(previous, set())


@pytest_asyncio.fixture
async def connection(database_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """With a request of each kind for device 1, and nothing else."""
    await register(database_dsn)
    connection = await asyncpg.connect(database_dsn)
    await connection.execute(
        "INSERT INTO task_request (id, kind, text, case_number, pictures, expires_at)"
        " SELECT kind::text, kind, 't', '', '{}', now() + interval '1 hour'"
        " FROM unnest(enum_range(NULL::task_kind)) AS kind"
    )
    yield connection
    await connection.close()


ANSWERS = {"verify": "exists", "check": "passed", "notice": "unable"}

SET = {
    "answered": "state = 'answered', answer_text = '', answered_at = now(), answer = ",
    "superseded": "state = 'superseded', superseded_by = 'x'",
}


def assignment(kind: str, state: str) -> str:
    """What goes with a state."""
    tail = f"'{ANSWERS[kind]}'" if state == "answered" else ""
    return SET.get(state, f"state = '{state}'") + tail


async def insert(connection: asyncpg.Connection, kind: str = "verify") -> None:
    """A new task of this kind."""
    await connection.execute(
        "INSERT INTO task (request, kind, device_id, expires_at)"
        f" VALUES ('{kind}', '{kind}', 1, now() + interval '1 hour')"
    )


async def put(connection: asyncpg.Connection, kind: str, state: str) -> None:
    """A task that is in this state, past all rules."""
    await connection.execute("SET session_replication_role = replica")
    await connection.execute("DELETE FROM task")
    await insert(connection, kind)
    if not (kind == "notice" and state == "answered"):  # no notice can be
        await connection.execute(f"UPDATE task SET {assignment(kind, state)}")
    await connection.execute("RESET session_replication_role")


@pytest.mark.parametrize("kind", KINDS)
async def test_all_transitions(connection: asyncpg.Connection, kind: str) -> None:
    """Each of the 42 pairs: the legal ones go through, the others raise and change nothing."""
    for previous, state in product(STATES, STATES):
        if state == previous or (kind == "notice" and "answered" in {previous, state}):
            continue
        await put(connection, kind, previous)
        before = await connection.fetchval("SELECT count(*) FROM task_change")
        cleared = "answer = NULL, answer_text = NULL, answered_at = NULL, superseded_by = NULL, "
        change = (cleared if previous in SET and state not in SET else "") + assignment(kind, state)
        if is_legal(kind, previous, state):
            await connection.execute(f"UPDATE task SET {change}")
        else:
            with pytest.raises(asyncpg.RestrictViolationError, match="does not go from"):
                await connection.execute(f"UPDATE task SET {change}")
        after = await connection.fetchval("SELECT count(*) FROM task_change")
        assert after - before == is_legal(kind, previous, state), (kind, previous, state)


async def test_a_notice_takes_no_answer(connection: asyncpg.Connection) -> None:
    """Not even from a state that would allow it."""
    for state in ("queued", "sent", "received"):
        await put(connection, "notice", state)
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await connection.execute(f"UPDATE task SET {assignment('notice', 'answered')}")


@pytest.mark.parametrize("kind, answer", [("verify", "passed"), ("check", "exists")])
async def test_an_answer_must_suit_its_kind(
    connection: asyncpg.Connection, kind: str, answer: str
) -> None:
    """The other kind's is refused."""
    await put(connection, kind, "received")
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await connection.execute(f"UPDATE task SET {SET['answered']}'{answer}'")


@pytest.mark.parametrize("state", [state for state in STATES if state != "queued"])
async def test_a_task_begins_as_queued(connection: asyncpg.Connection, state: str) -> None:
    """And as nothing else."""
    with pytest.raises(asyncpg.RestrictViolationError, match="begins as queued"):
        await connection.execute(
            "INSERT INTO task (request, kind, device_id, expires_at, state)"
            f" VALUES ('verify', 'verify', 1, now(), '{state}')"
        )


@pytest.mark.parametrize(
    "change",
    [
        "device_id = 2", "kind = 'check'", "request = 'check'", "expires_at = now()",
        "issued_at = now() + interval '1 s'",
    ],
)  # fmt: skip
async def test_what_a_task_is_never_changes(connection: asyncpg.Connection, change: str) -> None:
    """Whatever its state."""
    await insert(connection)
    with pytest.raises(asyncpg.RestrictViolationError, match="does not change"):
        await connection.execute(f"UPDATE task SET {change}")


@pytest.mark.parametrize(
    "change", ["answer = 'absent'", "answer_text = 'x'", "answered_at = now()"]
)
async def test_how_it_ended_never_changes(connection: asyncpg.Connection, change: str) -> None:
    """An answer stands."""
    await put(connection, "verify", "answered")
    with pytest.raises(asyncpg.RestrictViolationError, match="how it ended"):
        await connection.execute(f"UPDATE task SET {change}")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM task", "TRUNCATE task CASCADE", "DELETE FROM task_change",
        "UPDATE task_change SET at = now()", "TRUNCATE task_change", "DELETE FROM task_verdict",
        "UPDATE task_verdict SET accepted = true", "UPDATE task_request SET text = 'x'",
        "DELETE FROM task_request",
        "INSERT INTO task_transition VALUES ('notice', 'expired', 'sent')",
        "DELETE FROM task_transition", "UPDATE task_kind_answer SET kind = 'check'",
    ],
)  # fmt: skip
async def test_history_and_rules_cannot_be_rewritten(
    connection: asyncpg.Connection, statement: str
) -> None:
    """责任可倒查: what was written stays."""
    await insert(connection)
    with pytest.raises(asyncpg.RestrictViolationError, match="is not allowed"):
        await connection.execute(statement)


@pytest.mark.parametrize(
    "columns, values",
    [
        ("task, state", "1, 'sent'"),
        ("task, state, previous, late_answer, answer, answer_text, answered_at",
         "1, 'queued', 'queued', true, 'exists', '', now()"),
    ],
    ids=["a change", "late for an open task"],
)  # fmt: skip
async def test_nobody_else_writes_changes(
    connection: asyncpg.Connection, columns: str, values: str
) -> None:
    """They are what happened to tasks, and late answers of tasks that are over."""
    await insert(connection)
    with pytest.raises(asyncpg.RestrictViolationError):
        await connection.execute(f"INSERT INTO task_change ({columns}) VALUES ({values})")


@pytest.mark.parametrize(
    "values",
    ["'cancelled', 'cancelled', 'passed', '', now()",
     "'cancelled', 'cancelled', 'exists', NULL, NULL",
     "'expired', 'expired', 'exists', '', now()", "'cancelled', NULL, 'exists', '', now()"],
    ids=["unsuitable", "half", "other state", "no previous"],
)  # fmt: skip
async def test_a_late_answer_is_whole(connection: asyncpg.Connection, values: str) -> None:
    """With an answer that suits the task, and the state that it has."""
    await insert(connection)
    await connection.execute("UPDATE task SET state = 'cancelled'")
    number = await connection.fetchval("SELECT number FROM task")
    with pytest.raises(asyncpg.RestrictViolationError):
        await connection.execute(
            "INSERT INTO task_change"
            " (task, state, previous, answer, answer_text, answered_at, late_answer)"
            f" VALUES ({number}, {values}, true)"
        )


@pytest.mark.parametrize(
    "column, good, bad",
    [
        ("text", "repeat('x', 500)", "repeat('x', 501)"),
        ("text", "'x'", "''"),
        ("case_number", "repeat('x', 64)", "repeat('x', 65)"),
        ("grid", "999999999999999", "1000000000000000"),
        ("pictures", "array_fill('x'::text, ARRAY[9])", "array_fill('x'::text, ARRAY[10])"),
        ("pictures", "ARRAY[repeat('x', 2304)]", "ARRAY[repeat('x', 2305)]"),
        ("id", "repeat('x', 64)", "repeat('x', 65)"),
    ],
)
async def test_what_could_not_be_sent_is_not_taken(
    connection: asyncpg.Connection, column: str, good: str, bad: str
) -> None:
    """Whoever writes it: a task must fit a frame."""
    values = {"id": "'n'", "kind": "'notice'", "text": "'t'", "case_number": "''"}
    values |= {"pictures": "'{}'", "expires_at": "now()"}
    for value in (bad, good):
        row = {**values, column: value}
        statement = f"INSERT INTO task_request ({','.join(row)}) SELECT {','.join(row.values())}"
        if value == good:
            await connection.execute(statement)
        else:
            with pytest.raises(asyncpg.CheckViolationError):
                await connection.execute(statement)


async def test_the_readable_view(connection: asyncpg.Connection) -> None:
    """One line a task, with what was asked."""
    await insert(connection)
    row = await connection.fetchrow("SELECT request, kind, state, text FROM task_readable")
    assert tuple(row) == ("verify", "verify", "queued", "t")
