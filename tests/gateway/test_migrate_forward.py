"""From each released schema, full of data, to the newest: nothing is lost, a gateway runs on it;
also with two gateways that start meanwhile, and with one that is killed in the middle.
"""

import asyncio
import json
import shutil
import signal
import sys
from pathlib import Path

import asyncpg
import pytest
from pogo_core.util import migrate as pogo
from pogo_core.util import sql as pogo_sql

from gateway import migrate as module
from gateway.migrate import migrate
from gateway.protocol.acks import covered
from gateway.protocol.messages import Ack
from gateway.protocol.task_messages import Task
from tests.helpers.brokers import Broker
from tests.helpers.device_client import DeviceClient, greeted
from tests.helpers.event_collector import collector
from tests.helpers.schema_rows import ROWS
from tests.helpers.served_gateway import Look, served_gateway
from tests.helpers.wire import wire

pytestmark = pytest.mark.asyncio

FOLDER = Path(module.__file__).parent / "sql" / "migrations"
ALL = sorted(path.stem for path in FOLDER.glob("*.sql"))

TABLES = """
SELECT relname, array_agg(attname::text ORDER BY attnum) AS columns
FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
    AND relname NOT LIKE '\\_pogo%'
GROUP BY relname ORDER BY relname
"""

Content = dict[str, list[str]]
"""Each table's rows as JSON of the columns that there were, sorted."""


def copy_migrations(place: Path, names: list[str]) -> None:
    """The folder as that release had it."""
    place.mkdir()
    for name in names:
        shutil.copy(FOLDER / f"{name}.sql", place)


async def make_schema(dsn: str, place: Path, names: list[str]) -> None:
    """A database as a release with these migrations left it, with rows in everything."""
    await asyncio.to_thread(copy_migrations, place, names)
    connection = await asyncpg.connect(dsn)
    await pogo_sql.ensure_pogo_sync(connection)
    await pogo.apply(connection, place, schema_name="public", logger=module._QUIET)
    for name in names:
        for statements in ROWS[name]:
            await connection.execute(statements)
    await connection.close()


async def columns_of(dsn: str) -> dict[str, list[str]]:
    """Tables and their columns."""
    return dict(await Look(dsn).rows(TABLES))


async def content(dsn: str, columns: dict[str, list[str]]) -> Content:
    """What stands in these columns."""
    look = Look(dsn)
    return {
        table: sorted(
            row[0]
            for row in await look.rows(
                f"SELECT to_jsonb(t)::text FROM (SELECT {', '.join(names)} FROM {table}) AS t"
            )
        )
        for table, names in columns.items()
    }


REFERENCE = ("edition", "class_code", "street", "unit_grid")
"""Written anew at every migration: rows are added and changed, none goes."""


@pytest.mark.parametrize("release", range(1, len(ALL) + 1), ids=ALL)
async def test_from_each_release(
    empty_database_dsn: str, tmp_path: Path, release: int, nats_broker: Broker
) -> None:
    """Every column has a value, every row is there unaltered afterwards, no constraint is left
    unchecked; a gateway takes what is new, knows what it had, and publishes what waited.
    """
    dsn, look = empty_database_dsn, Look(empty_database_dsn)
    await make_schema(dsn, tmp_path / "old", ALL[:release])
    columns = await columns_of(dsn)
    before = await content(dsn, columns)
    empty = [
        f"{table}.{name}"
        for table, names in columns.items()
        for name in names
        if all(json.loads(row)[name] is None for row in before[table])
    ]
    assert empty == []
    assert await migrate(dsn) == ALL[release:]
    after = await content(dsn, columns)
    for table in columns:
        if table in REFERENCE:
            assert len(after[table]) >= len(before[table]), table
        else:
            assert after[table] == before[table], table
    assert await look.rows("SELECT conname FROM pg_constraint WHERE NOT convalidated") == []
    if release >= ALL.index("0002-ingest") + 1:
        await run_on_it(dsn, nats_broker, publishes=release >= ALL.index("0004-publication") + 1)


