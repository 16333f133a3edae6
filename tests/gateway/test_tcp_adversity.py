"""Nonsense on the TCP port is refused, counted, logged once a session, and disturbs nobody."""

import random
from collections.abc import AsyncIterator
from typing import Any

import msgpack
import msgspec
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from gateway.admission import NOT_ADMITTED_RETRY_SECONDS
from gateway.protocol.errors import GoodbyeReason, RefusalCode, Resend
from gateway.protocol.framing import encode_frame
from gateway.protocol.limits import MAX_BAD_FRAMES, MAX_FRAME_BYTES
from gateway.protocol.messages import Ack, Goodbye, Pong, Refusal, encode
from gateway.protocol.proof import derive_keys, gateway_proof
from tests.helpers.device_client import DeviceClient, connect, greeted, secret_of
from tests.helpers.memory_store import MemoryStore
from tests.helpers.metrics import TCP, LedgerOfMetrics, grown
from tests.helpers.tcp_gateway import TcpGateway, tcp_gateway
from tests.helpers.wire import wire

pytestmark = pytest.mark.asyncio

GOOD = 1
"""The device that behaves."""
BAD = 2


def framed(*fields: object) -> bytes:
    """A frame of any content."""
    return encode_frame(msgpack.packb(fields))


def nested(*fields: object) -> bytes:
    """A frame with arrays in arrays behind the fields, as deep as a frame is long."""
    opening = msgpack.packb((*fields, None))[:-1]
    return encode_frame(opening + b"\x91" * (MAX_FRAME_BYTES - len(opening)))


@pytest_asyncio.fixture
async def store() -> MemoryStore:
    """What the gateway stores into."""
    return MemoryStore()


@pytest_asyncio.fixture
async def gateway(store: MemoryStore) -> AsyncIterator[TcpGateway]:
    """A gateway that waits half a second for a greeting."""
    async with tcp_gateway(store, greeting_timeout_seconds=0.5) as running:
        yield running


@pytest_asyncio.fixture
async def good(gateway: TcpGateway) -> AsyncIterator[DeviceClient]:
    """A well-behaved session: it gets its acks before, while and after others misbehave."""
    async with greeted(gateway.address, GOOD) as client:
        await client.send(wire(1))
        await client.expect_acks_of(1)
        yield client
        await client.send(wire(2))
        await client.expect_acks_of(2)


def logged(logs: list[Any], event: str) -> list[Any]:
    """The lines of one kind."""
    return [line for line in logs if line["event"] == event]


HTTP = b"GET /metrics HTTP/1.1\r\nHost: gateway.example:7440\r\nUser-Agent: Mozilla/5.0\r\n\r\n"
TLS = bytes.fromhex("160301") + (240).to_bytes(2, "big") + bytes(range(240))

