"""The JavaScript handset of `examples/handset`: a stranger's client, written from the document."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest

from gateway.app import Addresses, serve
from gateway.devices import Devices, NewDevice
from gateway.protocol.proof import derive_keys
from gateway.settings import DatabaseSettings, HttpSettings, Settings, TcpSettings
from gateway.store import open_pool

HANDSET = Path(__file__).resolve().parents[2] / "examples" / "handset"
NODE = shutil.which("node") or "node"
DEVICE = 350_000_000_000_017
SECRET = bytes(range(32))

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None, reason="needs Node.js 20 on the PATH: the client is JavaScript"
)


def test_reads_and_writes_every_vector() -> None:
    """An implementation in another language agrees with `docs/vectors.json`."""
    run = subprocess.run(
        [NODE, "--test", str(HANDSET / "vectors.test.mjs")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout


def test_says_what_is_missing_on_its_command_line() -> None:
    """Wrong usage ends with code 2 and a sentence."""
    run = subprocess.run(
        [NODE, str(HANDSET / "handset.mjs")], capture_output=True, text=True, check=False
    )
    assert run.returncode == 2
    assert "--device and --secret" in run.stderr


@pytest.mark.asyncio
async def test_greets_reports_repeats_and_is_refused(database_dsn: str) -> None:
    """It does against a real gateway what issue and document promise a stranger."""
    await _register(database_dsn)
    async with _gateway(database_dsn) as (host, port):
        code, events = await _handset(host, port, SECRET)
    assert code == 0
    assert [
        (e["sequence"], e.get("code")) for e in events if e["event"] in {"acked", "refused"}
    ] == [
        (1, None),
        (1, None),
        (2, 41),
    ]
    assert _stored(database_dsn) == [(1, 102, "新木路12号门前有暴露垃圾，影响市容。")]


@pytest.mark.asyncio
async def test_is_not_admitted_with_a_wrong_secret(database_dsn: str) -> None:
    """It is refused with code 2, and nothing is stored."""
    await _register(database_dsn)
    async with _gateway(database_dsn) as (host, port):
        code, events = await _handset(host, port, bytes(32))
    assert code == 1
    assert [event["event"] for event in events] == ["sent"]
    assert _stored(database_dsn) == []


async def _register(dsn: str) -> None:
    pool = await open_pool(dsn, size=1, command_timeout_seconds=10)
    try:
        await Devices(pool).add([NewDevice(DEVICE, derive_keys(SECRET), "", None)])
    finally:
        await pool.close()


@asynccontextmanager
async def _gateway(dsn: str) -> AsyncIterator[tuple[str, int]]:
    settings = Settings(
        database=DatabaseSettings(dsn=dsn),
        tcp=TcpSettings(host="127.0.0.1", port=0),
        http=HttpSettings(port=0),
    )
    stop = asyncio.Event()
    listening: asyncio.Future[Addresses] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(settings, stop, listening.set_result))
        try:
            address = (await listening).tcp
            assert address is not None
            yield address
        finally:
            stop.set()


async def _handset(
    host: str, port: int, secret: bytes
) -> tuple[int | None, list[dict[str, object]]]:
    process = await asyncio.create_subprocess_exec(
        NODE,
        str(HANDSET / "handset.mjs"),
        f"--host={host}",
        f"--port={port}",
        f"--device={DEVICE}",
        f"--secret={secret.hex()}",
        stdout=subprocess.PIPE,
    )
    output, _ = await process.communicate()
    return process.returncode, [json.loads(line) for line in output.splitlines()]


def _stored(dsn: str) -> list[tuple[int, int, str]]:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("SELECT sequence, class_code, description FROM report").fetchall()
    return [(sequence, class_code, description) for sequence, class_code, description in rows]
