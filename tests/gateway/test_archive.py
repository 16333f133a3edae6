"""The archive: what leaves the hot tables is still known, whatever happens meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import asyncpg
import pytest
import pytest_asyncio

from gateway import archive as module
from gateway.archive import Archive, ArchiveBusyError, ArchiveHeldError, Table, archive_of
from gateway.devices import Devices, NewDevice
from gateway.parcel import Verdict
from gateway.protocol.errors import RefusalCode
from gateway.protocol.proof import derive_keys
from gateway.store import PostgresStore, open_pool
from tests.helpers.builders import build_report, build_reports, build_track
from tests.helpers.store_contract import DEVICE, INSTALLATION, parcel_of

REPORTS = Table("report", "reports", after_days=1, drop_after_days=0)
TRACKS = Table("track", "tracks", after_days=1, drop_after_days=0)
CONFLICT = (Verdict.QUARANTINED, RefusalCode.SEQUENCE_CONFLICT)


def quiet(_table: str, _rows: int) -> None:
    """Tell nobody."""


class World:
    """A store that remembers nothing, so that the database decides, and its archive."""

    def __init__(self, dsn: str, pool: asyncpg.Pool) -> None:
        self.dsn = dsn
        self.pool = pool
        self.store = PostgresStore(pool, gateway="test", publishes=False, remembered_reports=0)

    async def verdicts(self, *items: object, **changes: object) -> list[tuple[object, object]]:
        """Of one parcel of reports, or of tracks (`tracks=`)."""
        (verdicts,) = await self.store.write([parcel_of(*items, **changes)])  # type: ignore[arg-type]
        return [(item.verdict, item.code) for item in verdicts]

    async def age(self, *, days: int, sequences: tuple[int, int] = (1, 2**31 - 1)) -> None:
        """Let what is stored under these numbers be so old."""
        for table in ("report", "track"):
            await self.pool.execute(
                f"UPDATE {table} SET stored_at = stored_at - make_interval(days => $1)"
                " WHERE sequence BETWEEN $2 AND $3",
                days,
                *sequences,
            )

    async def archive(self, table: Table = REPORTS) -> int:
        """Move what is old; how many rows."""
        async with archive_of(self.dsn) as archive:
            return await archive.move(table, tell=quiet)

    async def count(self, table: str) -> int:
        """Rows."""
        return int(await self.pool.fetchval(f"SELECT count(*) FROM {table}"))


@pytest_asyncio.fixture
async def world(database_dsn: str) -> AsyncIterator[World]:
    """With the contract's device."""
    pool = await open_pool(database_dsn, size=4)
    await Devices(pool).add([NewDevice(DEVICE, derive_keys(bytes(16)))])
    yield World(database_dsn, pool)
    pool.terminate()


@pytest.mark.asyncio
async def test_a_repetition_after_years_is_a_duplicate(world: World) -> None:
    """The same content is a duplicate, another a conflict, and neither makes a second row; also in
    one batch with what is new and with what is not archived yet.
    """
    old, young = build_reports(3), build_reports(2, 4)
    await world.verdicts(*old)
    await world.age(days=900)
    await world.verdicts(*young)
    assert await world.archive() == 3
    assert (await world.count("report"), await world.count("report_archive")) == (2, 3)
    again = [*old[:2], build_report(sequence=3, description="other"), *young, *build_reports(1, 6)]
    assert await world.verdicts(*again) == [
        *[(Verdict.DUPLICATE, None)] * 2,
        CONFLICT,
        *[(Verdict.DUPLICATE, None)] * 2,
        (Verdict.STORED, None),
    ]
    assert (await world.count("report"), await world.count("report_archive")) == (3, 3)
    assert await world.count("report_readable") == 6


@pytest.mark.asyncio
async def test_tracks_alike(world: World) -> None:
    """A track of an archived number: duplicate, or conflict."""
    assert await world.verdicts(tracks=[build_track(sequence=1)]) == [(Verdict.STORED, None)]
    await world.age(days=200)
    assert await world.archive(TRACKS) == 1
    again = [build_track(sequence=1), build_track(5, sequence=1)]
    assert await world.verdicts(tracks=again[:1]) == [(Verdict.DUPLICATE, None)]
    assert await world.verdicts(tracks=again[1:]) == [CONFLICT]
    assert (await world.count("track"), await world.count("track_archive")) == (0, 1)


