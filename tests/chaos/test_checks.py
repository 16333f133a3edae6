"""The crew against real gateways, of which one is killed; then every check finds nothing, and each
finds a defect that is planted in the database.
"""

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest

from chaos.checks import check_all
from gateway.devices import Devices, read_device_file
from gateway.embedded_postgres import EmbeddedPostgres
from tests.helpers.brokers import Broker
from tests.helpers.databases import fresh_database
from tests.helpers.event_collector import collector
from tests.helpers.processes import GatewayProcess, gateway_process

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(180), pytest.mark.slow]

MISBEHAVES_UNTIL: Final = 700
"""Rows that the crew has brought into the database before it is told to behave."""

KILL_AT: Final = 250
FACT_WITHIN_SECONDS: Final = 100.0
"""A broken test ends with an error instead of hanging."""

DEVICES: Final = 12
SEED: Final = 101
WAITING: Final = "SELECT count(*) FROM publication WHERE delivered_at IS NULL OR NOT is_counted"

DEFECTS: Final = {
    "acked and lost": "DELETE FROM report WHERE ctid = (SELECT min(ctid) FROM report)",
    "altered": "UPDATE report SET pictures = (pictures + 1) % 10"
    " WHERE ctid = (SELECT min(ctid) FROM report)",
    "stored and never sent": "UPDATE report SET sequence = 1999999999"
    " WHERE ctid = (SELECT min(ctid) FROM report)",
    "never came": "INSERT INTO quarantine (device_id, installation, sequence, transport, code,"
    " distinct_by, frame_digest, detail) SELECT device_id, installation, sequence, transport, code,"
    " '\\x01', frame_digest, detail FROM quarantine ORDER BY id LIMIT 1",
    "out of its place": "UPDATE publication SET position = position + 1000000"
    " WHERE id = (SELECT min(id) FROM publication WHERE reports > 0)",
    "refused and not kept": "DELETE FROM quarantine WHERE code = 41",
    "quarantined and never sent": "UPDATE quarantined_frame SET frame = frame || '\\x00'",
    "report_count": "UPDATE report_count SET reports = reports + 1",
    "does not close": "UPDATE ledger SET received = received + 1",
    "stored": "UPDATE ledger SET stored = stored + 1, received = received + 1",
    "leads": "UPDATE installation SET settled_through = settled_through + 4000",
    "history": "INSERT INTO task_request (id, requested_at, expires_at, kind, text, case_number,"
    " pictures) VALUES ('x', now(), now() + '1 day', 'verify', 'x', '', '{}');"
    " INSERT INTO task (device_id, expires_at, kind, request)"
    " SELECT id, now() + '1 day', 'verify', 'x' FROM device LIMIT 1;"
    " ALTER TABLE task_change DISABLE TRIGGER ALL; DELETE FROM task_change",
}
"""What a check must find, and how to break it."""


@pytest.fixture
def stage(
    database_dsn: str, nats_broker: Broker, tmp_path: Path
) -> Iterator[tuple[GatewayProcess, GatewayProcess]]:
    """Two gateways on one database and broker."""
    settings = {
        "GATEWAY_DATABASE__DSN": database_dsn,
        "GATEWAY_MQTT__ENABLED": "true",
        "GATEWAY_MQTT__VERSION": "3.1.1",
        "GATEWAY_MQTT__HOST": nats_broker.host,
        "GATEWAY_MQTT__PORT": str(nats_broker.port),
        "GATEWAY_METER__ENABLED": "true",
    }
    with (
        gateway_process(tmp_path / "one.log", "crew-one", settings) as one,
        gateway_process(tmp_path / "two.log", "crew-two", settings) as two,
    ):
        yield one, two


async def test_the_crew_and_every_check(
    stage: Sequence[GatewayProcess],
    database_dsn: str,
    postgres: EmbeddedPostgres,
    nats_broker: Broker,
    tmp_path: Path,
) -> None:
    """Nothing is found after a run, and what is broken afterwards is."""
    fleet, journal = tmp_path / "crew.csv", tmp_path / "journal.sqlite"
    await make_fleet(fleet, database_dsn)
    async with collector(nats_broker, "crew-checks") as collected:
        crew = await start_crew(
            *("run", "--fleet", str(fleet), "--journal", str(journal), "--seed", str(SEED)),
            *(f"--gateway=127.0.0.1:{gateway.tcp_port}" for gateway in stage),
            f"--broker={nats_broker.host}:{nats_broker.port}",
        )
        await until(database_dsn, "SELECT count(*) FROM report", lambda rows: rows > KILL_AT)
        await asyncio.to_thread(stage[0].kill)
        await asyncio.to_thread(stage[0].start)
        enough = MISBEHAVES_UNTIL
        await until(database_dsn, "SELECT count(*) FROM report", lambda rows: rows > enough)
        crew.send_signal(signal.SIGTERM)
        assert await crew.wait() == 0
        await until(database_dsn, WAITING, lambda waiting: waiting == 0)
        rows = await value(database_dsn, "SELECT count(*) FROM report")
        await collected.until(lambda: len(collected.reports()) == rows)
        got = list(collected.all)
    assert [gateway.stop() for gateway in stage] == [0, 0]
    checked = {check.name: check for check in await check_all(database_dsn, journal, got)}
    assert [finding for check in checked.values() for finding in check.findings] == []
    assert checked["crew"].counts["rows"] > MISBEHAVES_UNTIL
    assert checked["crew"].counts["quarantined"]
    await assert_defects_are_found(postgres, database_dsn, journal, got)


async def assert_defects_are_found(
    server: EmbeddedPostgres, dsn: str, journal: Path, got: list[tuple[str, dict[str, Any]]]
) -> None:
    """Each defect in a copy of its own."""
    found: dict[str, set[str]] = {}
    for sort, statement in DEFECTS.items():
        with fresh_database(server, dsn.rpartition("/")[2]) as broken:
            await execute(broken, statement)
            found[sort] = {
                s for check in await check_all(broken, journal, got) for s in check.sorts
            }
    assert {sort: sorts for sort, sorts in found.items() if sort not in sorts} == {}


async def make_fleet(file: Path, dsn: str) -> None:
    """Write down the crew's devices, and register them."""
    made = await start_crew("fleet", "--out", str(file), "--devices", str(DEVICES))
    assert await made.wait() == 0
    async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
        text = await asyncio.to_thread(file.read_text, encoding="utf-8")
        devices = list(read_device_file(text.splitlines()))
        assert len(await Devices(pool).add(devices)) == DEVICES


async def start_crew(*arguments: str) -> asyncio.subprocess.Process:
    """The program itself."""
    command = (sys.executable, "-m", "chaos.crew", *arguments)
    return await asyncio.create_subprocess_exec(*command)


async def until(dsn: str, query: str, condition: Callable[[int], bool]) -> None:
    """Wait for a fact of the database."""
    connection = await asyncpg.connect(dsn)
    try:
        async with asyncio.timeout(FACT_WITHIN_SECONDS):
            while not condition(await connection.fetchval(query)):  # noqa: ASYNC110 -- the database's
                await asyncio.sleep(0.1)
    finally:
        await connection.close()


async def value(dsn: str, query: str) -> int:
    """A number of the database."""
    connection = await asyncpg.connect(dsn)
    try:
        number: int = await connection.fetchval(query)
    finally:
        await connection.close()
    return number


async def execute(dsn: str, statement: str) -> None:
    """Break something."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
