"""The counter on a real database: each report counted once, whatever happens meanwhile."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from gateway import report_counter
from gateway.cost.old_texts import OldTexts, Segments, Templates
from gateway.parcel import Parcel, Transport
from gateway.protocol.report import Report, Urgency
from gateway.protocol.task_messages import Answer
from gateway.protocol.wire_report import pack_backlog
from gateway.report_counter import (
    CountingBrokenError,
    ReportCounter,
    counter_of,
)
from gateway.settings import MeterSettings
from gateway.store import PostgresStore, open_pool
from gateway.tasks import Tasks
from gateway.uncounted import CountTables
from tests.helpers.builders import EDITION_2007, build_report, build_reports
from tests.helpers.counting import TEXTS, assert_counted, report_count, sms_avoided
from tests.helpers.device_client import greeted
from tests.helpers.fault_proxy import fault_proxy
from tests.helpers.metrics import grown, value_of
from tests.helpers.served_gateway import register, served_gateway
from tests.helpers.task_requests import answered, build_request, noted

pytestmark = pytest.mark.asyncio

POISON = "毒"


class Brittle(OldTexts):
    """Texts with a bug: one description is too much for them."""

    def of_report(self, report: Report) -> Segments:
        """As it should be, but for one."""
        if report.description == POISON:
            raise ZeroDivisionError("a bug")
        return super().of_report(report)

    def of_task(self, number: int, kind: str, text: str, case_number: str) -> int:
        """The same of tasks."""
        if text == POISON:
            raise ZeroDivisionError("a bug")
        return super().of_task(number, kind, text, case_number)


@pytest_asyncio.fixture
async def pool(database_dsn: str) -> AsyncIterator[asyncpg.Pool]:
    """Connections to a database of the test's own."""
    pool = await open_pool(database_dsn, size=6)
    yield pool
    pool.terminate()


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A counter looks for work more often than in earnest."""
    monkeypatch.setattr(report_counter, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(report_counter, "STATE_SECONDS", 0.02)


def counter(pool: asyncpg.Pool, texts: OldTexts = TEXTS, *, busy_rate: int = 0) -> ReportCounter:
    """Under test; with a rate: while reports are being written all the time."""
    settings = MeterSettings(busy_reports_per_second=busy_rate or 500)
    return ReportCounter(settings, CountTables(pool), texts, lambda: bool(busy_rate))


async def store(
    pool: asyncpg.Pool, *reports: Report, device: int = 1, transport: Transport = Transport.TCP
) -> None:
    """Store reports in one transaction, which leaves one publication."""
    parcel = Parcel(device, 1, transport, b"", list(reports))
    await PostgresStore(pool, gateway="test").write([parcel])


async def count_to_the_end(*counters: ReportCounter) -> None:
    """Rounds of all at the same time, until none finds anything."""

    async def go_on(own: ReportCounter) -> None:
        for _ in range(100):
            await own.count_some()

    await asyncio.gather(*(go_on(own) for own in counters))


@asynccontextmanager
async def running(own: ReportCounter) -> AsyncIterator[None]:
    """A counter that runs while the block lasts."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(own.run())
        yield
        task.cancel()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a fact of the database."""
    async with asyncio.timeout(20):
        while not await condition():  # noqa: ASYNC110 -- a fact of the server
            await asyncio.sleep(0.01)


async def is_all_counted(pool: asyncpg.Pool) -> bool:
    """Whether nothing waits."""
    return not (await CountTables(pool).waiting()).publications


async def test_all_kinds_of_reports_are_counted(pool: asyncpg.Pool) -> None:
    """Single ones, backlogs longer than a portion, both transports, a duplicate."""
    await store(pool, *build_reports(600))
    await store(pool, build_report(sequence=601, urgency=Urgency.EMERGENCY, description=""))
    await store(pool, *build_reports(40, kind=0, class_code=101, simple=False), device=2)
    midnight = 1_206_028_800  # in China
    mqtt = [
        build_report(sequence=n, observed_at=midnight + n - 15, component=4_403_070_101_000_001)
        for n in range(1, 31)
    ]
    await store(pool, *mqtt, device=3, transport=Transport.MQTT)
    await store(pool, build_report(sequence=600), device=1)
    await count_to_the_end(counter(pool))
    await assert_counted(pool, 671)


async def test_a_publication_larger_than_a_round(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is counted whole, in portions and slices that divide it unevenly."""
    monkeypatch.setattr(report_counter, "ROUND_REPORTS", 10)
    monkeypatch.setattr(report_counter, "PORTION_REPORTS", 7)
    monkeypatch.setattr(report_counter, "SLICE_REPORTS", 3)
    await store(pool, *build_reports(50))
    await store(pool, *build_reports(5), device=2)
    own = counter(pool)
    assert await own.count_some()
    assert len(await report_count(pool)) > 0
    await count_to_the_end(own)
    await assert_counted(pool, 55)


