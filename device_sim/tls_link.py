"""TLS over a link: the gateway's certificate is always verified, and sessions are resumed."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import trio

from device_sim.courier import UntrustedGatewayError
from device_sim.streams import Link


@dataclass(frozen=True, slots=True)
class ClientTls:
    """Whom handsets trust."""

    context: ssl.SSLContext
    name: str | None = None
    """What the certificate must be for; None for the host that they connect to."""


def trusting(authority: Path, name: str | None = None) -> ClientTls:
    """TLS 1.3 with a gateway whose certificate was signed by this authority (PEM) and by no other.

    Raises `OSError` when the file cannot be read, `ssl.SSLError` (one of these) when it is none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(authority)
    return ClientTls(context, name)


@dataclass(slots=True)
class Resumption:
    """What a handset keeps of its last session, to spare the next one half of its handshake."""

    session: ssl.SSLSession | None = None


class TlsLink:
    """A link that is encrypted. Its first use does the handshake.

    Args:
        link: carries, delays and counts what is encrypted.
        tls: whom to trust.
        host: that was connected to.
        resumption: of this handset.
    """

    def __init__(self, link: Link, tls: ClientTls, host: str, resumption: Resumption) -> None:
        self._link = link
        self._resumption = resumption
        self._stream = trio.SSLStream(
            _LinkStream(link), tls.context, server_hostname=tls.name or host
        )
        if resumption.session is not None:
            self._stream.session = resumption.session
        self._has_ticket = False

    @property
    def is_resumed(self) -> bool:
        """Whether the handshake, which is done, was a short one."""
        return bool(self._stream.session_reused)

    async def send_all(self, data: bytes) -> None:
        """Encrypt and send."""
        await self._stream.send_all(data)

    async def receive_some(self) -> bytes:
        """What arrived. Raises `UntrustedGatewayError` when the certificate is not to be trusted."""
        try:
            data = await self._stream.receive_some()
        except trio.BrokenResourceError as error:
            if isinstance(error.__cause__, ssl.SSLCertVerificationError):
                raise UntrustedGatewayError(error.__cause__.verify_message) from error
            raise
        if not self._has_ticket:
            # The gateway sends its ticket before anything else.
            self._resumption.session = self._stream.session
            self._has_ticket = True
        return bytes(data)

    async def run(self) -> None:
        """Carry what travels."""
        await self._link.run()


class _LinkStream(trio.abc.Stream):
    """A link as the stream that TLS wants."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._link.send_all(bytes(data))

    async def wait_send_all_might_not_block(self) -> None:
        """At once: `send_all` waits by itself."""

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Whatever came, even if it is more: TLS takes it."""
        del max_bytes
        return await self._link.receive_some()

    async def aclose(self) -> None:
        """The link is closed by whoever opened it."""
