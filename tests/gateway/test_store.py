"""The store: the contract on PostgreSQL and on the fake, the ledger, a database that breaks."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import asyncpg
import pytest
import pytest_asyncio

from gateway.batcher import Batcher
from gateway.embedded_postgres import EmbeddedPostgres
from gateway.handlers.outcome import Rejected
from gateway.migrate import migrate
from gateway.parcel import ItemVerdict, Parcel, Transport, Verdict
from gateway.protocol.errors import RefusalCode
from gateway.recent import Key
from gateway.settings import BatchSettings
from gateway.store import PostgresStore, open_pool
from gateway.store_errors import StoreUnavailableError
from tests.helpers.builders import build_report, build_reports
from tests.helpers.fault_proxy import FaultProxy, fault_proxy
from tests.helpers.memory_store import MemoryStore
from tests.helpers.store_contract import StoreContract, parcel_of, verdicts_on


class InspectedPostgresStore(PostgresStore):
    """The store with a look into its tables."""

    def __init__(self, pool: asyncpg.Pool, *, remembered_reports: int = 1_000) -> None:
        super().__init__(pool, gateway="test", remembered_reports=remembered_reports)
        self.pool = pool

    async def report_keys(self) -> list[Key]:
        """Keys of all stored reports, ascending."""
        rows = await self.pool.fetch(
            "SELECT device_id, installation, sequence FROM report ORDER BY 1, 2, 3"
        )
        return [tuple(row) for row in rows]

    async def description(self, key: Key) -> str:
        """The text of one stored report."""
        return str(
            await self.pool.fetchval(
                "SELECT description FROM report"
                " WHERE (device_id, installation, sequence) = ($1, $2, $3)",
                *key,
            )
        )

    async def quarantined(self) -> list[tuple[int, int, int | None, int, bytes]]:
        """Device, installation, sequence, code and frame of all in quarantine, oldest first."""
        rows = await self.pool.fetch(
            "SELECT device_id, installation, sequence, code, frame FROM quarantine_readable"
            " ORDER BY id"
        )
        return [tuple(row) for row in rows]

    async def ledger(self) -> list[tuple[object, ...]]:
        """Transport, received, stored, duplicate, quarantined, refused."""
        rows = await self.pool.fetch(
            "SELECT transport, received, stored, duplicate, quarantined, refused"
            " FROM ledger_by_day ORDER BY transport"
        )
        return [tuple(row) for row in rows]


@pytest_asyncio.fixture
async def postgres_store(database_dsn: str) -> AsyncIterator[InspectedPostgresStore]:
    """A store on a database of the test's own."""
    pool = await open_pool(database_dsn, size=4)
    yield InspectedPostgresStore(pool)
    pool.terminate()


class TestMemoryStore(StoreContract):
    """The fake that other tests use does what the real one does."""

    @pytest_asyncio.fixture
    async def store(self) -> MemoryStore:
        """A new fake."""
        return MemoryStore()


class TestPostgresStore(StoreContract):
    """The real one."""

    @pytest_asyncio.fixture
    async def store(self, postgres_store: InspectedPostgresStore) -> InspectedPostgresStore:
        """On PostgreSQL."""
        return postgres_store


class TestForgetfulPostgresStore(StoreContract):
    """The real one without its memory of recent reports: the key in the database decides alone."""

    @pytest_asyncio.fixture
    async def store(self, postgres_store: InspectedPostgresStore) -> InspectedPostgresStore:
        """On PostgreSQL, remembering nothing."""
        return InspectedPostgresStore(postgres_store.pool, remembered_reports=0)


@pytest.mark.asyncio
async def test_every_column_holds_what_was_reported(postgres_store: InspectedPostgresStore) -> None:
    """The view for people shows the values of the report, names of class and street included."""
    report = build_report(component=4_403_070_101_000_123, grid=44_030_700_300_101)
    await postgres_store.write([parcel_of(report)])
    row = await postgres_store.pool.fetchrow("SELECT * FROM report_readable")
    assert row["observed_at"].timestamp() == report.observed_at
    assert (row["kind"], row["urgency"], row["patrol"]) == ("event", "ordinary", "routine")
    assert (row["street"], row["collection"], row["street_code"]) == (
        "平湖街道",
        "market",
        440307003,
    )
    assert (str(row["lat"]), str(row["lon"])) == ("22.65600", "114.15100")
    assert row["component"] == report.component
    assert row["description"] == report.description
    assert (row["simple"], row["pictures"], row["accuracy_m"]) == (True, 2, 12)
    assert (row["transport"], row["edition"], row["class_code"]) == ("tcp", 1, 203)
    assert row["class_minor"]


