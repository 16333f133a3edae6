"""What one TCP connection has carried, both ways, all headers of IP and TCP included.

Linux counts each connection's bytes and segments, and tells them by TCP_INFO: `KernelMeter`. Where
it is not to be had, `ModelMeter` calculates from what was read and written. Both say what passed
the gateway's own interface: what is lost on the way from the device is not in it, and what is lost
on the way to the device is. So does an operator count who stands between the radio and us.
"""

import asyncio
import ipaddress
import socket
import struct
from typing import Final, NamedTuple, Protocol

TCP_INFO: Final = 11
"""Linux's number; `socket` has it on Linux alone."""

INFO_BYTES: Final = 232
"""So much of Linux' `struct tcp_info` is asked for: up to the segments out of order (Linux 5.4)."""

NEEDED_BYTES: Final = 216
"""A kernel that tells less does not count the bytes it sends (before Linux 4.19)."""

IP_4_HEADER: Final = 20
IP_6_HEADER: Final = 40
TCP_HEADER: Final = 20
TIME_STAMPS: Final = 12
"""In each segment once both sides offer them: ten bytes and two to fill up (RFC 7323)."""

MSS_OPTION: Final = 4
WINDOW_SCALE_OPTION: Final = 4
SACK_PERMITTED_OPTION: Final = 4
"""With two to fill up; with time stamps it takes their place."""

SACK_BYTES: Final = 12
"""A selective acknowledgement of one block, two bytes to fill up included (RFC 2018)."""

MODEL_SEGMENT_BYTES: Final = 1_448
"""Payload of a full segment: Ethernet's 1,500 bytes less the headers of IPv4 with time stamps."""

HAS_TIME_STAMPS: Final = 1
HAS_SACK: Final = 2
HAS_WINDOW_SCALE: Final = 4
"""Bits of `tcpi_options`."""

ESTABLISHED: Final = 1
CLOSE_WAIT: Final = 8
"""The peer has finished, we have not. States of `tcpi_state`."""

PEER_HAS_FINISHED: Final = frozenset({6, CLOSE_WAIT, 9, 11})
"""TIME_WAIT, CLOSE_WAIT, LAST_ACK, CLOSING: its FIN counts as one byte received."""

_STATE_AT: Final = 0
_OPTIONS_AT: Final = 5
_SEGMENT_BYTES: Final = struct.Struct("=I")
_SEGMENT_BYTES_AT: Final = 16
_TOTAL_RETRANSMITTED: Final = struct.Struct("=I")
_TOTAL_RETRANSMITTED_AT: Final = 100
_COUNTS: Final = struct.Struct("=QII")
"""Bytes received, segments out, segments in."""
_COUNTS_AT: Final = 128
_BYTES_SENT: Final = struct.Struct("=Q")
_BYTES_SENT_AT: Final = 200
_DATA_SEGMENTS_IN: Final = struct.Struct("=I")
_DATA_SEGMENTS_IN_AT: Final = 152
_LOSSES: Final = struct.Struct("=IxxxxI")
"""Segments of ours that the peer says it got twice; segments that came out of order."""
_LOSSES_AT: Final = 216

Bytes = tuple[int, int]
"""From the device and to it, since the connection began."""


class TcpMeter(Protocol):
    """Counts one connection. Never raises: a socket that is gone keeps its last figures."""

    @property
    def is_model(self) -> bool:
        """Whether losses are not known."""
        ...

    def received(self, nbytes: int) -> None:
        """Count one read."""
        ...

    def sent(self, nbytes: int) -> None:
        """Count one write."""
        ...

    def read(self, now: float) -> Bytes:
        """What was carried until now."""
        ...

    def close(self, now: float, *, by_peer: bool) -> Bytes:
        """The same, and what closing the connection will still carry. To be called once, when the
        event loop says that it is over and before the socket is closed. `by_peer`: the device has
        said goodbye, so that its FIN is here or about to come.
        """
        ...


