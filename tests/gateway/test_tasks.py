"""Tasks in the database: asked, claimed by one gateway at a time, expired, listed."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from gateway import tasks as module
from gateway.protocol.task_messages import (
    Noted,
    Task,
    TaskKind,
    TaskWithdrawal,
    Withdrawal,
)
from gateway.protocol.text import decode_text
from gateway.store import open_pool
from gateway.store_errors import StoreUnavailableError
from gateway.task_request import Cancellation
from gateway.tasks import Tasks
from tests.helpers.served_gateway import register
from tests.helpers.task_requests import ahead, answered, build_request, let_all_be_past, noted

pytestmark = pytest.mark.asyncio

RETRY_SECONDS = 60.0
HERE = [(1, 1)]
"""Device 1 with its first installation."""


@pytest_asyncio.fixture
async def pool(database_dsn: str) -> AsyncIterator[asyncpg.Pool]:
    """Connections to a database of the test's own with devices 1 to 3."""
    await register(database_dsn)
    pool = await open_pool(database_dsn, size=4)
    yield pool
    pool.terminate()


@pytest.fixture
def tasks(pool: asyncpg.Pool) -> Tasks:
    """Tasks, of which there are none."""
    return Tasks(pool, retry_seconds=RETRY_SECONDS)


async def numbers_due(tasks: Tasks, devices: list[tuple[int, int]] = HERE) -> list[int]:
    """Numbers of the tasks that are claimed now."""
    return [claimed.message.task for claimed in await tasks.claim_due(devices)]


async def pass_retry(pool: asyncpg.Pool) -> None:
    """Let the retry time pass."""
    await pool.execute("UPDATE task SET next_try_at = now() WHERE next_try_at IS NOT NULL")


async def states(tasks: Tasks) -> list[str]:
    """State of each task."""
    return [task.state for task in await tasks.list()]


async def test_a_claimed_task_says_all_that_was_asked(tasks: Tasks) -> None:
    """Everything of the request stands in the message."""
    request = build_request(
        kind="check",
        case_number="C-1",
        grid="44030700300101",
        position={"lat": 22.5, "lon": 114.1},
        pictures=["https://example/1.jpg"],
    )
    await tasks.settle([request])
    ((device, message),) = [(c.device_id, c.message) for c in await tasks.claim_due(HERE)]
    assert device == 1
    assert isinstance(message, Task)
    assert decode_text(message.text, 500) == request.text
    assert (message.task, message.kind, message.case_number) == (1, TaskKind.CHECK, "C-1")
    assert (message.grid, message.lat_e5, message.lon_e5) == (
        44030700300101,
        2_250_000,
        11_410_000,
    )
    assert message.pictures == ["https://example/1.jpg"]
    assert message.expires_at == int(request.expires_at.timestamp())
    assert message.issued_at < message.expires_at


async def test_what_is_claimed_is_due_again_after_the_retry(
    tasks: Tasks, pool: asyncpg.Pool
) -> None:
    """Not before; and not at all when it was noted."""
    await tasks.settle([build_request()])
    assert await numbers_due(tasks) == [1]
    assert await numbers_due(tasks) == []
    waits = await pool.fetchval("SELECT next_try_at - sent_at FROM task")
    assert waits.total_seconds() == RETRY_SECONDS
    await pass_retry(pool)
    assert await numbers_due(tasks) == [1]
    await tasks.settle([noted(1)])
    await pass_retry(pool)
    assert await numbers_due(tasks) == []
    assert [(task.attempts, task.state) for task in await tasks.list()] == [(2, "received")]


async def test_only_the_devices_that_are_here(tasks: Tasks) -> None:
    """A device sees only its own tasks."""
    await tasks.settle([build_request(to={"all": True})])
    claimed = await tasks.claim_due([(2, 1), (3, 9)])
    assert [(task.device_id, task.message.task) for task in claimed] == [(2, 2), (3, 3)]
    assert await tasks.claim_due([]) == []


async def test_nothing_before_its_time(tasks: Tasks, pool: asyncpg.Pool) -> None:
    """Neither at a poll nor at a greeting; then it is due."""
    await tasks.settle([build_request(not_before=ahead(600))])
    assert await tasks.claim_due(HERE) == await tasks.claim_arrived(HERE) == []
    await pass_retry(pool)
    assert await numbers_due(tasks) == [1]


async def test_nothing_after_its_expiry(
    tasks: Tasks, pool: asyncpg.Pool, database_dsn: str
) -> None:
    """At once when it is past, whether or not somebody has expired it yet."""
    await tasks.settle([build_request()])
    await let_all_be_past(database_dsn)
    assert await tasks.claim_due(HERE) == await tasks.claim_arrived(HERE) == []
    assert await tasks.expire() == 1
    assert await tasks.expire() == 0
    assert await states(tasks) == ["expired"]