@pytest.mark.asyncio
async def test_quarter_by_collection(postgres_store: InspectedPostgresStore) -> None:
    """The quarter's table counts reports and inspectors by collection mode."""
    other = build_reports(3, grid=44_030_700_700_101)
    await postgres_store.write([parcel_of(*build_reports(2)), parcel_of(*other, device_id=5)])
    rows = await postgres_store.pool.fetch(
        "SELECT collection, streets, reports, inspectors, simple, quarter_start::text"
        " FROM quarter_by_collection ORDER BY collection"
    )
    assert [tuple(row) for row in rows] == [
        ("market", 1, 2, 1, 2, "2008-01-01"),
        ("self", 1, 3, 1, 3, "2008-01-01"),
    ]


@pytest.mark.asyncio
async def test_ledger_counts_each_verdict(postgres_store: InspectedPostgresStore) -> None:
    """What was received equals the sum of its fates, for each transport."""
    rejected = [Rejected(9, RefusalCode.BAD_TEXT, "control character")]
    reports = build_reports(3)
    await postgres_store.write([parcel_of(*reports[:2], rejected=rejected)])
    over_mqtt = parcel_of(*reports, transport=Transport.MQTT)
    postgres_store.count_refused(Transport.MQTT, 4)
    await postgres_store.write([over_mqtt])
    assert await postgres_store.ledger() == [("tcp", 3, 2, 0, 1, 0), ("mqtt", 7, 1, 2, 0, 4)]


@pytest.mark.asyncio
async def test_refusals_reach_the_ledger_without_a_batch(
    postgres_store: InspectedPostgresStore,
) -> None:
    """`flush_ledger` writes what was refused, once."""
    postgres_store.count_refused(Transport.TCP)
    await postgres_store.flush_ledger()
    await postgres_store.flush_ledger()
    assert await postgres_store.ledger() == [("tcp", 1, 0, 0, 0, 1)]


@pytest.mark.asyncio
async def test_two_stores_with_the_same_reports_at_once(
    postgres_store: InspectedPostgresStore,
) -> None:
    """Of two gateways that write the same reports in opposite order each report is stored once."""
    stores = [InspectedPostgresStore(postgres_store.pool) for _ in range(2)]
    parcels = [parcel_of(*build_reports(50, first)) for first in range(1, 501, 50)]
    orders = (parcels, parcels[::-1])
    written = await asyncio.gather(
        *(store.write(order) for store, order in zip(stores, orders, strict=True))
    )
    kinds = [item.verdict for verdicts in written for items in verdicts for item in items]
    assert (kinds.count(Verdict.STORED), kinds.count(Verdict.DUPLICATE)) == (500, 500)
    assert len(await postgres_store.report_keys()) == 500


@pytest.mark.asyncio
async def test_a_frame_is_kept_once_for_many_of_its_reports(
    postgres_store: InspectedPostgresStore,
) -> None:
    """A backlog whose reports are all refused fills quarantine with rows, not with copies."""
    rejected = [Rejected(number, RefusalCode.UNKNOWN_CLASS, "") for number in range(1, 256)]
    await postgres_store.write([parcel_of(rejected=rejected, frame=bytes(16_000))])
    assert await postgres_store.pool.fetchval("SELECT count(*) FROM quarantine") == 255
    assert await postgres_store.pool.fetchval("SELECT count(*) FROM quarantined_frame") == 1


@pytest.mark.asyncio
async def test_a_resend_in_another_frame_leaves_no_orphan(
    postgres_store: InspectedPostgresStore,
) -> None:
    """A frame is kept only for a new row of quarantine."""
    rejected = [Rejected(1, RefusalCode.UNKNOWN_CLASS, "")]
    for frame in (b"alone", b"in a backlog"):
        await postgres_store.write([parcel_of(rejected=rejected, frame=frame)])
    assert await postgres_store.pool.fetchval("SELECT count(*) FROM quarantined_frame") == 1


@pytest.mark.asyncio
async def test_reasons_are_made_fit_to_store(postgres_store: InspectedPostgresStore) -> None:
    """NUL, surrogates, great length and a number out of range in a reason harm nothing."""
    rejected = [
        Rejected(2**40, RefusalCode.MALFORMED_MESSAGE, "\0 \ud800 " + "x" * 10_000),
    ]
    await postgres_store.write([parcel_of(rejected=rejected)])
    row = await postgres_store.pool.fetchrow("SELECT sequence, detail FROM quarantine")
    assert row["sequence"] is None
    assert row["detail"].startswith("sequence 1099511627776: \\x00 \\ud800 xxx")
    assert len(row["detail"]) == 500


@pytest.mark.asyncio
async def test_ready_only_while_it_can_be_written(database_dsn: str) -> None:
    """Readiness follows the database: away, and read-only, are both not ready."""
    async with fault_proxy(database_dsn) as proxy:
        pool = await open_pool(proxy.dsn(database_dsn), size=2)
        store = PostgresStore(pool, gateway="test")
        assert await store.is_ready()
        proxy.cut()
        assert not await store.is_ready()
        proxy.flow()
        assert await store.is_ready()
        pool.terminate()


