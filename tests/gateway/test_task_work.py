"""Work on tasks within a transaction: requests, cancellations, notes, answers, done twice."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from gateway.protocol.errors import RefusalCode
from gateway.protocol.task_messages import ANSWERS, Answer, Noted, Receipt, TaskKind
from gateway.store import open_pool
from gateway.task_request import MAX_LIFE_SECONDS, Action, Cancellation, Malformed
from gateway.task_work import Fate, RequestVerdict, Work, do, locking_order
from gateway.tasks import Tasks
from tests.helpers.served_gateway import register
from tests.helpers.task_requests import ahead, answered, build_request, let_all_be_past, noted

pytestmark = pytest.mark.asyncio

ACCEPTED = Fate(Receipt.ACCEPTED)
LATE = Fate(Receipt.LATE)


class World:
    """Tasks of devices 1 to 3, and their tables."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool
        self.tasks = Tasks(pool, retry_seconds=60)

    async def do(self, *works: Any) -> list[Any]:
        """What became of each."""
        return await self.tasks.settle(works)

    async def verdict(self, work: Any) -> RequestVerdict:
        """What became of a request or a cancellation."""
        (verdict,) = await self.do(work)
        assert isinstance(verdict, RequestVerdict)
        return verdict

    async def reason(self, work: Any) -> str | None:
        """Why it was refused."""
        verdict = await self.verdict(work)
        assert (verdict.accepted, verdict.tasks) == (False, 0)
        return verdict.reason

    async def deliver(self, device: int = 1) -> None:
        """Send everything to a device."""
        await self.tasks.claim_due([(device, 1)])

    async def values(self, query: str) -> list[Any]:
        """The first column."""
        return [row[0] for row in await self.pool.fetch(query)]

    async def states(self) -> list[str]:
        """State of each task."""
        return await self.values("SELECT state FROM task ORDER BY number")

    async def changes(self) -> list[str]:
        """What they have become, in order."""
        return await self.values("SELECT state FROM task_change ORDER BY id")


@pytest_asyncio.fixture
async def world(database_dsn: str) -> AsyncIterator[World]:
    """Devices 1 to 3 without tasks."""
    await register(database_dsn)
    pool = await open_pool(database_dsn, size=4)
    yield World(pool)
    pool.terminate()


async def test_asking_twice_makes_one_task(world: World) -> None:
    """The same content: accepted again. Another: refused, and the first stays."""
    request = build_request()
    assert await world.verdict(request) == RequestVerdict(accepted=True, tasks=1)
    assert await world.verdict(request) == RequestVerdict(accepted=True, repeated=True)
    until = request.expires_at.isoformat()
    differences: list[dict[str, Any]] = [
        {"text": "other"}, {"kind": "check"}, {"to": {"device": 2}}, {"to": {"all": True}},
        {"case_number": "C"}, {"grid": "4" * 14}, {"position": {"lat": 1, "lon": 1}},
        {"pictures": ["x"]}, {"not_before": ahead(9)}, {"expires_at": ahead(9_999)},
    ]  # fmt: skip
    for changes in differences:
        other = build_request(**{"expires_at": until, **changes})
        assert await world.reason(other) == "id: r1 was used before, with other content"
    assert await world.states() == ["queued"]


async def test_asking_at_two_gateways_at_once_makes_one_task(world: World) -> None:
    """One makes it, all others find it made."""
    request = build_request()
    verdicts = await asyncio.gather(*(world.verdict(request) for _ in range(4)))
    assert sorted(verdict.tasks for verdict in verdicts) == [0, 0, 0, 1]
    assert all(verdict.accepted for verdict in verdicts)
    assert await world.states() == ["queued"]


async def test_two_gateways_never_decide_otherwise(world: World) -> None:
    """One has accepted a request and not committed it when its time is over. Another, which gets it
    only now, waits and says the same, instead of refusing what is there.
    """
    request = build_request(expires_at=ahead(0.5))
    async with world.pool.acquire() as slow, asyncio.TaskGroup() as tasks:
        async with slow.transaction():
            assert await do(slow, request) == RequestVerdict(accepted=True, tasks=1)
            while await slow.fetchval("SELECT clock_timestamp() < $1", request.expires_at):  # noqa: ASYNC110 -- a clock of another
                await asyncio.sleep(0.01)
            late = tasks.create_task(world.verdict(request))
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            async with asyncio.timeout(10):
                while not (late.done() or await slow.fetchval(waiting)):  # noqa: ASYNC110 -- a fact of the database
                    await asyncio.sleep(0.01)
        assert await late == RequestVerdict(accepted=True, repeated=True)