@pytest.mark.asyncio
async def test_a_report_is_no_track(world: World) -> None:
    """An archived report leaves its number to a track, as a stored one does."""
    await world.verdicts(build_report())
    await world.age(days=900)
    await world.archive()
    assert await world.verdicts(tracks=[build_track(sequence=1)]) == [(Verdict.STORED, None)]


@pytest.mark.asyncio
async def test_quarantined_and_accepted_later(world: World) -> None:
    """A number below the mark that only quarantine knew is free: the corrected report is stored."""
    await world.verdicts(build_report(sequence=1))
    await world.pool.execute(
        "INSERT INTO quarantined_frame VALUES ('d', 'f');"
        " INSERT INTO quarantine (device_id, installation, sequence, transport, code, distinct_by,"
        f" frame_digest, detail) VALUES ({DEVICE}, {INSTALLATION}, 2, 'tcp', 44, '', 'd', '')"
    )
    await world.verdicts(build_report(sequence=3))
    await world.age(days=900)
    assert await world.archive() == 2
    assert await world.verdicts(build_report(sequence=2)) == [(Verdict.STORED, None)]
    assert await world.verdicts(build_report(sequence=2)) == [(Verdict.DUPLICATE, None)]
    await world.age(days=900)
    assert await world.archive() == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "old, moved",
    [((1, 5), 5), ((1, 3), 3), ((2, 5), 0), ((4, 5), 0)],
    ids=["all", "the first", "all but the first", "the last"],
)
async def test_in_order_of_numbers(world: World, old: tuple[int, int], moved: int) -> None:
    """What is young holds back what is above it: the archive has no gap."""
    await world.verdicts(*build_reports(5))
    await world.age(days=900, sequences=old)
    assert await world.archive() == moved


@pytest.mark.asyncio
async def test_a_gap_does_not_hold_back(world: World) -> None:
    """What lies above it is moved too, and the watermark stays below it; when it closes late, the
    next run, which sees the archive, lets the watermark rise.
    """
    reports = build_reports(5)
    await world.verdicts(*reports[:2], *reports[3:])
    await world.age(days=900)
    assert await world.archive() == 4
    devices = Devices(world.pool)
    key = (DEVICE, INSTALLATION)
    assert (await devices.lookup([(*key, 5)]))[key].settled_through == 2
    assert await world.verdicts(*reports) == [
        *[(Verdict.DUPLICATE, None)] * 2,
        (Verdict.STORED, None),
        *[(Verdict.DUPLICATE, None)] * 2,
    ]
    await world.age(days=900)
    assert await world.archive() == 1
    assert (await devices.lookup([(*key, 5)]))[key].settled_through == 5


@pytest.mark.asyncio
async def test_what_is_not_published_stays(world: World) -> None:
    """A note of what is to be published, counted or could be published again holds its reports, and
    all that was stored after it.
    """
    store = PostgresStore(world.pool, gateway="test", remembered_reports=0)
    await store.write([parcel_of(*build_reports(2))])
    await world.age(days=900)
    await world.pool.execute(
        "UPDATE publication SET stored_at = (SELECT min(stored_at) FROM report)"
    )
    assert await world.archive() == 0
    await world.pool.execute("DELETE FROM publication")
    assert await world.archive() == 2