@pytest.mark.asyncio
async def test_read_only_database_is_unavailable(database_dsn: str) -> None:
    """A standby or a full disk that went read-only is waited for, not lost to."""
    pool = await asyncpg.create_pool(
        database_dsn,
        min_size=1,
        max_size=1,
        server_settings={"default_transaction_read_only": "on"},
    )
    with pytest.raises(StoreUnavailableError):
        await PostgresStore(pool, gateway="test").write([parcel_of(build_report())])
    assert not await PostgresStore(pool, gateway="test").is_ready()
    pool.terminate()


@pytest.mark.asyncio
async def test_impossible_device_is_a_bug_and_no_outage(
    postgres_store: InspectedPostgresStore,
) -> None:
    """What not even quarantine can hold is raised as it is: waiting would not mend it."""
    with pytest.raises(asyncpg.DataError):
        await postgres_store.write([parcel_of(build_report(), device_id=2**63)])


@pytest.mark.asyncio
@pytest.mark.parametrize("statement", [b"COMMIT", b"COPY", b"BEGIN"])
async def test_connection_lost_around_the_commit(database_dsn: str, statement: bytes) -> None:
    """Whichever answer is lost, the same batch written again is settled and stored once."""
    async with fault_proxy(database_dsn) as proxy:
        pool = await open_pool(proxy.dsn(database_dsn), size=2)
        store = InspectedPostgresStore(pool)
        proxy.cut_after(statement)
        with pytest.raises(StoreUnavailableError):
            await store.write([parcel_of(*build_reports(3))])
        assert proxy.was_cut.is_set()
        (verdicts,) = await store.write([parcel_of(*build_reports(3))])
        expected = Verdict.DUPLICATE if statement == b"COMMIT" else Verdict.STORED
        assert [item.verdict for item in verdicts] == [expected] * 3
        assert len(await store.report_keys()) == 3
        pool.terminate()


@pytest.mark.asyncio
async def test_dead_link_ends_in_a_time_out(database_dsn: str) -> None:
    """A database that does not answer is given up after the command time-out."""
    async with fault_proxy(database_dsn) as proxy:
        pool = await open_pool(proxy.dsn(database_dsn), size=1, command_timeout_seconds=0.2)
        store = InspectedPostgresStore(pool)
        proxy.hang()
        with pytest.raises(StoreUnavailableError):
            await store.write([parcel_of(build_report())])
        proxy.flow()
        assert await verdicts_on(store, parcel_of(build_report())) == [[(1, Verdict.STORED, None)]]
        pool.terminate()


@pytest.mark.asyncio
@pytest.mark.parametrize("ends", ["stop", "kill"])
async def test_postgres_gone_between_receive_and_commit(
    own_postgres: EmbeddedPostgres, ends: str
) -> None:
    """While PostgreSQL is away nothing is acked; when it is back work resumes by itself, and what
    the handset sends again is stored once.
    """
    await migrate(own_postgres.dsn)
    settled: list[Sequence[ItemVerdict]] = []
    everything_settled = asyncio.Event()

    def on_settled(_parcel: Parcel, verdicts: list[ItemVerdict]) -> None:
        settled.append(verdicts)
        if len(settled) == 2:
            everything_settled.set()

    async with fault_proxy(own_postgres.dsn) as proxy:
        pool = await open_pool(proxy.dsn(own_postgres.dsn), size=4)
        store = InspectedPostgresStore(pool)
        batcher = Batcher(store, BatchSettings(linger_seconds=0))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(batcher.run())
            under_way = proxy.next_request()
            proxy.hang()  # received, and under way to a database that does not commit it
            batcher.offer(parcel_of(*build_reports(3), on_settled=on_settled))
            await under_way.wait()
            await asyncio.to_thread(getattr(own_postgres, ends))
            proxy.cut()
            batcher.offer(parcel_of(*build_reports(3), on_settled=on_settled))  # the resend
            assert settled == []
            await asyncio.to_thread(own_postgres.start)
            proxy.flow()
            await everything_settled.wait()
            assert await batcher.drain(10)
        kinds = sorted(item.verdict for verdicts in settled for item in verdicts)
        assert kinds == [Verdict.STORED] * 3 + [Verdict.DUPLICATE] * 3
        assert len(await store.report_keys()) == 3
        pool.terminate()


def test_proxy_keeps_the_credentials() -> None:
    """The address by way of the proxy is the same but for the host and port."""
    proxy = FaultProxy("db", 5432)
    proxy.port = 1
    assert proxy.dsn("postgresql://u:p@db:5432/name") == "postgresql://u:p@127.0.0.1:1/name"