NONSENSE = {
    "a huge length": (b"\xff\xff\xff\xff\x7f", "bad_frame", RefusalCode.BAD_FRAME),
    "a length of nothing": (b"\x00", "bad_frame", RefusalCode.BAD_FRAME),
    "a padded length": (b"\x81\x00\x90", "bad_frame", RefusalCode.BAD_FRAME),
    "deep nesting": (nested(), "malformed_message", RefusalCode.MALFORMED_MESSAGE),
    "a deep hello": (nested(1), "malformed_message", RefusalCode.MALFORMED_MESSAGE),
    "HTTP": (HTTP, "malformed_message", RefusalCode.MALFORMED_MESSAGE),
    "TLS": (TLS, "malformed_message", RefusalCode.MALFORMED_MESSAGE),
    "a map": (b"\x01\x80", "malformed_message", RefusalCode.MALFORMED_MESSAGE),
    "an array cut off": (b"\x01\xdd", "malformed_message", RefusalCode.MALFORMED_MESSAGE),
    "an unknown tag": (framed(99), "unknown_message", RefusalCode.GREETING_EXPECTED),
    "a ping": (framed(8), "unexpected_message", RefusalCode.GREETING_EXPECTED),
    "half a goodbye": (framed(10, "no"), "malformed_message", RefusalCode.MALFORMED_MESSAGE),
    "a report before the hello": (
        encode_frame(encode(wire(1))), "unexpected_message", RefusalCode.GREETING_EXPECTED
    ),
    "another version": (
        framed(1, 9, "a", "hello", "of", "the", "future"),
        "unsupported_version",
        RefusalCode.UNSUPPORTED_VERSION,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NONSENSE)
async def test_nonsense_instead_of_a_greeting(
    gateway: TcpGateway, good: DeviceClient, name: str
) -> None:
    """It is answered with its reason and a goodbye, counted once and logged once."""
    data, counted_as, code = NONSENSE[name]
    counted = grown("gateway_bad_frames_total", {**TCP, "code": counted_as})
    with capture_logs() as logs:
        async with connect(gateway.address, BAD) as client:
            await client.send_bytes(data)
            refusals, goodbye = await client.expect_end()
        await gateway.until_sessions(1)
    assert [(refusal.code, refusal.resend) for refusal in refusals] == [(code, Resend.LATER)]
    assert goodbye == Goodbye(GoodbyeReason.PROTOCOL_ERROR)
    assert counted() == 1
    assert [line["log_level"] for line in logged(logs, "bad_frame")] == ["warning"]
    assert [line["reason"] for line in logged(logs, "session_closed")] == ["protocol_error"]


async def test_random_bytes(gateway: TcpGateway, good: DeviceClient) -> None:
    """Forty strangers with random bytes: each is refused or runs into the greeting's time-out."""
    chance = random.Random(5)
    with capture_logs() as logs:
        for _ in range(40):
            async with connect(gateway.address, BAD) as client:
                await client.send_bytes(chance.randbytes(chance.randrange(1, 300)))
                client.writer.write_eof()
                await client.expect_end()
        await gateway.until_sessions(1)
    peers = [line["peer"] for line in logged(logs, "bad_frame")]
    assert len(peers) == len(set(peers))
    assert peers
    assert len(logged(logs, "session_closed")) == 40


async def test_a_flood_of_random_bytes(gateway: TcpGateway, good: DeviceClient) -> None:
    """A megabyte is not read to its end: the connection is closed at the first wrong length."""
    async with connect(gateway.address, BAD) as client:
        client.writer.write(b"\xff" * 1_000_000)
        await client.receive()
        while await client.receive() is not None:
            pass
    await gateway.until_sessions(1)


@pytest.mark.parametrize("sent", [b"", b"\x10", b"\xff", b"\xff\x7f" + b"\x91" * 5_000])
async def test_a_greeting_that_never_comes(
    gateway: TcpGateway, good: DeviceClient, sent: bytes
) -> None:
    """Silence, or half a frame, ends with a goodbye after the time-out."""
    with capture_logs() as logs:
        async with connect(gateway.address, BAD) as client:
            await client.send_bytes(sent)
            assert await client.expect_end() == ([], Goodbye(GoodbyeReason.GREETING_TIMEOUT))
        await gateway.until_sessions(1)
    assert [line["reason"] for line in logged(logs, "session_closed")] == ["greeting_timeout"]


async def test_a_greeting_byte_by_byte_is_not_given_more_time(gateway: TcpGateway) -> None:
    """A trickle of bytes does not push the time-out away."""
    async with connect(gateway.address, BAD) as client:
        frame = encode_frame(encode(await client.hello()))
        await client.send_bytes(frame[:-1])
        _, goodbye = await client.expect_end()
    assert goodbye == Goodbye(GoodbyeReason.GREETING_TIMEOUT)


async def test_a_connection_that_is_cut_before_it_says_anything(gateway: TcpGateway) -> None:
    """Port scanners leave no warning in the log and no session behind."""
    with capture_logs() as logs:
        async with connect(gateway.address, BAD):
            await gateway.until_sessions(1)
        await gateway.until_sessions(0)
    assert {line["log_level"] for line in logs} <= {"debug"}


# Greetings of those who are not who they say.


async def expect_not_admitted(gateway: TcpGateway, client: DeviceClient) -> None:
    """Refused, counted, logged once, and the reason does not tell why."""
    counted = grown("gateway_not_admitted_total", TCP)
    with capture_logs() as logs:
        refusals, goodbye = await client.expect_end()
        await gateway.until_sessions(1)
    assert refusals == [
        Refusal(
            RefusalCode.NOT_ADMITTED, Resend.LATER, retry_after_seconds=NOT_ADMITTED_RETRY_SECONDS
        )
    ]
    assert goodbye == Goodbye(GoodbyeReason.NOT_ADMITTED, NOT_ADMITTED_RETRY_SECONDS)
    assert counted() == 1
    assert [line["device"] for line in logged(logs, "not_admitted")] == [client.device]


async def test_an_unknown_device(gateway: TcpGateway, good: DeviceClient) -> None:
    """Nobody has registered it."""
    async with connect(gateway.address, 77_777) as client:
        await client.send(await client.hello())
        await expect_not_admitted(gateway, client)


async def test_a_revoked_device(gateway: TcpGateway, good: DeviceClient) -> None:
    """A stolen handset with the right secret."""
    gateway.registry.revoked.add(BAD)
    async with connect(gateway.address, BAD) as client:
        await client.send(await client.hello())
        await expect_not_admitted(gateway, client)


@pytest.mark.parametrize("proof", [b"", b"x", bytes(16), b"\xff" * 16])
async def test_a_wrong_proof(gateway: TcpGateway, good: DeviceClient, proof: bytes) -> None:
    """A registered number without its secret; what it sent behind the hello is not stored."""
    async with connect(gateway.address, BAD) as client:
        hello = msgspec.structs.replace(await client.hello(), proof=proof)
        await client.send(hello, wire(9))
        await expect_not_admitted(gateway, client)


async def test_a_replayed_hello(
    gateway: TcpGateway, good: DeviceClient, store: MemoryStore
) -> None:
    """A recorded greeting and report do not admit anybody: each session has its own challenge."""
    async with connect(gateway.address, BAD) as client:
        hello = await client.hello()
        await client.send(hello)
        await client.welcome()
    await gateway.until_sessions(1)
    async with connect(gateway.address, BAD) as thief:
        await thief.hello()
        await thief.send(hello, wire(9))
        await expect_not_admitted(gateway, thief)
    assert (BAD, 1, 9) not in store.reports


async def test_a_reflected_proof(gateway: TcpGateway, good: DeviceClient) -> None:
    """The proof that a gateway gave for the same greeting is not the device's."""
    keys = derive_keys(secret_of(BAD))
    async with connect(gateway.address, BAD) as client:
        hello = await client.hello()
        reflected = gateway_proof(keys, client._greeting)
        await client.send(msgspec.structs.replace(hello, proof=reflected))
        await expect_not_admitted(gateway, client)


async def test_a_hello_of_another_device(gateway: TcpGateway, good: DeviceClient) -> None:
    """A right proof under another registered number, as a device that wants to write as another
    makes it with its own secret.
    """
    async with connect(gateway.address, BAD) as client:
        hello = await client.hello()
        await client.send(msgspec.structs.replace(hello, device=BAD + 1))
        client.device = BAD + 1
        await expect_not_admitted(gateway, client)


async def test_a_proof_that_is_cut_or_too_long(gateway: TcpGateway, good: DeviceClient) -> None:
    """A part of the right proof is a wrong one; more than one is no hello."""
    async with connect(gateway.address, BAD) as client:
        hello = await client.hello()
        await client.send(msgspec.structs.replace(hello, proof=hello.proof[:-1]))
        await expect_not_admitted(gateway, client)
    async with connect(gateway.address, BAD) as client:
        hello = await client.hello()
        await client.send(msgspec.structs.replace(hello, proof=hello.proof + b"x"))
        refusals, goodbye = await client.expect_end()
    assert [refusal.code for refusal in refusals] == [RefusalCode.MALFORMED_MESSAGE]
    assert goodbye == Goodbye(GoodbyeReason.PROTOCOL_ERROR)


async def test_an_installation_that_the_proof_does_not_cover(
    gateway: TcpGateway, good: DeviceClient
) -> None:
    """A greeting that was altered on its way."""
    async with connect(gateway.address, BAD) as client:
        hello = msgspec.structs.replace(await client.hello(), installation=8)
        await client.send(hello)
        await expect_not_admitted(gateway, client)


# Nonsense from an admitted device.


async def test_an_unknown_message_is_refused_and_the_session_goes_on(
    gateway: TcpGateway, good: DeviceClient
) -> None:
    """A newer handset may ask for what this gateway does not know, as often as it likes."""
    async with greeted(gateway.address, BAD) as client:
        for _ in range(MAX_BAD_FRAMES + 5):
            await client.send_bytes(framed(99, "what?"))
            refusal = await client.expect(Refusal)
            assert (refusal.code, refusal.resend) == (RefusalCode.UNKNOWN_MESSAGE, Resend.NEVER)
        await client.send(wire(1))
        await client.expect_acks_of(1)


async def test_a_malformed_report_is_kept_whole_and_its_neighbours_stored(
    gateway: TcpGateway, good: DeviceClient, store: MemoryStore
) -> None:
    """Deep nesting with a readable number: refused under this number and covered by the ack."""
    ledger = LedgerOfMetrics()
    bad = nested(3, 1, 2)
    async with greeted(gateway.address, BAD) as client:
        with capture_logs() as logs:
            await client.send_bytes(encode_frame(encode(wire(1))) + bad + bad)
            await client.send(wire(3))
            answers = [await client.receive()]
            while answers[-1] != Ack(3):
                answers.append(await client.receive())
        assert Refusal(RefusalCode.MALFORMED_MESSAGE, Resend.NEVER, 2) in answers
        assert len(logged(logs, "bad_frame")) == 1
    assert sorted(key for key in store.reports if key[0] == BAD) == [(BAD, 1, 1), (BAD, 1, 3)]
    assert store.quarantine == [(BAD, 1, 2, RefusalCode.MALFORMED_MESSAGE, bad[2:])]
    assert ledger.closes()


async def test_lost_framing_ends_the_session(
    gateway: TcpGateway, good: DeviceClient, store: MemoryStore
) -> None:
    """What stood before the wrong length is stored; the bytes behind it go into quarantine."""
    async with greeted(gateway.address, BAD) as client:
        await client.send_bytes(encode_frame(encode(wire(1))) + b"\xff\xff\xff\xff")
        refusals, goodbye = await client.expect_end()
    assert [refusal.code for refusal in refusals] == [RefusalCode.BAD_FRAME]
    assert goodbye == Goodbye(GoodbyeReason.PROTOCOL_ERROR)
    await gateway.until_sessions(1)
    assert (BAD, 1, 1) in store.reports
    assert store.quarantine == [(BAD, 1, None, RefusalCode.BAD_FRAME, b"\xff\xff\xff\xff")]


async def test_too_many_bad_frames_end_the_session(gateway: TcpGateway, good: DeviceClient) -> None:
    """A flood of faulty reports ends with a goodbye; all of them are counted, one is logged."""
    counted = grown("gateway_bad_frames_total", {**TCP, "code": "malformed_message"})
    ledger = LedgerOfMetrics()
    with capture_logs() as logs:
        async with greeted(gateway.address, BAD) as client:
            for number in range(1, MAX_BAD_FRAMES + 2):
                client.writer.write(framed(3, 1, number, "no report"))
            goodbye: Any = None
            while (event := await client.receive()) is not None:
                goodbye = event
        await gateway.until_sessions(1)
    assert goodbye == Goodbye(GoodbyeReason.TOO_MANY_ERRORS)
    assert counted() == MAX_BAD_FRAMES + 1
    assert len(logged(logs, "bad_frame")) == 1
    assert ledger.counts()["quarantined"] == MAX_BAD_FRAMES + 1
    assert ledger.closes()


async def test_a_message_that_only_gateways_send(gateway: TcpGateway, good: DeviceClient) -> None:
    """An ack from a device is refused; a pong that nobody asked for is passed over."""
    async with greeted(gateway.address, BAD) as client:
        await client.send_bytes(encode_frame(encode(Ack(5))))
        assert (await client.expect(Refusal)).code == RefusalCode.UNEXPECTED_MESSAGE
        await client.send(Pong(), wire(1))
        await client.expect_acks_of(1)


async def test_half_a_frame_and_a_cut(
    gateway: TcpGateway, good: DeviceClient, store: MemoryStore
) -> None:
    """What was cut in the middle is nothing; what was whole before it is stored."""
    frame = encode_frame(encode(wire(1)))
    async with greeted(gateway.address, BAD) as client:
        await client.send_bytes(frame + encode_frame(encode(wire(2)))[:-1])
        await client.expect_acks_of(1)
    await gateway.until_sessions(1)
    assert sorted(key for key in store.reports if key[0] == BAD) == [(BAD, 1, 1)]
    assert not store.quarantine
