"""A dump of a running system is one moment of it: restored, all is true, and work goes on."""

import asyncio
from pathlib import Path

import pytest

from gateway.devices import Devices
from gateway.embedded_postgres import EmbeddedPostgres, find_programs
from gateway.store import open_pool
from gateway.unprivileged import account_for
from tests.helpers.databases import fresh_database
from tests.helpers.device_client import connect, greeted
from tests.helpers.served_gateway import Look, register, served_gateway
from tests.helpers.wire import backlog, wire

pytestmark = pytest.mark.asyncio

DEVICES = (1, 2, 3)
KEYS = "SELECT device_id, installation, sequence FROM report"


async def run(*command: object) -> None:
    """Run one of PostgreSQL's programs; its words are in the error."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command), stderr=asyncio.subprocess.PIPE
    )
    _, told = await process.communicate()
    assert process.returncode == 0, told.decode()


class Load:
    """Handsets that send without end, and what was acked to each."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self.acked = dict.fromkeys(DEVICES, 0)
        self.sent = dict.fromkeys(DEVICES, 0)

    async def play(self, device: int) -> None:
        """Backlogs, one after the other."""
        async with greeted(self._address, device) as client:
            while True:
                first = self.sent[device] + 1
                self.sent[device] += 32
                await client.send(backlog(32, first))
                await client.expect_acks_of(*range(first, first + 32))
                self.acked[device] = self.sent[device]

    async def until_grown(self, reports: int) -> None:
        """Until each handset has so many more acked."""
        goal = {device: acked + reports for device, acked in self.acked.items()}
        async with asyncio.timeout(60):
            while any(self.acked[d] < goal[d] for d in DEVICES):  # noqa: ASYNC110 - see `play`
                await asyncio.sleep(0.01)


async def dump_under_load(dsn: str, programs: Path, file: Path) -> tuple[dict[int, int], Load]:
    """Dump while handsets send; what was acked to each before the dump began, and the load."""
    async with served_gateway(dsn) as gateway:
        load = Load(gateway.tcp)
        async with asyncio.TaskGroup() as tasks:
            playing = [tasks.create_task(load.play(device)) for device in DEVICES]
            await load.until_grown(320)
            before = dict(load.acked)
            await run(programs / "pg_dump", "--format=custom", f"--file={file}", dsn)
            await load.until_grown(64)
            for task in playing:
                task.cancel()
    return before, load


async def assert_one_moment(dsn: str, before: dict[int, int], load: Load) -> None:
    """All that was acked before the dump, nothing that was not sent, and all tables of one moment:
    the ledger counts the very rows, notes of what is to be published name them, no watermark leads.
    """
    look = Look(dsn)
    keys = set(await look.rows(KEYS))
    assert keys >= {(d, 1, n) for d, acked in before.items() for n in range(1, acked + 1)}
    assert keys <= {(d, 1, n) for d, sent in load.sent.items() for n in range(1, sent + 1)}
    assert await look.rows("SELECT sum(stored)::int FROM ledger") == [(len(keys),)]
    assert await look.rows("SELECT sum(reports)::int FROM publication") == [(len(keys),)]
    assert (
        await look.rows(
            "SELECT device_id FROM installation AS i WHERE settled_through > (SELECT count(*)"
            " FROM report WHERE report.device_id = i.device_id AND sequence <= i.settled_through)"
        )
        == []
    )


async def test_dump_and_restore(
    postgres: EmbeddedPostgres, database_dsn: str, place: Path, tmp_path: Path
) -> None:
    """A gateway runs on what was restored. A handset that was told more than it knows is told less,
    which takes nothing back; what it still has is stored under the numbers that were lost, what it
    has sent before is a duplicate; what was acked after the dump and is on no handset is lost.
    """
    programs = find_programs(place, account_for(Path("/nonexistent")))
    await register(database_dsn, DEVICES)
    before, load = await dump_under_load(database_dsn, programs, tmp_path / "dump")
    with fresh_database(postgres) as restored:
        await run(
            programs / "pg_restore", "--exit-on-error", f"--dbname={restored}", tmp_path / "dump"
        )
        await assert_one_moment(restored, before, load)
        await goes_on(restored, load.acked[1])


async def goes_on(dsn: str, acked: int) -> None:
    """Device 1, which has forgotten what was acked, sends its next reports, and one of the lost."""
    look = Look(dsn)
    known = [number for device, _, number in sorted(await look.rows(KEYS)) if device == 1]
    assert known == list(range(1, len(known) + 1))
    assert len(known) < acked, "nothing came after the dump: the test shows nothing"
    async with served_gateway(dsn) as gateway:
        async with connect(gateway.tcp) as client:
            assert (await client.greet(settled_through=acked)).settled_through == len(known)
            # A number that comes again is stored; one that is known is a duplicate; then new ones.
            for message in (wire(acked), backlog(32), wire(acked + 1), wire(acked + 2)):
                await client.send(message)
            await client.expect_acks_of(1, 32, acked, acked + 1, acked + 2)
        async with connect(gateway.tcp) as client:
            # The gap stays: those in it were acked after the dump, and nobody has them any more.
            assert (await client.greet(settled_through=acked + 2)).settled_through == len(known)
    after = [number for device, _, number in sorted(await look.rows(KEYS)) if device == 1]
    assert after == [*known, acked, acked + 1, acked + 2]
    pool = await open_pool(dsn, size=1)
    found = await Devices(pool).lookup([(1, 1, 0)])
    assert found[1, 1].refused == ()
    await pool.close()
