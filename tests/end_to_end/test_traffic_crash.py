"""What a gateway that is killed loses of its counting, and what one that is stopped does not."""

import asyncio
import signal
import socket
import struct
from pathlib import Path

import pytest

from gateway.protocol.wire_report import pack_report
from tests.helpers.builders import EDITION_2007, build_report
from tests.helpers.device_client import DeviceClient, greeted
from tests.helpers.gateway_process import gateway_process
from tests.helpers.served_gateway import Look, register

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(120)]

FLUSH_SECONDS = 1.0
HEADER, SYN = 52, 60

METERED_WITHIN_SECONDS = 30.0
"""A broken test ends with an error instead of hanging."""


def told_by_the_device(client: DeviceClient) -> tuple[int, int]:
    """Up and down as the kernel counts at the other end."""
    sock = client.writer.get_extra_info("socket")
    info = sock.getsockopt(socket.IPPROTO_TCP, 11, 232)
    received, out, into = struct.unpack_from("=QII", info, 128)
    (sent,) = struct.unpack_from("=Q", info, 200)
    return sent + out * HEADER + SYN - HEADER, received + into * HEADER + SYN - HEADER


async def report(client: DeviceClient, sequence: int) -> None:
    """Send one and wait for its ack."""
    await client.send(pack_report(build_report(sequence=sequence), EDITION_2007))
    await client.expect_acks_of(sequence)


async def metered(dsn: str) -> tuple[int, int]:
    """What the table holds."""
    rows = await Look(dsn).rows(
        "SELECT coalesce(sum(bytes_up), 0)::int, coalesce(sum(bytes_down), 0)::int FROM traffic"
    )
    return rows[0]


async def until_metered(dsn: str, client: DeviceClient) -> tuple[int, int]:
    """Wait until all that the device has carried is in the table."""
    async with asyncio.timeout(METERED_WITHIN_SECONDS):
        while (found := await metered(dsn)) != told_by_the_device(client):  # noqa: ASYNC110 -- another process writes it
            await asyncio.sleep(0.02)
    return found


async def test_killed(database_dsn: str, tmp_path: Path) -> None:
    """What was counted an interval ago stays; no report is lost. Another gateway goes on with the
    same row.
    """
    await register(database_dsn, [1])
    settings = {"meter__flush_seconds": str(FLUSH_SECONDS)}
    with gateway_process(database_dsn, tmp_path / "first.log", **settings) as gateway:
        gateway.wait_until_started()
        async with greeted(gateway.tcp) as client:
            await report(client, 1)
            before = await until_metered(database_dsn, client)
            await report(client, 2)
            gateway.process.kill()
            gateway.process.wait()
    after = await metered(database_dsn)
    assert after[0] >= before[0] > 0
    assert after[1] >= before[1] > 0
    assert await Look(database_dsn).reports() == [(1, 1, 1), (1, 1, 2)]
    with gateway_process(database_dsn, tmp_path / "second.log", **settings) as gateway:
        gateway.wait_until_started()
        async with greeted(gateway.tcp) as client:
            await report(client, 3)
            up, down = told_by_the_device(client)
            async with asyncio.timeout(METERED_WITHIN_SECONDS):
                while await metered(database_dsn) != (after[0] + up, after[1] + down):
                    await asyncio.sleep(0.02)
                    up, down = told_by_the_device(client)


async def test_stopped(database_dsn: str, tmp_path: Path) -> None:
    """The last counts are written, though the next interval is far away."""
    await register(database_dsn, [1])
    log = tmp_path / "g.log"
    with gateway_process(database_dsn, log, meter__flush_seconds="3600") as gateway:
        gateway.wait_until_started()
        async with greeted(gateway.tcp) as client:
            await report(client, 1)
            up, down = told_by_the_device(client)
            assert await metered(database_dsn) == (0, 0)
            gateway.process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(gateway.end) == 0
    found = await metered(database_dsn)
    assert found[0] >= up
    assert found[1] > down


async def test_disabled(database_dsn: str, tmp_path: Path) -> None:
    """Nothing is written."""
    await register(database_dsn, [1])
    log = tmp_path / "g.log"
    with gateway_process(database_dsn, log, meter__enabled="false") as gateway:
        gateway.wait_until_started()
        async with greeted(gateway.tcp) as client:
            await report(client, 1)
        await asyncio.to_thread(gateway.wait_for, "session_closed")
        gateway.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(gateway.end) == 0
    assert await metered(database_dsn) == (0, 0)
