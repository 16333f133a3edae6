"""TLS between a socket and its session: to the socket a protocol, to the session a transport.

The session is there from the accept on, so a handshake under way is counted, bounded and cut like
any connection that has not greeted. What the session says before the handshake is done waits for
it. At the end each side says so (`close_notify`) and none waits for the other.
"""

import asyncio
import ssl
from contextlib import suppress
from typing import Any, cast

from gateway import observe_tls
from gateway.tcp_meter import TcpMeter
from gateway.tls import Tls


class TlsLink(asyncio.BufferedProtocol, asyncio.Transport):
    """One connection."""

    def __init__(
        self, session: asyncio.BufferedProtocol, tls: Tls, handshake_timeout_seconds: float
    ) -> None:
        super().__init__()
        self._session = session
        self._ciphertext = tls.ciphertext
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = tls.begin(self._incoming, self._outgoing)
        self._handshake_timeout_seconds = handshake_timeout_seconds
        self._unsent = bytearray()
        """What the session said before the handshake was done: a challenge, at most a refusal."""
        self._is_secure = self._is_over = self._closes_when_secure = self._is_paused = False
        self._failure: ssl.SSLError | None = None
        self._first_byte: int | None = None
        self._meter: TcpMeter | None = None

    # To the socket: a protocol.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody has connected."""
        self._socket = cast("asyncio.Transport", transport)
        self._timer = asyncio.get_running_loop().call_later(
            self._handshake_timeout_seconds, self._too_slow
        )
        self._session.connection_made(self)

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Where the loop puts the next bytes."""
        return self._ciphertext

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes have come."""
        if self._meter is not None:
            self._meter.received(nbytes)
        if self._first_byte is None:
            self._first_byte = self._ciphertext[0]
        self._incoming.write(self._ciphertext[:nbytes])
        try:
            if not self._is_secure:
                self._shake_hands()
            if self._is_secure and not self.is_closing():
                self._read()
        except ssl.SSLError as error:
            self._fail(error)
        self._send_out()

    def eof_received(self) -> None:
        """The peer has finished, saying so by TLS or not: our own messages tell what is whole."""
        self._session.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._timer.cancel()
        if not self._is_secure:
            reason = str(self._failure or exc or "the peer left")
            observe_tls.handshake_failed(self._peer(), reason, self._first_byte)
        self._session.connection_lost(exc or self._failure)
        del self._session  # which refers to us: see `TcpSession`

    def pause_writing(self) -> None:
        """The peer does not read."""
        self._session.pause_writing()

    def resume_writing(self) -> None:
        """The peer reads again."""
        self._session.resume_writing()

    # To the session: a transport.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send."""
        if not self._is_secure:
            self._unsent += data
            return
        rest = memoryview(data)
        while rest:
            rest = rest[self._tls.write(rest) :]
        self._send_out()

    def close(self) -> None:
        """Say that this is the end, and close when all is sent."""
        if not self._is_secure:
            self._closes_when_secure = True
        elif not self._is_over:
            self._is_over = True
            with suppress(ssl.SSLError):  # "the peer has not said so yet": it need not
                self._tls.unwrap()
            self._send_out()
            self._socket.close()

    def abort(self) -> None:
        """Close without waiting for what is not sent yet."""
        self._is_over = True
        self._socket.abort()

    def is_closing(self) -> bool:
        """Whether the session has closed it, or the peer."""
        return self._is_over or self._closes_when_secure or self._socket.is_closing()

    def pause_reading(self) -> None:
        """Take no more from the peer, once the handshake is done."""
        self._is_paused = True
        if self._is_secure:
            self._socket.pause_reading()

    def resume_reading(self) -> None:
        """Take more."""
        self._is_paused = False
        if self._is_secure:
            self._socket.resume_reading()

    def is_reading(self) -> bool:
        """Whether the session wants more."""
        return not self._is_paused and not self.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See `asyncio.BaseTransport`: of the socket."""
        return self._socket.get_extra_info(name, default)

    def count_with(self, meter: TcpMeter) -> None:
        """Tell what passes the socket: more than the session sees."""
        self._meter = meter

    # Between the two.

    def _shake_hands(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return
        self._is_secure = True
        self._timer.cancel()
        observe_tls.handshake_done(is_resumed=bool(self._tls.session_reused))
        if self._is_paused:
            self._socket.pause_reading()
        if self._unsent:
            self.write(self._unsent)
            self._unsent = bytearray()
        if self._closes_when_secure:
            self.close()

    def _read(self) -> None:
        """All that can be decrypted: two reads fit into the session's buffer."""
        buffer = memoryview(self._session.get_buffer(-1))
        filled, has_ended = 0, False
        with suppress(ssl.SSLWantReadError):
            while not has_ended:
                nbytes = self._read_into(buffer[filled:])
                filled, has_ended = filled + nbytes, not nbytes
        if filled:
            self._session.buffer_updated(filled)
        if has_ended:
            self._session.eof_received()
            self.close()

    def _read_into(self, buffer: memoryview) -> int:
        """Decrypt some; 0 when the peer has finished. Raises `ssl.SSLWantReadError`."""
        return cast("int", self._tls.read(len(buffer), buffer))  # typed as what it returns without

    def _send_out(self) -> None:
        if data := self._outgoing.read():
            self._socket.write(data)
            if self._meter is not None:
                self._meter.sent(len(data))

    def _too_slow(self) -> None:
        self._failure = ssl.SSLError("the handshake took too long")
        self.abort()

    def _fail(self, error: ssl.SSLError) -> None:
        """Tell the peer by TLS's alert, and end."""
        self._failure = error
        self._is_over = True
        self._send_out()
        self._socket.close()

    def _peer(self) -> str:
        address = self.get_extra_info("peername")
        return f"{address[0]}:{address[1]}" if address else "unknown"
