"""The JavaScript handset of `examples/handset`: a stranger's client, written from the document."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg
import pytest
import trio

from gateway.app import Addresses, serve
from gateway.devices import Devices, NewDevice
from gateway.protocol.errors import RefusalCode, Resend
from gateway.protocol.messages import Ack, Hello, Message, Ping, Pong, Refusal, WireReport
from gateway.protocol.proof import derive_keys
from gateway.protocol.task_messages import (
    Answer,
    Task,
    TaskAnswer,
    TaskKind,
    TaskNoted,
    TaskReceipt,
    TaskWithdrawal,
)
from gateway.protocol.text import encode_text
from gateway.settings import DatabaseSettings, HttpSettings, Settings, TcpSettings
from gateway.store import open_pool
from tests.helpers.builders import NOW
from tests.helpers.scripted_gateway import ScriptedGateway

HANDSET = Path(__file__).resolve().parents[2] / "examples" / "handset"
NODE = shutil.which("node") or "node"
DEVICE = 350_000_000_000_017
SECRET = bytes(range(32))
NO_SUCH_CLASS = 9999
"""The class of the report that the client wants to be refused."""

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


@pytest.mark.trio
async def test_notes_tasks_shows_each_once_and_answers() -> None:
    """Repeated, expired, withdrawn and late tasks are dealt with as the document says."""
    verify = Task(7, TaskKind.VERIFY, NOW - 60, NOW + 3_600, encode_text("请核实雨水井盖是否松动"))
    notice = Task(6, TaskKind.NOTICE, NOW - 60, NOW + 60, "14点开会")
    expired = Task(8, TaskKind.CHECK, NOW - 60, NOW, "expired")
    behind = Task(9, TaskKind.CHECK, NOW - 60, NOW + 3_600, "behind its withdrawal")
    asks = (notice, verify, expired, TaskWithdrawal(9), behind, verify)
    gateways: list[AskingGateway] = []

    async def serve_one(stream: trio.SocketStream) -> None:
        gateways.append(AskingGateway(stream, acks=False, asks=asks))
        await gateways[-1].run()

    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(
            partial(trio.serve_tcp, serve_one, port=0, host="127.0.0.1")
        )
        port = listener.socket.getsockname()[1]
        command = [*_command("127.0.0.1", port, SECRET), f"--answer={Answer.EXISTS.value}"]
        done = await trio.run_process(command, capture_stdout=True)
        nursery.cancel_scope.cancel()
    events = [json.loads(line) for line in done.stdout.splitlines()]
    shown = [(e["task"], e["text"]) for e in events if e["event"] == "task"]
    assert shown == [(6, "14点开会"), (7, "请核实雨水井盖是否松动")]
    assert [e["task"] for e in events if e["event"] == "withdrawn"] == [9]
    [gateway] = gateways
    noted = [message for message in gateway.received if isinstance(message, TaskNoted)]
    assert [(note.task, note.what) for note in noted] == [(6, 0), (7, 0), (9, 1), (9, 1), (7, 0)]
    [answer] = [message for message in gateway.received if isinstance(message, TaskAnswer)]
    assert (answer.task, answer.answer, answer.text) == (7, Answer.EXISTS, "")


@dataclass
class AskingGateway(ScriptedGateway):
    """Asks right behind the welcome, and takes every answer."""

    asks: Sequence[Message] = ()

    async def _take(self, message: object) -> None:
        await super()._take(message)
        match message:
            case Hello():
                for ask in self.asks:
                    await self.send(ask)
            case WireReport() if message.class_code == NO_SUCH_CLASS:
                await self.send(Refusal(RefusalCode.UNKNOWN_CLASS, Resend.NEVER, message.sequence))
                await self.send(Ack(message.sequence))
            case WireReport():
                await self.send(Ack(message.sequence))
            case Ping():
                await self.send(Pong())
            case TaskAnswer():
                await self.send(TaskReceipt(message.task))


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
        tcp=TcpSettings(host="127.0.0.1", port=0, plaintext=True),
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
        *_command(host, port, secret), stdout=subprocess.PIPE
    )
    output, _ = await process.communicate()
    return process.returncode, [json.loads(line) for line in output.splitlines()]


def _command(host: str, port: int, secret: bytes) -> list[str]:
    return [
        NODE,
        str(HANDSET / "handset.mjs"),
        f"--host={host}",
        f"--port={port}",
        f"--device={DEVICE}",
        f"--secret={secret.hex()}",
    ]


def _stored(dsn: str) -> list[tuple[int, int, str]]:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("SELECT sequence, class_code, description FROM report").fetchall()
    return [(sequence, class_code, description) for sequence, class_code, description in rows]