async def test_nothing_is_accepted_that_another_has_refused(world: World) -> None:
    """A transaction that began while there was time judges by the moment, as the other did."""
    request = build_request(expires_at=ahead(0.5))
    async with world.pool.acquire() as slow, slow.transaction():
        while await slow.fetchval("SELECT clock_timestamp() < $1", request.expires_at):  # noqa: ASYNC110 -- a clock of another
            await asyncio.sleep(0.01)
        assert "is past" in str(await world.reason(request))
        assert not (await do(slow, request)).accepted  # type: ignore[union-attr]  # of a request it is a verdict


async def test_one_task_for_each_device_of_the_target(world: World) -> None:
    """A device, a street, all; those that are revoked get none."""
    await world.pool.execute("UPDATE device SET street_code = 440307003 WHERE id < 3")
    await world.pool.execute("UPDATE device SET revoked_at = now() WHERE id = 2")
    assert (await world.verdict(build_request())).tasks == 1
    assert (await world.verdict(build_request("r2", to={"street": "440307003"}))).tasks == 1
    assert (await world.verdict(build_request("r3", to={"all": True}))).tasks == 2
    assert await world.values("SELECT device_id FROM task ORDER BY number") == [1, 1, 1, 3]


async def test_nobody_there(world: World) -> None:
    """Refused, so that nobody waits for an answer; the id may be used again."""
    await world.pool.execute("UPDATE device SET revoked_at = now() WHERE id = 2")
    for target, reason in (
        ({"device": 9}, "to: device 9 is not registered, or revoked"),
        ({"device": 2}, "to: device 2 is not registered, or revoked"),
        ({"street": "440307999"}, "to: there is no device in street 440307999"),
    ):
        assert await world.reason(build_request(to=target)) == reason
    await world.pool.execute("UPDATE device SET revoked_at = now()")
    assert await world.reason(build_request(to={"all": True})) == "to: there is no device"
    await world.pool.execute("UPDATE device SET revoked_at = NULL")
    assert (await world.verdict(build_request())).tasks == 1


async def test_times_matter_only_for_what_is_new(world: World, database_dsn: str) -> None:
    """A broker may bring an accepted request again when its time has passed."""
    late = build_request(expires_at=ahead(-1))
    assert "is past" in (await world.reason(late) or "")
    assert "days ahead" in (
        await world.reason(build_request(expires_at=ahead(MAX_LIFE_SECONDS + 60))) or ""
    )
    async with world.pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await world.verdict(build_request(expires_at=ahead(100)))
        await connection.execute("UPDATE task_request SET expires_at = $1", late.expires_at)
    assert (await world.verdict(late)).repeated


async def test_superseding(world: World) -> None:
    """The open tasks of the earlier request end with the new one; what is over stays."""
    await world.do(build_request(to={"all": True}))
    await world.deliver()
    await world.do(noted(1), answered(1))
    newer = build_request("r2", supersedes="r1", to={"device": 3})
    assert (await world.verdict(newer)).tasks == 1
    assert (await world.verdict(newer)).repeated
    assert await world.states() == ["answered", "superseded", "superseded", "queued"]
    by = await world.values("SELECT superseded_by FROM task_change WHERE state = 'superseded'")
    assert by == ["r2", "r2"]
    unknown = build_request("r3", supersedes="r9")
    assert await world.reason(unknown) == "supersedes: there is no request r9"


async def test_a_refused_request_supersedes_nothing(world: World) -> None:
    """All or nothing."""
    await world.do(build_request())
    await world.reason(build_request("r2", supersedes="r1", to={"device": 9}))
    assert await world.states() == ["queued"]


async def test_cancelling(world: World) -> None:
    """What is open; again, unknown, and all over are told apart."""
    await world.do(build_request(to={"all": True}))
    await world.deliver()
    await world.do(answered(1))
    cancellation = Cancellation(id="r1", reason="solved")
    assert await world.verdict(cancellation) == RequestVerdict(accepted=True, tasks=2)
    assert await world.verdict(cancellation) == RequestVerdict(accepted=True, repeated=True)
    assert await world.states() == ["answered", "cancelled", "cancelled"]
    assert await world.reason(Cancellation(id="r9")) == "id: there is no request r9"
    await world.do(build_request("r2"))
    await world.deliver()
    await world.do(answered(4))
    over = await world.reason(Cancellation(id="r2"))
    assert over == "nothing to cancel: all its tasks are over"
    assert await world.values("SELECT asker_reason FROM task_verdict WHERE action = 'cancel'") == [
        "solved", "solved", None, None,
    ]  # fmt: skip


