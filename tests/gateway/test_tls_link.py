"""Sessions over TLS, and what comes to a TLS port instead of them."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from gateway import tcp_session as tcp_session_module
from gateway.protocol import limits
from gateway.protocol.errors import GoodbyeReason, RefusalCode
from gateway.protocol.messages import Goodbye, Ping, Pong, Refusal
from gateway.tcp_greeting import BUSY_RETRY_SECONDS
from gateway.tcp_server import RESTART_RETRY_SECONDS
from gateway.tls_link import TlsLink
from tests.helpers.certificates import Certificate, make_certificate
from tests.helpers.device_client import ANSWER_WITHIN_SECONDS, DeviceClient, connect, greeted
from tests.helpers.memory_store import MemoryStore
from tests.helpers.metrics import grown
from tests.helpers.tcp_gateway import TcpGateway, tcp_gateway
from tests.helpers.wire import wire

pytestmark = pytest.mark.asyncio

HANDSHAKES = "gateway_tls_handshakes_total"


@pytest.fixture
def files(tmp_path: Path) -> Certificate:
    """A certificate of this test."""
    return make_certificate(tmp_path)


@pytest.fixture
def trusting(files: Certificate) -> ssl.SSLContext:
    """What its clients trust."""
    return files.trusting()


@pytest_asyncio.fixture
async def gateway(files: Certificate) -> AsyncIterator[TcpGateway]:
    """A gateway that speaks TLS."""
    async with tcp_gateway(**files.settings) as running:
        yield running


def link_of(gateway: TcpGateway, device: int) -> TlsLink:
    """Its connection, on the gateway's side."""
    link = gateway.session_of(device)._transport
    assert isinstance(link, TlsLink)
    return link


async def test_a_session(gateway: TcpGateway, trusting: ssl.SSLContext) -> None:
    """Greeting, reports, acks, goodbye: as without TLS."""
    async with greeted(gateway.address, tls=trusting) as client:
        secured = client.writer.get_extra_info("ssl_object")
        assert secured.version() == "TLSv1.3"
        await client.send(*(message for number in (1, 2, 3) for message in [wire(number)]))
        await client.expect_acks_of(1, 2, 3)
        await client.send(Goodbye(GoodbyeReason.NORMAL))
        assert await client.receive() is None
    await gateway.until_sessions(0)


async def test_nothing_older_than_tls_1_3(gateway: TcpGateway, trusting: ssl.SSLContext) -> None:
    """A client that knows only TLS 1.2 is told so by TLS."""
    trusting.maximum_version = ssl.TLSVersion.TLSv1_2
    failed = grown(HANDSHAKES, {"result": "failed"})
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        await asyncio.open_connection(*gateway.address, ssl=trusting)
    await gateway.until_sessions(0)
    assert failed() == 1


def shake_hands(
    address: tuple[str, int], trusting: ssl.SSLContext, session: ssl.SSLSession | None
) -> tuple[bool, ssl.SSLSession | None]:
    """Connect as a client that keeps its sessions; whether it was resumed, and the next to keep."""
    with (
        socket.create_connection(address, ANSWER_WITHIN_SECONDS) as plain,
        trusting.wrap_socket(plain, server_hostname=address[0], session=session) as secure,
    ):
        assert secure.recv(1)  # the challenge, and before it the ticket
        return bool(secure.session_reused), secure.session


async def test_a_session_of_tls_is_resumed(gateway: TcpGateway, trusting: ssl.SSLContext) -> None:
    """By its ticket; each connection brings the ticket of the next."""
    counts = [grown(HANDSHAKES, {"result": result}) for result in ("full", "resumed")]
    kept = None
    for expected in (False, True, True):
        is_resumed, kept = await asyncio.to_thread(shake_hands, gateway.address, trusting, kept)
        assert is_resumed is expected
    assert [count() for count in counts] == [1, 2]


async def test_who_says_nothing_is_counted_from_the_accept_and_cut_in_time(
    files: Certificate,
) -> None:
    """Half-open connections take places like any stranger's; the log guesses what they are."""
    async with tcp_gateway(**files.settings, tls_handshake_timeout_seconds=0.1) as gateway:
        with capture_logs() as logs:
            async with connect(gateway.address) as client:
                await gateway.until_sessions(1)
                assert await client.receive() is None
            await gateway.until_sessions(0)
        (line,) = [line for line in logs if line["event"] == "tls_handshake_failed"]
        assert "too long" in line["reason"]
        assert "a client without TLS" in line["reason"]


async def test_the_time_for_the_handshake_ends_with_it(
    files: Certificate, trusting: ssl.SSLContext
) -> None:
    """A session that is secure is not cut by it."""
    async with (
        tcp_gateway(**files.settings, tls_handshake_timeout_seconds=5) as gateway,
        greeted(gateway.address, tls=trusting) as client,
    ):
        assert link_of(gateway, 1)._timer.cancelled()
        await client.send(Ping())
        await client.expect(Pong)


async def test_a_handshake_does_not_shorten_the_greeting(
    gateway: TcpGateway, trusting: ssl.SSLContext
) -> None:
    """The greeting has its own time after that of the handshake, and no more."""
    both = limits.TLS_HANDSHAKE_TIMEOUT_SECONDS + limits.GREETING_TIMEOUT_SECONDS
    async with connect(gateway.address, tls=trusting) as client:
        await client.hello()
        gateway.let_time_pass(both - 1)
        assert gateway.sessions == 1
        gateway.let_time_pass(1)
        _, goodbye = await client.expect_end()
        assert goodbye is not None
        assert goodbye.reason == GoodbyeReason.GREETING_TIMEOUT


