"""TLS over a link, against a gateway on a memory stream."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from device_sim.courier import UntrustedGatewayError
from device_sim.streams import CountedLink, Traffic
from device_sim.tls_link import ClientTls, Resumption, TlsLink, trusting
from gateway.tls import server_context
from tests.helpers.certificates import NAME, Certificate, make_certificate

RECORD_BYTES = 5 + 1 + 16
"""Around each message: header, kind of content, tag."""


@pytest.fixture
def files(tmp_path: Path) -> Certificate:
    """A certificate of this test."""
    return make_certificate(tmp_path)


@pytest.fixture
def server(files: Certificate) -> ssl.SSLContext:
    """The gateway's side."""
    return server_context(files.certificate, files.private_key)


@asynccontextmanager
async def connected(
    server: ssl.SSLContext, tls: ClientTls, resumption: Resumption, traffic: Traffic
) -> AsyncIterator[TlsLink]:
    """A link to a gateway that says `challenge` and then returns what it hears."""
    ours, theirs = trio.testing.memory_stream_pair()
    secure = trio.SSLStream(theirs, server, server_side=True)

    async def answer() -> None:
        try:
            await secure.send_all(b"challenge")
            while data := await secure.receive_some():
                await secure.send_all(data)
        except trio.BrokenResourceError:
            """The handset did not trust it."""

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        yield TlsLink(CountedLink(ours, traffic), tls, "127.0.0.1", resumption)
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_messages_both_ways(files: Certificate, server: ssl.SSLContext) -> None:
    """What is counted is what the operator carries: TLS included."""
    traffic = Traffic()
    async with connected(server, trusting(Path(files.authority)), Resumption(), traffic) as link:
        assert await link.receive_some() == b"challenge"
        before = (traffic.up, traffic.down)
        await link.send_all(b"hello")
        assert await link.receive_some() == b"hello"
    size = len(b"hello") + RECORD_BYTES
    assert (traffic.up - before[0], traffic.down - before[1]) == (size, size)


@pytest.mark.trio
async def test_a_session_is_resumed(files: Certificate, server: ssl.SSLContext) -> None:
    """The second handshake takes fewer bytes, without certificate and signature."""
    tls, resumption, carried = trusting(Path(files.authority)), Resumption(), []
    for is_resumed in (False, True, True):
        traffic = Traffic()
        async with connected(server, tls, resumption, traffic) as link:
            assert await link.receive_some() == b"challenge"
            assert link.is_resumed is is_resumed
        carried.append(traffic)
    assert carried[1].down < carried[0].down / 2
    assert carried[1].up + carried[1].down < carried[0].up + carried[0].down


@pytest.mark.trio
async def test_another_authority(server: ssl.SSLContext, tmp_path: Path) -> None:
    """Nothing is said to a gateway whose certificate somebody else has signed."""
    place = tmp_path / "other"
    place.mkdir()
    other = make_certificate(place)
    async with connected(server, trusting(Path(other.authority)), Resumption(), Traffic()) as link:
        with pytest.raises(UntrustedGatewayError, match="certificate"):
            await link.receive_some()


@pytest.mark.trio
@pytest.mark.parametrize("name, is_trusted", [(None, True), (NAME, True), ("other.test", False)])
async def test_the_name(
    files: Certificate, server: ssl.SSLContext, name: str | None, *, is_trusted: bool
) -> None:
    """Of the certificate: the host, or what the command line says."""
    tls = trusting(Path(files.authority), name)
    async with connected(server, tls, Resumption(), Traffic()) as link:
        if is_trusted:
            assert await link.receive_some() == b"challenge"
        else:
            with pytest.raises(UntrustedGatewayError, match=r"other\.test"):
                await link.receive_some()


@pytest.mark.trio
async def test_a_link_that_breaks_is_no_matter_of_trust(files: Certificate) -> None:
    """It is lost like any other."""
    ours, theirs = trio.testing.memory_stream_pair()
    link = TlsLink(
        CountedLink(ours, Traffic()), trusting(Path(files.authority)), "127.0.0.1", Resumption()
    )
    await theirs.aclose()
    with pytest.raises(trio.BrokenResourceError):
        await link.receive_some()


def test_no_authority(tmp_path: Path) -> None:
    """A file that is not there, or holds none."""
    with pytest.raises(FileNotFoundError):
        trusting(tmp_path / "nowhere.pem")
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing", encoding="utf-8")
    with pytest.raises(ssl.SSLError):
        trusting(empty)
