"""Over real sockets: a device that floods leaves its neighbours' reports and emergencies alone."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from gateway.protocol.errors import GoodbyeReason, RefusalCode, Resend
from gateway.protocol.framing import encode_frame
from gateway.protocol.messages import Hello, Message, Ping, Refusal, encode
from gateway.protocol.report import Urgency
from gateway.protocol.task_messages import TaskNoted
from gateway.protocol.wire_report import pack_track
from gateway.settings import BatchSettings, LimitSettings
from tests.helpers.builders import EDITION_2007, build_track
from tests.helpers.device_client import DeviceClient, greeted
from tests.helpers.memory_store import MemoryStore
from tests.helpers.tcp_gateway import tcp_gateway, until
from tests.helpers.wire import backlog, wire

pytestmark = pytest.mark.asyncio

FEW = LimitSettings(burst_reports=600, burst_emergencies=2)
LONGEST_FRAME = encode_frame(encode(wire(1)) + bytes(16_000))

FLOODS: dict[str, Callable[[int], bytes]] = {
    "backlogs": lambda turn: encode_frame(encode(backlog(255, 1 + 255 * turn))),
    "reports": lambda turn: encode_frame(encode(wire(turn + 1))),
    "emergencies": lambda turn: encode_frame(encode(wire(turn + 1, urgency=Urgency.EMERGENCY))),
    "tracks": lambda turn: encode_frame(
        encode(pack_track(build_track(sequence=turn + 1), EDITION_2007))
    ),
    "notes": lambda turn: encode_frame(encode(TaskNoted(turn + 1, 0))),
    "pings": lambda _turn: encode_frame(encode(Ping())),
    "frames of the largest size": lambda _turn: LONGEST_FRAME,
}


@asynccontextmanager
async def flooding(client: DeviceClient, flood: Callable[[int], bytes]) -> AsyncIterator[None]:
    """Send until the block ends or the gateway has had enough; never read."""

    async def send() -> None:
        turn = 0
        while True:
            try:
                await client.send_bytes(flood(turn))
            except OSError:
                return
            turn += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(send())
        yield
        sending.cancel()


@pytest.mark.parametrize("kind", FLOODS)
async def test_a_flood_leaves_the_neighbour_alone(kind: str) -> None:
    """Its reports and emergencies are acked meanwhile, and the flood's share is all that it got."""
    store = MemoryStore()
    async with (
        tcp_gateway(store, limits=FEW) as gateway,
        greeted(gateway.address, 1) as flood,
        greeted(gateway.address, 2) as neighbour,
        flooding(flood, FLOODS[kind]),
    ):
        for number in range(1, 40, 2):
            await neighbour.send(wire(number), wire(number + 1, urgency=Urgency.EMERGENCY))
            await neighbour.expect_acks_of(number, number + 1)
    assert sum(key[0] == 1 for key in store.reports) <= 700


async def test_an_honest_device_is_told_when_to_come_back() -> None:
    """With its numbers; its session goes on, and what it sends then is stored."""
    store = MemoryStore()
    limits = LimitSettings(reports_per_second=255, burst_reports=255)
    async with tcp_gateway(store, limits=limits) as gateway, greeted(gateway.address) as client:
        await client.send(backlog(255), backlog(255, 256))
        refusal = await client.expect(Refusal)
        assert refusal == Refusal(RefusalCode.TOO_MANY_REPORTS, Resend.LATER, 256, 255, 1)
        gateway.let_time_pass(1.0)
        await client.send(backlog(255, 256))
        await until(lambda: len(store.reports) == 510)


async def test_who_does_not_wait_is_sent_away_and_wins_nothing_by_coming_back() -> None:
    """The goodbye says when; the share is the device's and not the session's."""
    async with tcp_gateway(limits=FEW) as gateway:
        notes: list[Message] = [TaskNoted(1, 0)] * 3_000
        async with greeted(gateway.address) as client:
            await client.send(*notes)
            _, goodbye = await client.expect_end()
            assert goodbye is not None
            assert goodbye.reason == GoodbyeReason.TOO_MANY_ERRORS
            assert goodbye.retry_after_seconds > 1
        async with greeted(gateway.address) as client:
            await client.send(backlog(255))
            refusals, goodbye = await client.expect_end()
            assert [refusal.code for refusal in refusals] == [RefusalCode.TOO_MANY_REPORTS]
            assert goodbye is not None


async def test_emergencies_beyond_the_share_wait_for_room_like_reports() -> None:
    """While the batcher is full they stay unread, and those of others go past."""
    store = MemoryStore()
    store.holds = lambda parcels: not parcels[0].urgent
    batch = BatchSettings(max_pending_items=2, linger_seconds=0, writers=1)
    async with (
        tcp_gateway(store, batch=batch, limits=FEW) as gateway,
        greeted(gateway.address, 1) as flood,
        greeted(gateway.address, 2) as neighbour,
    ):
        emergencies = [wire(number, urgency=Urgency.EMERGENCY) for number in range(1, 20)]
        await flood.send(*emergencies)
        await until(lambda: gateway.batcher.is_full)
        await neighbour.send(wire(1, urgency=Urgency.EMERGENCY))
        await neighbour.expect_acks_of(1)
        assert len(store.reports) == 3
        store.release()
        await until(lambda: len(store.reports) == 20)


async def test_what_a_device_sends_is_stored_as_its_own() -> None:
    """The hello has said who it is; a later one, of another device, is refused."""
    store = MemoryStore()
    async with tcp_gateway(store) as gateway, greeted(gateway.address) as client:
        await client.send_bytes(encode_frame(encode(Hello(1, 2, 1, 0, bytes(12), bytes(16)))))
        assert (await client.expect(Refusal)).code == RefusalCode.UNEXPECTED_MESSAGE
        await client.send(wire(1))
        await client.expect_acks_of(1)
    assert {key[0] for key in store.reports} == {1}