async def test_a_client_without_tls(gateway: TcpGateway) -> None:
    """It is told nothing that it would take for our protocol; the log says what it was."""
    with capture_logs() as logs:
        async with connect(gateway.address) as client:
            await client.send_bytes(b"\x05hello, gateway")
            while await client._read():
                """An alert of TLS, until the end."""
        await gateway.until_sessions(0)
    (line,) = [line for line in logs if line["event"] == "tls_handshake_failed"]
    assert line["reason"].endswith("does not speak TLS")


async def test_a_client_with_tls_on_a_plaintext_port(trusting: ssl.SSLContext) -> None:
    """Its handshake fails at once, and the log says what it was."""
    async with tcp_gateway() as gateway:
        with capture_logs() as logs:
            with pytest.raises(ssl.SSLError):
                await asyncio.open_connection(*gateway.address, ssl=trusting)
            await gateway.until_sessions(0)
        (line,) = [line for line in logs if line["event"] == "bad_frame"]
        assert line["detail"].startswith("TLS, and this port is plaintext")


async def test_who_finds_no_room_is_told_over_tls(
    files: Certificate, trusting: ssl.SSLContext
) -> None:
    """It is told after its greeting, as over plaintext."""
    async with (
        tcp_gateway(**files.settings, max_sessions=1) as gateway,
        greeted(gateway.address, tls=trusting),
        connect(gateway.address, 2, tls=trusting) as late,
    ):
        await late.send(await late.hello())
        refusals, goodbye = await late.expect_end()
        assert [refusal.code for refusal in refusals] == [RefusalCode.BUSY]
        assert goodbye == Goodbye(GoodbyeReason.NORMAL, BUSY_RETRY_SECONDS)
        assert isinstance(refusals[0], Refusal)


class Tampered:
    """A client whose bytes somebody on the path alters."""

    def __init__(self, address: tuple[str, int], trusting: ssl.SSLContext) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = trusting.wrap_bio(self.incoming, self.outgoing, server_hostname=address[0])


async def test_an_altered_record_ends_its_session_and_stores_nothing(
    files: Certificate, trusting: ssl.SSLContext
) -> None:
    """TLS notices; neighbours do not."""
    store = MemoryStore()
    async with (
        tcp_gateway(store, **files.settings) as gateway,
        greeted(gateway.address, 2, tls=trusting) as other,
    ):
        reader, writer = await asyncio.open_connection(*gateway.address)
        path = Tampered(gateway.address, trusting)
        while True:
            try:
                path.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                writer.write(path.outgoing.read())
                path.incoming.write(await reader.read(65_536))
        path.tls.write(b"a report, altered on its way")
        record = bytearray(path.outgoing.read())
        record[-1] ^= 1
        with capture_logs() as logs:
            writer.write(record)
            while await reader.read(65_536):
                """Until the gateway has closed."""
            await gateway.until_sessions(1)
        writer.close()
        (line,) = [line for line in logs if line["event"] == "session_closed"]
        assert "BAD_RECORD_MAC" in line["error"].upper().replace(" ", "_")
        await other.send(Ping())
        await other.expect(Pong)
        assert gateway.batcher.statistics().pending_items == 0


async def test_reading_stops_and_goes_on(files: Certificate, trusting: ssl.SSLContext) -> None:
    """At the window the socket is left alone; after the commit it is read again."""
    store = MemoryStore()
    store.go_on.clear()
    async with (
        tcp_gateway(store, **files.settings, window_reports=2) as gateway,
        greeted(gateway.address, tls=trusting) as client,
    ):
        await client.send(*(wire(number) for number in range(1, 9)))
        link = link_of(gateway, 1)
        async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
            while link._socket.is_reading():  # noqa: ASYNC110 - a fact of the server
                await asyncio.sleep(0.002)
        store.go_on.set()
        await client.expect_acks_of(*range(1, 9))
        assert link._socket.is_reading()


async def test_a_stop_does_not_wait_for_clients_that_never_finish(
    files: Certificate, trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that does not answer the end of TLS, and one in the middle of its handshake."""
    monkeypatch.setattr(tcp_session_module, "CLOSE_WITHIN_SECONDS", 0.05)
    async with (
        tcp_gateway(**files.settings) as gateway,
        greeted(gateway.address, tls=trusting) as client,
        connect(gateway.address),
    ):
        await gateway.until_sessions(2)
        client.writer.transport.pause_reading()  # type: ignore[attr-defined] # a reader's, too
        gateway.server.stop_accepting()
        async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
            await gateway.server.close_sessions()
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert (await client.expect_end())[1] == Goodbye(
            GoodbyeReason.SHUTTING_DOWN, RESTART_RETRY_SECONDS
        )


async def test_what_passes_the_socket_is_metered(
    gateway: TcpGateway, trusting: ssl.SSLContext
) -> None:
    """The handshake and what TLS puts around each message, not the messages alone."""
    async with greeted(gateway.address, tls=trusting) as client:
        counted = Counted()
        link_of(gateway, 1).count_with(counted)
        await client.send(Ping())
        await client.expect(Pong)
        assert isinstance(client, DeviceClient)
    ping = 3 + 1 + 5 + 16
    """Length, array and code; kind of content; header of the record; tag."""
    assert (counted.up, counted.down) == (ping, ping)


class Counted:
    """A meter that keeps what it is told."""

    is_model = True

    def __init__(self) -> None:
        self.up = self.down = 0

    def received(self, nbytes: int) -> None:
        """Count."""
        self.up += nbytes

    def sent(self, nbytes: int) -> None:
        """Count."""
        self.down += nbytes

    def read(self, now: float) -> tuple[int, int]:
        """Both."""
        del now
        return self.up, self.down

    def close(self, now: float, *, by_peer: bool) -> tuple[int, int]:
        """The same."""
        del by_peer
        return self.read(now)
