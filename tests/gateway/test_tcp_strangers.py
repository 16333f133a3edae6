"""Who is not admitted yet, or never will be, on a real server: places, and refusals held back."""

import asyncio
from contextlib import AsyncExitStack

import msgspec
import pytest
import pytest_asyncio

from gateway.protocol.errors import GoodbyeReason, RefusalCode
from gateway.protocol.limits import FRAME_TIMEOUT_SECONDS
from gateway.protocol.messages import Challenge, Goodbye
from tests.helpers.device_client import DeviceClient, connect, greeted
from tests.helpers.memory_store import MemoryStore
from tests.helpers.metrics import grown
from tests.helpers.tcp_gateway import TcpGateway, tcp_gateway, until
from tests.helpers.wire import wire

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def store() -> MemoryStore:
    """What the gateway stores into."""
    return MemoryStore()


async def fail(gateway: TcpGateway, stack: AsyncExitStack, device: int) -> DeviceClient:
    """A client that has greeted in the name of a device with a wrong proof, and waits."""
    held = gateway.server.strangers.held
    client = await stack.enter_async_context(connect(gateway.address, device))
    await client.send(msgspec.structs.replace(await client.hello(), proof=bytes(16)))
    await until(lambda: gateway.server.strangers.held == held + 1)
    return client


async def test_strangers_take_no_session_s_place(store: MemoryStore) -> None:
    """With two places for strangers and one for a session, a flood of idle connections loses its
    own, and a handset is admitted in the middle of it.
    """
    cut = grown("gateway_strangers_cut_total")
    async with (
        tcp_gateway(store, max_sessions=1, max_strangers=2) as gateway,
        AsyncExitStack() as stack,
    ):
        flood = [await stack.enter_async_context(connect(gateway.address)) for _ in range(2)]
        for client in flood:
            await client.expect(Challenge)
        assert len(gateway.server.strangers) == 2
        async with greeted(gateway.address, 7) as honest:
            assert await flood[0].expect_end() == ([], None)
            assert cut() == 1
            assert (len(gateway.server.strangers), gateway.server.admitted_sessions) == (1, 1)
            for _ in range(4):
                await stack.enter_async_context(connect(gateway.address))
            await until(lambda: cut() == 4)
            await honest.send(wire(1))
            await honest.expect_acks_of(1)
        await until(lambda: gateway.server.admitted_sessions == 0)
    assert len(gateway.server.strangers) == 0


async def test_a_right_proof_is_admitted_at_once_whatever_others_did(store: MemoryStore) -> None:
    """Failures in the name of a device and from its address hold back refusals, and nothing else;
    those whose refusal waits make way first.
    """
    async with tcp_gateway(store, max_strangers=3) as gateway, AsyncExitStack() as stack:
        for _ in range(2):
            await fail(gateway, stack, 7)
        idle = await stack.enter_async_context(connect(gateway.address))
        await idle.expect(Challenge)
        async with greeted(gateway.address, 7):
            assert gateway.server.strangers.held == 1
            assert len(gateway.server.strangers) == 2


async def test_a_refusal_waits_for_its_time(store: MemoryStore) -> None:
    """Each failure from the same address doubles it. Until then the thief hears nothing."""
    async with tcp_gateway(store) as gateway, AsyncExitStack() as stack:
        clients = [await fail(gateway, stack, device) for device in (7, 8, 9_999)]
        greetings = [session._greeting for session in gateway.server._open]
        holds = sorted(
            greeting.refuse_at - greeting._applied_at
            for greeting in greetings
            if greeting is not None and greeting.refuse_at is not None
        )
        assert holds == pytest.approx([0.5, 1.0, 2.0], rel=0.05)
        gateway.let_time_pass(2)
        for client in clients:
            refusals, _ = await client.expect_end()
            assert [refusal.code for refusal in refusals] == [RefusalCode.NOT_ADMITTED]


async def test_a_frame_that_never_becomes_whole(store: MemoryStore) -> None:
    """Bytes that trickle in do not keep a session open for ever, nor use memory."""
    async with tcp_gateway(store) as gateway, greeted(gateway.address, 1) as client:
        await client.send_bytes(b"\xff\x7f\x9c")
        session = gateway.session_of(1)
        await until(lambda: session._connection.buffered_bytes == 3)
        gateway.let_time_pass(FRAME_TIMEOUT_SECONDS - 60)
        await client.send_bytes(b"\x03")
        await until(lambda: session._connection.buffered_bytes == 4)
        assert gateway.server.admitted_sessions == 1
        gateway.let_time_pass(60)
        assert await client.expect_end() == ([], Goodbye(GoodbyeReason.IDLE))


async def test_the_timer_looks_often_enough(store: MemoryStore) -> None:
    """A frame may begin right after a look; the next one is in time for it all the same."""
    async with tcp_gateway(store) as gateway, greeted(gateway.address, 1):
        timer = gateway.session_of(1)._timer
        assert timer is not None
        left = timer.when() - asyncio.get_running_loop().time()
        assert left < FRAME_TIMEOUT_SECONDS + 1