async def acked(client: DeviceClient, *sequences: int) -> None:
    """Until all are acked; tasks that waited in the old database may come first."""
    left = set(sequences)
    while left:
        event = await client.receive()
        assert isinstance(event, Ack | Task), event
        for run in covered(event) if isinstance(event, Ack) else ():
            left.difference_update(run)


async def run_on_it(dsn: str, broker: Broker, *, publishes: bool) -> None:
    """A gateway stores, knows a repetition, keeps a conflict, and publishes."""
    look = Look(dsn)
    name = dsn.rpartition("/")[2]
    mqtt = {"enabled": True, "host": broker.host, "port": broker.gateway_port, "shared_group": ""}
    async with (
        collector(broker, f"forward-{name}") as events,
        served_gateway(dsn, name, mqtt=mqtt) as gateway,
        greeted(gateway.tcp, installation=77) as client,
    ):
        stored = await look.rows("SELECT device_id, installation, sequence FROM report")
        for _ in range(2):
            await client.send(wire(1), wire(2))
            await acked(client, 1, 2)
        await client.send(wire(3))
        await acked(client, 3)
        expected = {(1, 77, number) for number in (1, 2, 3)}
        now = set(await look.rows("SELECT device_id, installation, sequence FROM report"))
        assert now == set(stored) | expected
        if publishes:
            expected |= {(1, 1, 1), (1, 1, 2), (1, 2**31 - 1, 2**31 - 1)}
        await events.until(lambda: events.reports() >= expected)
        assert await look.rows("SELECT count(*) FROM quarantine") == [(3,)]


async def test_every_release_has_rows() -> None:
    """Whoever adds a migration adds rows for what it makes."""
    assert sorted(ROWS) == ALL


async def test_a_known_number_of_before(empty_database_dsn: str, tmp_path: Path) -> None:
    """What an old release stored decides: another content under a number of it is a conflict."""
    await make_schema(empty_database_dsn, tmp_path / "old", ALL[:2])
    await migrate(empty_database_dsn)
    async with (
        served_gateway(empty_database_dsn, relay={"enabled": False}) as gateway,
        greeted(gateway.tcp, installation=1) as client,
    ):
        await client.send(wire(5))
        refusal = await client.receive()
        assert refusal is not None
        await client.expect_acks_of(5)
    rows = await Look(empty_database_dsn).rows(
        "SELECT code, sequence FROM quarantine WHERE sequence = 5"
    )
    assert rows == [(48, 5)]


async def test_two_gateways_start_meanwhile(empty_database_dsn: str, tmp_path: Path) -> None:
    """One migrates, the other waits for it; both then run."""
    await make_schema(empty_database_dsn, tmp_path / "old", ALL[:2])
    applied = await asyncio.gather(migrate(empty_database_dsn), migrate(empty_database_dsn))
    assert sorted(applied) == [[], ALL[2:]]


async def test_killed_half_way(empty_database_dsn: str, tmp_path: Path) -> None:
    """A migration that is killed leaves the old schema whole, and the next one does all of it."""
    dsn = empty_database_dsn
    await make_schema(dsn, tmp_path / "old", ALL[:2])
    columns = await columns_of(dsn)
    before = await content(dsn, columns)
    holder = await asyncpg.connect(dsn)
    held = holder.transaction()
    await held.start()
    # It comes as far as the first statement that alters `installation`, and waits there.
    await holder.execute("LOCK TABLE installation IN ACCESS SHARE MODE")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "migrate"), env={"GATEWAY_DATABASE__DSN": dsn}
    )
    look = await asyncpg.connect(dsn)
    waiting = (
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'installation'::regclass"
    )
    async with asyncio.timeout(60):
        while not await look.fetchval(waiting):  # noqa: ASYNC110 - another process decides
            await asyncio.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    await held.rollback()
    await holder.close()
    await look.close()
    assert await migrate(dsn) == ALL[2:]
    after = await content(dsn, columns)
    assert {t: after[t] for t in columns if t not in REFERENCE} == {
        t: before[t] for t in columns if t not in REFERENCE
    }