async def test_what_is_malformed_has_its_verdict(world: World) -> None:
    """Kept with its reason, for whoever asked."""
    assert await world.reason(Malformed("", Action.CANCEL, "no JSON")) == "no JSON"
    row = await world.pool.fetchrow("SELECT request, action, accepted, reason FROM task_verdict")
    assert tuple(row) == ("", "cancel", False, "no JSON")


async def test_a_note(world: World) -> None:
    """Of the device and installation that it was sent to; else nothing happens."""
    await world.do(build_request())
    assert await world.do(noted(1)) == [Fate()]
    assert await world.states() == ["queued"]
    await world.deliver()
    stale = (noted(1, device=2), noted(1, installation=2), noted(1, Noted.WITHDRAWN), noted(9))
    assert await world.do(*stale) == [Fate()] * 4
    assert await world.states() == ["sent"]
    await world.do(noted(1), noted(1))
    assert await world.changes() == ["queued", "sent", "received"]


async def test_an_answer_implies_that_it_was_received(world: World) -> None:
    """Both changes are kept, even if the note was lost; the same answer again changes nothing."""
    await world.do(build_request())
    await world.deliver()
    assert await world.do(answered(1), answered(1)) == [ACCEPTED, ACCEPTED]
    assert await world.changes() == ["queued", "sent", "received", "answered"]
    row = await world.pool.fetchrow("SELECT answer, answer_text, next_try_at FROM task")
    assert tuple(row) == ("exists", "在", None)


async def test_an_answer_from_another_installation(world: World) -> None:
    """It is the inspector's all the same."""
    await world.do(build_request())
    await world.deliver()
    assert await world.do(answered(1, installation=8)) == [ACCEPTED]


@pytest.mark.parametrize("over", ["answered", "expired", "cancelled", "past"])
async def test_a_late_answer(world: World, database_dsn: str, over: str) -> None:
    """Kept once, and the task stays; also when nobody has noticed yet that its time is over."""
    await world.do(build_request())
    await world.deliver()
    if over == "answered":
        await world.do(answered(1, Answer.ABSENT))
    elif over == "cancelled":
        await world.do(Cancellation(id="r1"))
    else:
        await let_all_be_past(database_dsn)
        if over == "expired":
            await world.tasks.expire()
    assert await world.do(answered(1), answered(1)) == [LATE, LATE]
    state = "expired" if over == "past" else over
    assert await world.states() == [state]
    rows = await world.pool.fetch(
        "SELECT previous, state, answer, answer_text FROM task_change WHERE late_answer"
    )
    assert [tuple(row) for row in rows] == [(state, state, "exists", "在")]


async def test_what_is_not_accepted(world: World) -> None:
    """Of another device, of nobody, never sent, of a notice; the tasks stay as they were."""
    await world.do(build_request(), build_request("r2"), build_request("r3", kind="notice"))
    await world.pool.execute("UPDATE task SET next_try_at = NULL WHERE number = 2")
    await world.deliver()
    unknown = [answered(1, device=2), answered(99), answered(2)]
    fates = await world.do(*unknown, answered(3))
    codes = [RefusalCode.UNKNOWN_TASK] * 3 + [RefusalCode.BAD_ANSWER]
    assert [fate.code for fate in fates] == codes
    assert {fate.receipt for fate in fates} == {Receipt.NOT_ACCEPTED}
    assert fates[3].detail == "task 3: exists is no answer to notice"
    assert await world.states() == ["sent", "queued", "sent"]


async def test_results_come_in_the_order_of_the_work(world: World) -> None:
    """Whatever order the locks are taken in."""
    await world.do(build_request(), build_request("r2"))
    await world.deliver()
    assert await world.do(build_request("r3"), answered(2), noted(1), answered(9), answered(1)) == [
        RequestVerdict(accepted=True, tasks=1),
        ACCEPTED,
        Fate(),
        Fate(Receipt.NOT_ACCEPTED, RefusalCode.UNKNOWN_TASK, "task 9"),
        ACCEPTED,
    ]
    works: list[Work] = [build_request(), answered(2), noted(1)]
    assert sorted(works, key=locking_order) == [works[2], works[1], works[0]]


@pytest.mark.parametrize("kind", list(TaskKind))
async def test_which_answer_suits_which_kind(world: World, kind: TaskKind) -> None:
    """The database holds the same table as the protocol."""
    name = kind.name.lower()
    held = await world.values(f"SELECT answer FROM task_kind_answer WHERE kind = '{name}'")
    assert sorted(held) == sorted(answer.name.lower() for answer in ANSWERS[kind])