async def test_what_expires(tasks: Tasks, pool: asyncpg.Pool, database_dsn: str) -> None:
    """Queued, sent, and received without an answer; not what is over, nor a notice received."""
    await tasks.settle([build_request(f"r{n}") for n in range(1, 5)])
    await tasks.settle([build_request("n1", kind="notice"), build_request("n2", kind="notice")])
    await tasks.settle([Cancellation(id="r1")])
    assert await numbers_due(tasks) == [2, 3, 4, 5, 6]
    await tasks.settle([noted(3), noted(4), answered(4), noted(5), build_request("r7")])
    await let_all_be_past(database_dsn)
    assert await tasks.expire() == 4
    assert await states(tasks) == [
        "cancelled", "expired", "expired", "answered", "received", "expired", "expired",
    ]  # fmt: skip


async def test_expiry_is_done_in_pieces(
    tasks: Tasks, pool: asyncpg.Pool, database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are, one statement ends a bounded number."""
    monkeypatch.setattr(module, "MAX_EXPIRED", 2)
    await tasks.settle([build_request(to={"all": True})])
    await let_all_be_past(database_dsn)
    assert [await tasks.expire() for _ in range(3)] == [2, 1, 0]


async def test_a_greeting_brings_what_was_not_noted(tasks: Tasks) -> None:
    """It may have been sent into a dead link."""
    await tasks.settle([build_request()])
    assert await numbers_due(tasks) == [1]
    assert [task.message.task for task in await tasks.claim_arrived(HERE)] == [1]
    await tasks.settle([noted(1)])
    assert await tasks.claim_arrived(HERE) == []


async def test_a_wiped_handset_gets_it_again(tasks: Tasks) -> None:
    """Under its new installation, until it is noted there; a note of the old one is stale."""
    await tasks.settle([build_request(), build_request("n", kind="notice")])
    await tasks.claim_due(HERE)
    await tasks.settle([noted(1), noted(2)])
    anew = [(1, 2)]
    assert [task.message.task for task in await tasks.claim_arrived(anew)] == [1]
    await tasks.settle([noted(1)])
    assert [task.message.task for task in await tasks.claim_arrived(anew)] == [1]
    await tasks.settle([noted(1, installation=2)])
    assert await tasks.claim_arrived(anew) == []


async def test_two_gateways_never_send_at_once(tasks: Tasks, pool: asyncpg.Pool) -> None:
    """Of many that claim at the same moment one gets each task; what one is claiming is skipped."""
    await tasks.settle([build_request(f"r{n}") for n in range(30)])
    others = [Tasks(pool, retry_seconds=RETRY_SECONDS) for _ in range(4)]
    for way in ("claim_due", "claim_arrived"):
        claims = await asyncio.gather(*(getattr(other, way)(HERE) for other in others))
        claimed = [task.message.task for claim in claims for task in claim]
        if way == "claim_due":
            assert sorted(claimed) == list(range(1, 31))
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM task WHERE number = 1 FOR UPDATE")
        assert 1 not in [task.message.task for task in await tasks.claim_arrived(HERE)]


async def test_a_claim_is_bounded(tasks: Tasks, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left follows with the next, oldest first."""
    monkeypatch.setattr(module, "MAX_CLAIMED", 2)
    await tasks.settle([build_request(f"r{n}") for n in range(3)])
    assert [await numbers_due(tasks) for _ in range(3)] == [[1, 2], [3], []]


@pytest.mark.parametrize("way", ["cancel", "supersede"])
async def test_a_withdrawal_is_sent_until_it_is_noted(
    tasks: Tasks, pool: asyncpg.Pool, way: str
) -> None:
    """With its reason; also at a greeting; not when the task was never sent."""
    other = build_request("new", supersedes="r1", to={"device": 2})
    work: Any = Cancellation(id="r1") if way == "cancel" else other
    reason = Withdrawal.CANCELLED if way == "cancel" else Withdrawal.SUPERSEDED
    await tasks.settle([build_request()])
    await tasks.claim_due(HERE)
    await tasks.settle([work])
    for claimed in (await tasks.claim_due(HERE), await tasks.claim_arrived(HERE)):
        assert [task.message for task in claimed] == [TaskWithdrawal(1, reason)]
    await tasks.settle([noted(1, Noted.WITHDRAWN)])
    await pass_retry(pool)
    assert await tasks.claim_due(HERE) == await tasks.claim_arrived(HERE) == []
    assert await pool.fetchval("SELECT withdrawal_noted_at IS NOT NULL FROM task WHERE number = 1")


async def test_what_was_never_sent_is_not_withdrawn(tasks: Tasks) -> None:
    """The handset does not know it."""
    await tasks.settle([build_request()])
    await tasks.settle([Cancellation(id="r1")])
    assert await tasks.claim_due(HERE) == await tasks.claim_arrived(HERE) == []


async def test_a_withdrawal_ends_with_its_task(
    tasks: Tasks, pool: asyncpg.Pool, database_dsn: str
) -> None:
    """What has expired the handset does not show anyway; the state stays."""
    await tasks.settle([build_request()])
    await tasks.claim_due(HERE)
    await tasks.settle([Cancellation(id="r1")])
    await let_all_be_past(database_dsn)
    assert await tasks.claim_due(HERE) == []
    assert await tasks.expire() == 0
    assert await pool.fetchval("SELECT next_try_at IS NULL AND state = 'cancelled' FROM task")


async def test_list_and_history(tasks: Tasks, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over several pages, selected by state, device and request; every change with its time."""
    monkeypatch.setattr(module, "LIST_PAGE_TASKS", 2)
    await tasks.settle([build_request(to={"all": True}), build_request("r2")])
    await tasks.claim_due(HERE)
    await tasks.settle([answered(1)])
    assert [task.number for task in await tasks.list()] == [1, 2, 3, 4]
    assert [task.number for task in await tasks.list(state="queued")] == [2, 3]
    assert [task.number for task in await tasks.list(device_id=1)] == [1, 4]
    assert [task.number for task in await tasks.list(request="r2")] == [4]
    verdicts, changes = await tasks.history("r1")
    assert [(v.action, v.accepted, v.tasks) for v in verdicts] == [("request", True, 3)]
    of_first = [change for change in changes if change.task == 1]
    assert [(change.previous, change.state) for change in of_first] == [
        (None, "queued"),
        ("queued", "sent"),
        ("sent", "received"),
        ("received", "answered"),
    ]
    assert of_first == sorted(of_first, key=lambda change: change.at)
    assert (of_first[3].answer, of_first[3].answer_text) == ("exists", "在")


async def test_the_relay_is_told(tasks: Tasks, pool: asyncpg.Pool) -> None:
    """One publication for what a statement changed, in order; each change and verdict in one."""
    await tasks.settle([build_request(to={"all": True})])
    await tasks.claim_due([(1, 1), (2, 1)])
    rows = await pool.fetch("SELECT task_change_id, task_verdict_id FROM publication ORDER BY id")
    assert [tuple(row) for row in rows] == [([1, 2, 3], []), ([], [1]), ([4, 5], [])]


async def test_gateways_and_relay_are_woken(tasks: Tasks, database_dsn: str) -> None:
    """At the commit: by what is new, and by what is withdrawn; not by what a device says."""
    heard: list[str] = []
    listener = await asyncpg.connect(database_dsn)
    for channel in ("task", "publication"):
        await listener.add_listener(channel, lambda _c, _pid, name, _load: heard.append(name))

    async def told() -> set[str]:
        await listener.execute("SELECT 1")
        names = set(heard)
        heard.clear()
        return names

    await tasks.settle([build_request()])
    assert await told() == {"task", "publication"}
    await tasks.claim_due(HERE)
    await tasks.settle([noted(1)])
    assert await told() == {"publication"}
    await tasks.settle([Cancellation(id="r1")])
    assert await told() == {"task", "publication"}
    await listener.close()


async def test_looking_costs_an_index(tasks: Tasks, pool: asyncpg.Pool) -> None:
    """With a hundred thousand tasks that are over, neither claiming nor expiring reads them."""
    await tasks.settle([build_request()])
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute(
            "INSERT INTO task_request (id, kind, text, case_number, pictures, expires_at)"
            " SELECT 'old' || n, 'notice', 't', '', '{}', now() FROM generate_series(1, 100000) n"
        )
        await connection.execute(
            "INSERT INTO task (request, kind, device_id, expires_at, state)"
            " SELECT 'old' || n, 'notice', 1 + n % 3, now(), 'received'"
            " FROM generate_series(1, 100000) n"
        )
    await pool.execute("ANALYZE task")
    for name, arguments in (
        ("claim_due", ([1, 2, 3], [1, 1, 1], timedelta(seconds=1), 9, 0)),
        ("claim_arrived", ([1, 2, 3], [1, 1, 1], timedelta(seconds=1), 9, 0)),
        ("expire", (9,)),
    ):
        plan = await pool.fetch(f"EXPLAIN {module._QUERIES[name]}", *arguments)
        text = "\n".join(row[0] for row in plan)
        assert "Seq Scan on task" not in text, text


async def test_database_away(database_dsn: str) -> None:
    """Away is said as the store says it; a number that no column holds is the caller's fault."""
    pool = await open_pool(database_dsn, size=1)
    tasks = Tasks(pool, retry_seconds=1)
    with pytest.raises(asyncpg.DataError):
        await tasks.list(device_id=2**63)
    await pool.close()
    for work in (tasks.expire(), tasks.claim_due(HERE), tasks.settle([build_request()])):
        with pytest.raises(StoreUnavailableError):
            await work