@pytest.mark.asyncio
async def test_many_portions_and_months(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of many installations and months all arrive, however small the portions; again moves
    nothing.
    """
    monkeypatch.setattr(module, "PORTION_ROWS", 3)
    monkeypatch.setattr(module, "PAGE_INSTALLATIONS", 2)
    for installation in range(-2, 3):
        await world.verdicts(*build_reports(10), installation=installation)
    await world.age(days=900)
    await world.age(days=-40, sequences=(5, 10))
    before = await world.pool.fetch("TABLE report ORDER BY device_id, installation, sequence")
    assert await world.archive() == 50
    archived = await world.pool.fetch(
        "SELECT * FROM report_archive ORDER BY device_id, installation, sequence"
    )
    assert archived == before
    async with archive_of(world.dsn) as archive:
        assert len(await archive.parts(REPORTS)) >= 2
    assert await world.archive() == 0


@pytest.mark.asyncio
async def test_it_stops_between_transactions(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked to stop it ends after the portion under way, and the next run goes on."""
    monkeypatch.setattr(module, "PORTION_ROWS", 3)
    await world.verdicts(*build_reports(10))
    await world.age(days=900)
    answers = iter([False, False, True, True])
    async with archive_of(world.dsn) as archive:
        assert await archive.move(REPORTS, should_stop=lambda: next(answers), tell=quiet) == 3
    assert await world.archive() == 7


@pytest.mark.asyncio
async def test_one_at_a_time(world: World) -> None:
    """A second archiver says so and does nothing."""
    async with archive_of(world.dsn):
        with pytest.raises(ArchiveBusyError):
            async with archive_of(world.dsn):
                pass
    for _ in range(100):
        try:
            async with archive_of(world.dsn):
                return
        except ArchiveBusyError:
            await asyncio.sleep(0.05)
    pytest.fail("the lock is still held")


async def waits_for_a_lock(pool: asyncpg.Pool) -> None:
    """Until some statement of the database does."""
    query = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    async with asyncio.timeout(10):
        while not await pool.fetchval(query):  # noqa: ASYNC110 - another process decides
            await asyncio.sleep(0.01)


async def move_uncommitted(connection: asyncpg.Connection) -> Callable[[], object]:
    """Archive in a transaction that is left open; gives its commit."""
    transaction = connection.transaction()
    await transaction.start()
    await Archive(connection).move(REPORTS, tell=quiet)
    return transaction.commit  # type: ignore[no-any-return]


@pytest.mark.asyncio
@pytest.mark.parametrize("other", [False, True], ids=["the same", "another content"])
@pytest.mark.parametrize("with_new", [False, True], ids=["alone", "with new ones"])
async def test_archived_while_a_batch_waits(world: World, *, other: bool, with_new: bool) -> None:
    """COPY waits for the very row that is being moved, and then finds the key free. The guard looks
    once more and tells the batch; nothing is stored twice.
    """
    await world.verdicts(build_report())
    await world.age(days=900)
    connection = await asyncpg.connect(world.dsn)
    commit = await move_uncommitted(connection)
    again = build_report(description="another") if other else build_report()
    batch = [again, *(build_reports(2, 2) if with_new else ())]
    async with asyncio.TaskGroup() as group:
        writing = group.create_task(world.verdicts(*batch))
        await waits_for_a_lock(world.pool)
        await commit()  # type: ignore[misc]
    expected = [CONFLICT if other else (Verdict.DUPLICATE, None)]
    assert writing.result() == expected + [(Verdict.STORED, None)] * (len(batch) - 1)
    assert await world.count("report_archive") == 1
    assert await world.count("report") == len(batch) - 1
    await connection.close()


@pytest.mark.asyncio
async def test_archived_while_a_merge_waits(world: World) -> None:
    """The same in the slower way, taken by a batch with a known key."""
    await world.verdicts(build_report(), build_report(sequence=2))
    await world.age(days=900, sequences=(1, 1))
    connection = await asyncpg.connect(world.dsn)
    commit = await move_uncommitted(connection)
    # Let COPY fail at once, by a known key that sorts before.
    await world.verdicts(build_report(), device_id=1)
    parcels = [parcel_of(build_report(), device_id=1), parcel_of(build_report())]
    async with asyncio.TaskGroup() as group:
        writing = group.create_task(world.store.write(parcels))
        await waits_for_a_lock(world.pool)
        await commit()  # type: ignore[misc]
    verdicts = [item.verdict for items in writing.result() for item in items]
    assert verdicts == [Verdict.DUPLICATE, Verdict.DUPLICATE]
    assert (await world.count("report"), await world.count("report_archive")) == (2, 1)
    await connection.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("table", ["report", "track"])
async def test_the_guard_stops_every_writer(world: World, table: str) -> None:
    """A row put in by hand under an archived number is refused; under a new number it is not."""
    await world.verdicts(build_report(), tracks=[build_track(sequence=2)])
    await world.age(days=900)
    await world.archive()
    await world.archive(TRACKS)
    with pytest.raises(asyncpg.UniqueViolationError, match="was archived"):
        await world.pool.execute(f"INSERT INTO {table} SELECT * FROM {table}_archive")
    await world.pool.execute(
        f"INSERT INTO {table} SELECT (jsonb_populate_record(old, '{{\"sequence\": 99}}')).*"
        f" FROM {table}_archive AS old"
    )


@pytest.mark.asyncio
async def test_dropped_months(world: World) -> None:
    """What comes again of a dropped month is kept in quarantine, never stored as new; what is left
    of the archive, and what is new, is not touched by that.
    """
    reports = build_reports(5)
    await world.verdicts(*reports[:2])
    await world.age(days=900)
    await world.verdicts(*reports[2:4])
    await world.age(days=400, sequences=(3, 4))
    assert await world.archive() == 4
    keep_two_years = Table("report", "reports", after_days=1, drop_after_days=730)
    async with archive_of(world.dsn) as archive:
        parts = await archive.parts(REPORTS)
        assert list(archive.months_to_drop(REPORTS, parts, datetime.now(UTC))) == []
        (part,) = archive.months_to_drop(keep_two_years, parts, datetime.now(UTC))
        assert part == parts[0]
        await archive.drop(keep_two_years, part)
        assert await archive.parts(REPORTS) == parts[1:]
    assert await world.verdicts(*reports) == [
        *[CONFLICT] * 2,
        *[(Verdict.DUPLICATE, None)] * 2,
        (Verdict.STORED, None),
    ]
    assert (await world.count("report"), await world.count("report_archive")) == (1, 2)


def test_a_month_is_dropped_when_its_last_day_is_past(database_dsn: str) -> None:
    """At the bound it goes, a second before it stays; by the calendar of China."""
    table = Table("report", "reports", after_days=1, drop_after_days=10)
    archive = Archive(None)
    at = datetime(2026, 4, 10, 16, tzinfo=UTC)  # ten days after 2026-04-01 00:00 in China
    parts = ["report_archive_2025_12", "report_archive_2026_03", "report_archive_2026_04"]
    assert list(archive.months_to_drop(table, parts, at)) == parts[:2]
    just_before = at.replace(hour=15, minute=59, second=59)
    assert list(archive.months_to_drop(table, parts, just_before)) == parts[:1]


@pytest.mark.asyncio
async def test_a_backup_is_not_disturbed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it reads, rows move and months are made; a drop gives up soon, and works later."""
    monkeypatch.setattr(module, "LOCK_TIMEOUT_MS", 50)
    await world.verdicts(build_report())
    await world.age(days=900)
    await world.archive()
    await world.verdicts(build_report(sequence=2))
    await world.age(days=800)
    reader = await asyncpg.connect(world.dsn)
    reading = reader.transaction()
    await reading.start()
    await reader.execute("LOCK TABLE report_archive IN ACCESS SHARE MODE")
    assert await world.archive() == 1
    async with archive_of(world.dsn) as archive:
        (first, _) = await archive.parts(REPORTS)
        with pytest.raises(ArchiveHeldError, match="try again later"):
            await archive.drop(REPORTS, first)
        await reading.rollback()
        await archive.drop(REPORTS, first)
    await reader.close()


@pytest.mark.asyncio
async def test_the_archive_has_the_columns_of_its_table(world: World) -> None:
    """In the same order: rows are moved whole."""
    query = (
        "SELECT attname, atttypid, attnotnull FROM pg_attribute"
        " WHERE attrelid = $1::text::regclass AND attnum > 0 ORDER BY attnum"
    )
    for table in ("report", "track"):
        columns = await world.pool.fetch(query, table)
        assert await world.pool.fetch(query, f"{table}_archive") == columns


@pytest.mark.asyncio
async def test_refusals_of_a_welcome(world: World) -> None:
    """What was accepted after all is no refusal, also when it is archived."""
    await world.pool.execute(
        "INSERT INTO quarantined_frame VALUES ('d', 'f');"
        " INSERT INTO quarantine (device_id, installation, sequence, transport, code, distinct_by,"
        f" frame_digest, detail) VALUES ({DEVICE}, {INSTALLATION}, 1, 'tcp', 44, '', 'd', '')"
    )
    await world.verdicts(build_report())
    await world.age(days=900)
    assert await world.archive() == 1
    key = (DEVICE, INSTALLATION)
    found = (await Devices(world.pool).lookup([(*key, 0)]))[key]
    assert (found.settled_through, found.refused) == (1, ())