class Socket(Protocol):
    """What the event loop tells of the connection's socket."""

    def getsockopt(self, level: int, optname: int, buflen: int, /) -> bytes:
        """See `socket.socket`."""
        ...


def open_meter(transport: asyncio.BaseTransport) -> TcpMeter:
    """A meter for a connection that was just accepted."""
    peer, sock = transport.get_extra_info("peername"), transport.get_extra_info("socket")
    ip_header = _ip_header(peer[0] if peer else "0.0.0.0")  # noqa: S104 - a peer that is gone
    info = _info(sock)
    return ModelMeter(ip_header) if info is None else KernelMeter(sock, ip_header, info)


class _Read(NamedTuple):
    """What the gateway has read when the kernel was asked."""

    payload: int
    segments: int


class KernelMeter:
    """Asks the kernel. It counts all but two things, which matter where packets are lost: options
    for selective acknowledgements, and the payload of what came again although it was here.

    The kernel does count the segments that came with payload. Those beyond what our reads needed
    came again. A read of several small segments needed more than it shows, so there is a bound: a
    segment comes again because its ack was lost. Our acks go with our data, which is sent again
    then, too. So no more came again than we repeated for good reason: the peer tells of which of
    ours it had no need.
    """

    is_model = False

    def __init__(self, sock: Socket, ip_header: int, info: bytes) -> None:
        """`info` is the socket's TCP_INFO of the moment."""
        self._socket = sock
        options = info[_OPTIONS_AT]
        self._header = ip_header + TCP_HEADER
        if options & HAS_TIME_STAMPS:
            self._header += TIME_STAMPS
        opening = ip_header + TCP_HEADER + opening_options(options)
        # The peer's SYN is among its segments, with the size of any other. Ours is not among ours.
        self._extra_up = opening - self._header
        (repeated,) = _TOTAL_RETRANSMITTED.unpack_from(info, _TOTAL_RETRANSMITTED_AT)
        self._extra_down = opening * (1 + repeated)
        self._handshake_repeats = repeated
        # What the peer can take at once is what it sends at once: both have the path's size.
        (self._segment_bytes,) = _SEGMENT_BYTES.unpack_from(info, _SEGMENT_BYTES_AT)
        self._payload_read = self._segments_read = 0
        self._repeats = self._repeated_bytes = 0
        self._before = _Read(0, 0)
        self._last = info

    def received(self, nbytes: int) -> None:
        """Count the segments that it took at least. The kernel counts the rest."""
        self._payload_read += nbytes
        self._segments_read += -(-nbytes // self._segment_bytes)

    def sent(self, nbytes: int) -> None:
        """Nothing: the kernel counts."""

    def read(self, now: float) -> Bytes:
        """See `TcpMeter`."""
        del now
        info = _info(self._socket)
        if info is None:
            info = self._last
        else:
            self._last = info
        received, segments_out, segments_in = _COUNTS.unpack_from(info, _COUNTS_AT)
        (sent,) = _BYTES_SENT.unpack_from(info, _BYTES_SENT_AT)
        if info[_STATE_AT] in PEER_HAS_FINISHED:
            received -= 1
        header = self._header
        up = received + segments_in * header + self._extra_up
        down = sent + segments_out * header + self._extra_down
        if len(info) >= INFO_BYTES:
            needless, out_of_order = _LOSSES.unpack_from(info, _LOSSES_AT)
            if received == self._payload_read:
                self._count_repeats(info, needless)
            up += self._repeated_bytes + needless * SACK_BYTES
            down += (self._repeats + out_of_order) * SACK_BYTES
        return up, down

    def _count_repeats(self, info: bytes, needless: int) -> None:
        """Of the peer's segments, since the last time. They are taken to be of the mean size. To
        be called when nothing waits to be read, whose segments would seem to be repeats.
        """
        (segments,) = _DATA_SEGMENTS_IN.unpack_from(info, _DATA_SEGMENTS_IN_AT)
        (repeated,) = _TOTAL_RETRANSMITTED.unpack_from(info, _TOTAL_RETRANSMITTED_AT)
        read = _Read(self._payload_read, self._segments_read)
        needed = repeated - self._handshake_repeats - needless
        new = min(segments - read.segments, needed) - self._repeats
        if new > 0:
            base = self._before if read.segments > self._before.segments else _Read(0, 0)
            size = (read.payload - base.payload) // max(1, read.segments - base.segments)
            self._repeats += new
            self._repeated_bytes += new * size
        self._before = read

    def close(self, now: float, *, by_peer: bool) -> Bytes:
        """See `TcpMeter`. The peer has finished: our FIN acks its, and its ack. Both finish at
        once: FIN and ack of both, but our ack may go with our FIN. We finish: the same, and its ack
        may go with its FIN. What may be joined or not counts half. Anything else was a reset, or a
        link that died: nothing more.
        """
        up, down = self.read(now)
        header, state = self._header, self._last[_STATE_AT]
        if state == CLOSE_WAIT:
            return up + header, down + header
        if state == ESTABLISHED:
            more, less = 2 * header, 3 * header // 2
            return (up + more, down + less) if by_peer else (up + less, down + more)
        return up, down


class ModelMeter:
    """Calculates, where the kernel does not tell: nothing is lost, each read and each write is one
    segment or as many as its payload fills, and each is acked by one segment without payload, but
    for a read that is answered before the ack is due: see `close`.
    """

    is_model = True

    def __init__(self, ip_header: int) -> None:
        """`ip_header` is 20 or 40 bytes."""
        self._header = ip_header + TCP_HEADER + TIME_STAMPS
        opening = ip_header + TCP_HEADER + opening_options(0xFF)
        # SYN, SYN-ACK, ack.
        self._up, self._down = opening + self._header, opening
        self._unanswered = False

    def received(self, nbytes: int) -> None:
        """A read. Its ack goes with what is written next, as it does within 40 ms."""
        if self._unanswered:
            self._down += self._header
        self._up += nbytes + _segments(nbytes) * self._header
        self._unanswered = True

    def sent(self, nbytes: int) -> None:
        """A write, which the peer acks."""
        segments = _segments(nbytes)
        self._down += nbytes + segments * self._header
        self._up += (segments + 1) // 2 * self._header
        self._unanswered = False

    def read(self, now: float) -> Bytes:
        """See `TcpMeter`."""
        del now
        return self._up, self._down

    def close(self, now: float, *, by_peer: bool) -> Bytes:
        """See `TcpMeter`. Two segments each way: FIN and ack."""
        del now, by_peer
        return self._up + 2 * self._header, self._down + 2 * self._header


def opening_options(options: int) -> int:
    """Bytes of TCP options in a SYN, by the bits of `tcpi_options` that both sides agreed on."""
    size = MSS_OPTION
    if options & HAS_TIME_STAMPS:
        size += TIME_STAMPS
    elif options & HAS_SACK:
        size += SACK_PERMITTED_OPTION
    return size + (WINDOW_SCALE_OPTION if options & HAS_WINDOW_SCALE else 0)


def _info(sock: Socket) -> bytes | None:
    """TCP_INFO, or None where it is not to be had or too short."""
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, TCP_INFO, INFO_BYTES)
    except OSError:
        return None
    return info if len(info) >= NEEDED_BYTES else None


def _ip_header(host: str) -> int:
    """By the peer's address. A listener for both versions shows IPv4 as `::ffff:192.0.2.1`."""
    address = ipaddress.ip_address(host.partition("%")[0])
    is_6 = isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None
    return IP_6_HEADER if is_6 else IP_4_HEADER


def _segments(payload: int) -> int:
    return -(-payload // MODEL_SEGMENT_BYTES)
