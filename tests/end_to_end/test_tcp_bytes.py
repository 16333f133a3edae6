"""The bytes of a TCP connection that the gateway puts on a bill are those that were on the wire.

A gateway of its own process, devices in a network namespace, and between them a link that counts
each IP packet and may lose some. The interface's counters confirm what the link counted.
"""

import asyncio
import signal
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.protocol.errors import GoodbyeReason
from gateway.protocol.messages import Message
from gateway.protocol.wire_report import pack_backlog, pack_report
from tests.helpers.builders import EDITION_2007, build_reports
from tests.helpers.device_client import DeviceClient
from tests.helpers.gateway_process import GatewayProcess, gateway_process
from tests.helpers.lossy_link import LossyLink, lossy_link
from tests.helpers.served_gateway import Look, register

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(240)]

LOSS = 0.05
TOLERANCE = 0.02
"""Of both directions together, which is what a data plan counts, and of the one down."""

TOLERANCE_UP = 0.03
"""Up alone: how large a repeated segment was is a mean of small and large ones."""

LOSSY_DEVICES = 24
"""A repeated segment's size is a mean, so single ones may be ten times off: many even out."""

ICMP_BYTES = 2_000
"""At most so much else passes the interface: what IPv6 asks when a link comes up."""

Work = Callable[[DeviceClient], Awaitable[None]]


@asynccontextmanager
async def device(
    link: LossyLink, gateway: GatewayProcess, number: int
) -> AsyncIterator[DeviceClient]:
    """A greeted device in the namespace. The block ends its connection."""
    host, port = gateway.tcp
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = link.socket(family)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, (host.strip("[]"), port))
    client = DeviceClient(*await asyncio.open_connection(sock=sock), number)
    await client.greet()
    yield client


async def report_singly(client: DeviceClient, count: int, first: int = 1) -> None:
    """One report, its ack, the next."""
    for report in build_reports(count, first):
        await client.send(pack_report(report, EDITION_2007))
        await client.expect_acks_of(report.sequence)


async def report_backlogs(client: DeviceClient, count: int, first_sequence: int = 1) -> None:
    """Backlogs of 32 reports, four under way."""
    reports = build_reports(count * 32, first_sequence)
    for first in range(0, len(reports), 128):
        some = reports[first : first + 128]
        frames: list[Message] = [
            pack_backlog(some[at : at + 32], EDITION_2007) for at in range(0, len(some), 32)
        ]
        await client.send(*frames)
        await client.expect_acks_of(*(report.sequence for report in some))


async def leave(client: DeviceClient) -> None:
    """Say goodbye and finish first."""
    client.connection.close(GoodbyeReason.NORMAL, 0.0)
    await client.send_bytes(client.connection.data_to_send())
    client.writer.close()
    await client.writer.wait_closed()


async def reset(client: DeviceClient) -> None:
    """Break the connection off: RST instead of FIN."""
    sock = client.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.writer.transport.abort()


def end(gateway: GatewayProcess, connections: int) -> None:
    """Wait until its connections are over, and end it in order."""
    for _ in range(connections):
        gateway.wait_for("session_closed")
    gateway.process.send_signal(signal.SIGTERM)
    assert gateway.end() == 0


async def metered(dsn: str) -> tuple[int, int, int]:
    """Bytes up, bytes down, connections."""
    rows = await Look(dsn).rows(
        "SELECT sum(bytes_up)::int, sum(bytes_down)::int, sum(connections)::int FROM traffic"
    )
    return rows[0]


def differences(link: LossyLink, up: int, down: int) -> Sequence[float]:
    """By how much the figures differ from the truth, as shares of it."""
    true = link.total
    seen_up, seen_down = link.interface_bytes()
    assert true.bytes_up <= seen_up <= true.bytes_up + ICMP_BYTES
    assert true.bytes_down <= seen_down <= true.bytes_down + ICMP_BYTES
    return up / true.bytes_up - 1, down / true.bytes_down - 1


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_with_loss(seed: int, database_dsn: str, tmp_path: Path) -> None:
    """A day's work, mostly single reports and some backlogs: with 5 % of the packets lost what
    passed the gateway's interface is met within 2 %, and up alone within 3 %.
    """
    numbers = range(1, LOSSY_DEVICES + 1)
    await register(database_dsn, numbers)

    async def work(number: int) -> None:
        async with device(link, gateway, number) as client:
            await report_singly(client, 40)
            await report_backlogs(client, 16, 41)
            await leave(client)

    with (
        lossy_link(LOSS, seed) as link,
        gateway_process(
            database_dsn, tmp_path / "g.log", tcp__host=link.host, meter__flush_seconds="0.2"
        ) as gateway,
    ):
        gateway.wait_until_started()
        async with asyncio.TaskGroup() as tasks:
            for number in numbers:
                tasks.create_task(work(number))
        await asyncio.to_thread(end, gateway, len(numbers))
        up, down, connections = await metered(database_dsn)
        assert link.lost > 60
        assert connections == len(numbers)
        off_up, off_down = differences(link, up, down)
        true = link.total
        assert abs((up + down) / (true.bytes_up + true.bytes_down) - 1) <= TOLERANCE
        assert abs(off_down) <= TOLERANCE
        assert abs(off_up) <= TOLERANCE_UP


async def standing(link: LossyLink, gateway: GatewayProcess) -> int:
    """Many reports over one connection."""
    async with device(link, gateway, 1) as client:
        await report_singly(client, 100)
        await leave(client)
    return 1


async def one_each(link: LossyLink, gateway: GatewayProcess) -> int:
    """A connection for each report."""
    for sequence in range(1, 21):
        async with device(link, gateway, 1) as client:
            await report_singly(client, 1, sequence)
            await leave(client)
    return 20


async def resets(link: LossyLink, gateway: GatewayProcess) -> int:
    """Connections that the device breaks off."""
    for sequence in range(1, 6):
        async with device(link, gateway, 1) as client:
            await report_singly(client, 1, sequence)
            await reset(client)
    return 5


async def replaced(link: LossyLink, gateway: GatewayProcess) -> int:
    """The gateway finishes first: a device's newer connection ends the older one."""
    older = None
    for sequence in range(1, 11):
        async with device(link, gateway, 1) as client:
            await report_singly(client, 1, sequence)
            if older is not None:
                await older.expect_end()
                older.close()
            older = client
    assert older is not None
    await leave(older)
    return 10


@pytest.mark.parametrize("work", [standing, one_each, resets, replaced])
@pytest.mark.parametrize("version", [4, 6])
async def test_without_loss(
    work: Callable[[LossyLink, GatewayProcess], Awaitable[int]],
    version: int,
    database_dsn: str,
    tmp_path: Path,
) -> None:
    """However connections are used and ended: exactly, but for a header of each connection whose
    last segments may be joined, or answered by a reset.
    """
    await register(database_dsn, [1])
    with lossy_link() as link:
        host = link.host if version == 4 else link.host_6
        with gateway_process(database_dsn, tmp_path / "g.log", tcp__host=host) as gateway:
            gateway.wait_until_started()
            expected = await work(link, gateway)
            await asyncio.to_thread(end, gateway, expected)
            up, down, connections = await metered(database_dsn)
            assert connections == expected
            header = 52 if version == 4 else 72
            off_up, off_down = differences(link, up, down)
            assert abs(off_up) * link.total.bytes_up <= expected * header
            assert abs(off_down) * link.total.bytes_down <= expected * header