async def test_a_round_says_whether_there_may_be_more(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full one does: few reports must not make it run round and round."""
    monkeypatch.setattr(report_counter, "ROUND_REPORTS", 10)
    own = counter(pool)
    assert not await own.count_some()
    await store(pool, *build_reports(9))
    assert not await own.count_some()
    await store(pool, *build_reports(10), device=2)
    assert await own.count_some()
    await assert_counted(pool, 19)


async def test_tasks_are_counted(pool: asyncpg.Pool, database_dsn: str) -> None:
    """Once sent, however often; each answer."""
    await register(database_dsn)
    tasks = Tasks(pool, retry_seconds=0)
    await tasks.settle([build_request("a", text="核" * 80)])
    await tasks.claim_due([(1, 1)])
    await tasks.claim_due([(1, 1)])
    await tasks.settle([noted(1)])
    await tasks.settle([answered(1, Answer.EXISTS, "在" * 80)])
    await tasks.settle([answered(1, Answer.ABSENT)])
    await count_to_the_end(counter(pool))
    ((key, figures),) = (await sms_avoided(pool)).items()
    assert key[1:] == (1, None)
    assert figures == (0, 0, 0, 1, 2, 2, 3)
    assert await is_all_counted(pool)


async def test_counters_at_the_same_time(pool: asyncpg.Pool) -> None:
    """All calculate the same publications; each is added once."""
    for device in range(1, 31):
        await store(pool, *build_reports(20), device=device)
    await count_to_the_end(*(counter(pool) for _ in range(4)))
    await assert_counted(pool, 600)


async def test_reports_that_are_stored_meanwhile(pool: asyncpg.Pool) -> None:
    """Storing and counting at the same time lose nothing."""

    async def store_all() -> None:
        for device in range(1, 41):
            await store(pool, *build_reports(10), device=device)

    own = counter(pool)
    await asyncio.gather(store_all(), count_to_the_end(own, counter(pool)))
    await count_to_the_end(own)
    await assert_counted(pool, 400)


@pytest.mark.usefixtures("patience")
async def test_it_runs_by_itself(pool: asyncpg.Pool) -> None:
    """Finds what comes, and tells how much it was."""
    up = grown("gateway_sms_segments_avoided_total", {"direction": "up"})
    down = grown("gateway_sms_segments_avoided_total", {"direction": "down"})
    messages = grown("gateway_messages_counted_total")
    async with running(counter(pool)):
        for device in (1, 2):
            await store(pool, *build_reports(3, description="井" * 80), device=device)
            await until(lambda: is_all_counted(pool))
    await assert_counted(pool, 6)
    assert (up(), down(), messages()) == (18, 6, 6)


@pytest.mark.usefixtures("patience")
async def test_what_waits_is_told(pool: asyncpg.Pool) -> None:
    """Also by a counter that does not get to it."""
    await store(pool, *build_reports(3))
    await store(pool, *build_reports(100), device=2)
    async with running(counter(pool, busy_rate=1)):
        async with asyncio.timeout(20):
            while value_of("gateway_counting_waiting_reports") != 103:  # noqa: ASYNC110 -- a gauge
                await asyncio.sleep(0.01)
        assert value_of("gateway_counting_waiting_publications") == 2


async def test_while_reports_are_written_it_keeps_its_pace(pool: asyncpg.Pool) -> None:
    """So many a second, with rests in between, and at full speed when they are over."""
    await store(pool, *build_reports(60))
    begin = time.monotonic()
    await counter(pool, busy_rate=200).count_some()
    assert time.monotonic() - begin > 60 / 200 * 0.9
    await store(pool, *build_reports(600), device=2)
    begin = time.monotonic()
    await counter(pool).count_some()
    assert time.monotonic() - begin < 600 / 200
    await assert_counted(pool, 660)


async def test_nothing_is_locked_while_it_takes_its_time(pool: asyncpg.Pool) -> None:
    """The relay marks what it has published, and another counter overtakes; then the slow one adds
    nothing.
    """
    await store(pool, *build_reports(64))
    async with asyncio.TaskGroup() as tasks:
        slow = tasks.create_task(counter(pool, busy_rate=25).count_some())
        await asyncio.sleep(0)
        await pool.execute("UPDATE publication SET position = 1, delivered_at = now()")
        await counter(pool).count_some()
        assert not slow.done()
        await assert_counted(pool, 64)
    assert not slow.result()
    await assert_counted(pool, 64)


async def test_a_bug_in_one_publication_stops_no_other(
    pool: asyncpg.Pool, database_dsn: str
) -> None:
    """It is set aside whole, told, and counted by a program without the bug."""
    await register(database_dsn)
    await store(pool, *build_reports(3))
    await store(pool, build_report(sequence=4), build_report(sequence=5, description=POISON))
    await store(pool, *build_reports(3, first_sequence=6))
    tasks = Tasks(pool, retry_seconds=60)
    await tasks.settle([build_request("a", text=POISON)])
    await tasks.claim_due([(1, 1)])
    failures = grown("gateway_counting_failures_total")
    own = counter(pool, Brittle(Templates()))
    with capture_logs() as logs:
        await count_to_the_end(own)
    assert [line["event"] for line in logs] == ["publication_set_aside"] * 2
    assert (failures(), value_of("gateway_counting_set_aside_publications")) == (2, 2)
    assert sum(amount for (amount,) in (await report_count(pool)).values()) == 6
    assert (await CountTables(pool).waiting()).publications == 2
    await count_to_the_end(counter(pool))
    assert sum(amount for (amount,) in (await report_count(pool)).values()) == 8
    assert await is_all_counted(pool)


async def test_counts_that_no_column_holds(pool: asyncpg.Pool) -> None:
    """Found one by one; the others are added."""
    for device in (1, 2, 3):
        await store(pool, *build_reports(2), device=device)
    await count_to_the_end(counter(pool))
    await pool.execute("UPDATE sms_avoided SET reports = 9223372036854775807 WHERE device_id = 2")
    for device in (1, 2, 3):
        await store(pool, *build_reports(2, first_sequence=3), device=device)
    with capture_logs() as logs:
        await count_to_the_end(counter(pool))
    assert [line["event"] for line in logs] == ["publication_set_aside"]
    waiting = await CountTables(pool).waiting()
    assert (waiting.publications, waiting.reports) == (1, 2)
    figures = {key[1]: values[0] for key, values in (await sms_avoided(pool)).items()}
    assert (figures[1], figures[3]) == (4, 4)


@pytest.mark.usefixtures("patience")
async def test_a_bug_in_all_stops_counting(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing else: what cannot be counted waits, and is read no more."""
    monkeypatch.setattr(report_counter, "MAX_SET_ASIDE", 2)
    own = counter(pool, Brittle(Templates()))
    for sequence in (1, 2):
        await store(pool, build_report(sequence=sequence, description=POISON))
    assert not await own.count_some()
    assert not await own.count_some()
    await store(pool, build_report(sequence=3, description=POISON))
    assert not await own.count_some()
    with pytest.raises(CountingBrokenError):
        await own.count_some()
    failures = grown("gateway_counting_failures_total")
    async with running(own):
        async with asyncio.timeout(20):
            while not failures():  # noqa: ASYNC110 -- a metric
                await asyncio.sleep(0.01)


@pytest.mark.usefixtures("patience")
async def test_a_database_that_is_away(database_dsn: str, pool: asyncpg.Pool) -> None:
    """Counting goes on where it stopped when it is back."""
    async with fault_proxy(database_dsn) as proxy:
        far = await open_pool(proxy.dsn(database_dsn), size=2)
        with capture_logs() as logs:
            async with running(counter(far)):
                await store(pool, *build_reports(5))
                await until(lambda: is_all_counted(pool))
                proxy.cut()
                await store(pool, *build_reports(5), device=2)
                async with asyncio.timeout(20):
                    while "counting_paused" not in {x["event"] for x in logs}:  # noqa: ASYNC110
                        await asyncio.sleep(0.01)
                proxy.flow()
                await until(lambda: is_all_counted(pool))
        far.terminate()
    await assert_counted(pool, 10)


@pytest.mark.usefixtures("patience")
async def test_a_commit_whose_answer_is_lost(database_dsn: str, pool: asyncpg.Pool) -> None:
    """The counter does not know that it has counted; it does not count again."""
    await store(pool, *build_reports(5))
    async with fault_proxy(database_dsn) as proxy:
        far = await open_pool(proxy.dsn(database_dsn), size=1)
        proxy.cut_after(b"COMMIT")
        async with running(counter(far)):
            await proxy.was_cut.wait()
            await store(pool, *build_reports(5), device=2)
            await until(lambda: is_all_counted(pool))
        far.terminate()
    await assert_counted(pool, 10)


async def test_texts_come_from_the_settings(pool: asyncpg.Pool) -> None:
    """What the operator says the old system sent."""
    await store(pool, build_report())
    settings = MeterSettings(sms_report="井" * 71, sms_confirmation="井" * 141)
    await counter_of(settings, pool, lambda: False).count_some()
    ((_, figures),) = (await sms_avoided(pool)).items()
    assert figures[:3] == (1, 2, 3)


@pytest.mark.parametrize("enabled", [True, False])
async def test_a_gateway_counts_if_it_is_told_to(database_dsn: str, enabled: bool) -> None:  # noqa: FBT001 -- a table
    """By itself, and without a broker; switched off, neither counter nor budgets are started."""
    await register(database_dsn)
    pool = await open_pool(database_dsn, size=1)
    async with (
        served_gateway(database_dsn, meter={"enabled": enabled}) as gateway,
        greeted(gateway.tcp) as device,
    ):
        await device.send(pack_backlog(build_reports(20), EDITION_2007))
        await device.expect_acks_of(*range(1, 21))
        stations = {task.get_name() for task in asyncio.all_tasks()}
        assert ({"report counter", "budgets"} <= stations) is enabled
        if enabled:
            await until(lambda: is_all_counted(pool))
            await assert_counted(pool, 20)
    assert await is_all_counted(pool) is enabled
    pool.terminate()
