"""What a connection has carried, by the kernel and by the model."""

import asyncio
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gateway import tcp_meter
from gateway.tcp_meter import KernelMeter, ModelMeter, TcpMeter, open_meter, opening_options

HEADER = 52
SYN = 60


@contextmanager
def connection(family: int = socket.AF_INET) -> Iterator[tuple[socket.socket, socket.socket]]:
    """The device's end and the accepted one."""
    with socket.socket(family) as listener:
        listener.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        listener.listen()
        with socket.create_connection(listener.getsockname()[:2]) as device:
            accepted, _ = listener.accept()
            with accepted:
                yield device, accepted


def kernel_meter(accepted: socket.socket, ip_header: int = 20) -> KernelMeter:
    """Of the accepted end."""
    return KernelMeter(accepted, ip_header, accepted.getsockopt(socket.IPPROTO_TCP, 11, 232))


def exchange(device: socket.socket, accepted: socket.socket, times: int) -> None:
    """A hundred bytes up, fifty down."""
    for _ in range(times):
        device.sendall(b"u" * 100)
        assert accepted.recv(1_000)
        accepted.sendall(b"d" * 50)
        assert device.recv(1_000)


def told_by_the_device(device: socket.socket, header: int, syn: int) -> tuple[int, int]:
    """Up and down as the kernel counts for the other end, which counts its SYN like any segment."""
    info = device.getsockopt(socket.IPPROTO_TCP, 11, 232)
    received, out, into = struct.unpack_from("=QII", info, 128)
    (sent,) = struct.unpack_from("=Q", info, 200)
    extra = syn - header
    return sent + out * header + extra, received + into * header + extra


@pytest.mark.parametrize("family, ip_header", [(socket.AF_INET, 20), (socket.AF_INET6, 40)])
def test_both_ends_agree(family: int, ip_header: int) -> None:
    """What the device's kernel counts is what the meter at the other end says."""
    with connection(family) as (device, accepted):
        meter = kernel_meter(accepted, ip_header)
        exchange(device, accepted, 20)
        assert meter.read(0.0) == told_by_the_device(device, ip_header + 32, ip_header + 40)


def test_an_accepted_connection_has_cost_its_handshake() -> None:
    """SYN, SYN-ACK, ack."""
    with connection() as (_, accepted):
        assert kernel_meter(accepted).read(0.0) == (SYN + HEADER, SYN)


def test_the_peer_has_finished() -> None:
    """Its FIN is a segment and no byte; ours and its ack follow, whoever said goodbye."""
    with connection() as (device, accepted):
        meter = kernel_meter(accepted)
        exchange(device, accepted, 1)
        up, down = meter.read(0.0)
        device.close()
        assert accepted.recv(1) == b""
        assert meter.read(0.0) == (up + HEADER, down)
        assert meter.close(0.0, by_peer=False) == (up + 2 * HEADER, down + HEADER)


@pytest.mark.parametrize(
    "by_peer, more_up, more_down", [(True, 2 * HEADER, 78), (False, 78, 2 * HEADER)]
)
def test_nobody_has_finished_yet(*, by_peer: bool, more_up: int, more_down: int) -> None:
    """Two segments each way, one of which may go with another."""
    with connection() as (_, accepted):
        meter = kernel_meter(accepted)
        up, down = meter.read(0.0)
        assert meter.close(0.0, by_peer=by_peer) == (up + more_up, down + more_down)


def test_after_a_reset_nothing_follows() -> None:
    """The RST was a segment of the peer."""
    with connection() as (device, accepted):
        meter = kernel_meter(accepted)
        up, down = meter.read(0.0)
        device.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        device.close()
        with pytest.raises(ConnectionResetError):
            accepted.recv(1)
        assert meter.close(0.0, by_peer=False) == (up + HEADER, down)


def test_a_socket_that_is_gone_keeps_its_last_figures() -> None:
    """Nothing is raised."""
    with connection() as (device, accepted):
        meter = kernel_meter(accepted)
        exchange(device, accepted, 1)
        before = meter.read(0.0)
        accepted.close()
        assert meter.read(0.0) == before


class Told:
    """A socket whose kernel tells this."""

    def __init__(self, info: bytes) -> None:
        self.info = info

    def getsockopt(self, _level: int, _name: int, _length: int, /) -> bytes:
        """What it tells."""
        return self.info


def info_of(*, size: int = 232, repeated: int = 0, **losses: int) -> bytes:
    """1,000 bytes received in 10 segments of at most 100, 12 with the SYN and an ack; 500 sent in
    20 segments.
    """
    info = bytearray(280)
    info[0], info[5] = tcp_meter.ESTABLISHED, 7
    struct.pack_into("=I", info, 16, 100)
    struct.pack_into("=I", info, 100, repeated)
    struct.pack_into("=QII", info, 128, losses.get("received", 1_000), 20, 12)
    struct.pack_into("=I", info, 152, losses.get("segments", 10))
    struct.pack_into("=Q", info, 200, 500)
    struct.pack_into("=I", info, 216, losses.get("twice", 0))
    struct.pack_into("=I", info, 224, losses.get("out_of_order", 0))
    return bytes(info[:size])


def test_each_number_has_its_place() -> None:
    """As Linux lays them out."""
    meter = KernelMeter(Told(info_of()), 20, info_of())
    assert meter.read(0.0) == (1_000 + 12 * 52 + 8, 500 + 20 * 52 + 60)


def test_a_repeated_syn_ack_counts() -> None:
    """How often is told at the beginning only."""
    meter = KernelMeter(Told(info_of()), 20, info_of(repeated=2))
    assert meter.read(0.0)[1] == 500 + 20 * 52 + 3 * 60


def lossy_meter(*reads: int, already_repeated: int = 0, **told: int) -> tuple[int, int]:
    """What is counted beyond the same without losses, when these reads were made."""
    quiet = KernelMeter(Told(info_of()), 20, info_of()).read(0.0)
    sock = Told(info_of())
    meter = KernelMeter(sock, 20, info_of(repeated=already_repeated))
    for nbytes in reads:
        meter.received(nbytes)
    sock.info = info_of(**told)
    up, down = meter.read(0.0)
    return up - quiet[0], down - quiet[1] - SYN * already_repeated


def test_options_of_selective_acks() -> None:
    """One up for each of ours that came twice; one down for each that came out of order."""
    assert lossy_meter(twice=3, out_of_order=4) == (3 * 12, 4 * 12)


def test_segments_beyond_the_reads_came_again() -> None:
    """Each is of the mean size, and answered with an option."""
    assert lossy_meter(*[125] * 8, segments=18, repeated=9) == (2 * 62, 2 * 12)
    assert lossy_meter(*[100] * 10, segments=13, repeated=9) == (3 * 100, 3 * 12)


def test_a_read_of_many_small_segments_is_no_repeat() -> None:
    """No more came again than we repeated for good reason, the handshake aside."""
    assert lossy_meter(1_000, segments=40) == (0, 0)
    assert lossy_meter(1_000, segments=40, repeated=3, twice=3) == (3 * 12, 0)
    assert lossy_meter(1_000, segments=40, repeated=3, twice=1) == (12 + 2 * 100, 2 * 12)
    assert lossy_meter(1_000, segments=40, repeated=3, already_repeated=3) == (0, 0)


def test_what_waits_to_be_read_is_no_repeat() -> None:
    """Its segments are judged at the next reading."""
    assert lossy_meter(*[100] * 9, segments=10, repeated=9) == (0, 0)


def test_repeats_are_of_the_size_of_their_time() -> None:
    """The mean since the last reading; of the whole connection if nothing new was read."""
    sock = Told(info_of(received=200, segments=3, repeated=1))
    meter = KernelMeter(sock, 20, info_of())
    meter.received(100)
    meter.received(100)
    first, _ = meter.read(0.0)
    for _ in range(2):
        meter.received(10)
    sock.info = info_of(received=220, segments=6, repeated=9)
    second, _ = meter.read(0.0)
    assert second - first == 20 + 10
    sock.info = info_of(received=220, segments=7, repeated=9)
    assert meter.read(0.0)[0] - second == 55
    assert meter.read(0.0)[0] - second == 55


def test_a_kernel_that_does_not_tell_losses() -> None:
    """Before Linux 5.4: the rest counts all the same."""
    old = info_of(size=216, twice=3)
    assert KernelMeter(Told(old), 20, old).read(0.0) == (1_000 + 12 * 52 + 8, 500 + 20 * 52 + 60)


@pytest.mark.parametrize(
    "options, size", [(0b111, 20), (0b110, 12), (0b100, 8), (0b001, 16), (0b010, 8), (0, 4)]
)
def test_options_of_a_syn(options: int, size: int) -> None:
    """By what both sides agreed on: time stamps 1, selective acks 2, window scale 4."""
    assert opening_options(options) == size


def test_without_time_stamps_headers_are_smaller() -> None:
    """40 bytes, and a SYN of 52."""
    info = bytearray(info_of())
    info[5] = 0b110
    told = bytes(info)
    assert KernelMeter(Told(told), 20, told).read(0.0) == (1_000 + 12 * 40 + 12, 500 + 20 * 40 + 52)


class Transport(asyncio.BaseTransport):
    """A connection of this peer, whose socket tells this."""

    def __init__(self, peer: str | None, info: bytes) -> None:
        super().__init__({"peername": (peer, 1) if peer else None, "socket": Told(info)})


@pytest.mark.parametrize(
    "peer, header",
    [("192.0.2.1", 52), ("2001:db8::1", 72), ("fe80::1%eth0", 72), ("::ffff:192.0.2.1", 52)],
)
def test_the_version_of_ip(peer: str, header: int) -> None:
    """By the peer's address; IPv4 behind a listener for both is IPv4 on the wire."""
    meter = open_meter(Transport(peer, info_of()))
    assert meter.read(0.0)[0] == 1_000 + 12 * header + 8
    assert not meter.is_model


@pytest.mark.parametrize("info", [b"", info_of(size=215)])
def test_a_kernel_that_tells_too_little(info: bytes) -> None:
    """The model counts then, from what is read and written."""
    meter = open_meter(Transport(None, info))
    assert isinstance(meter, ModelMeter)
    assert meter.is_model


def modelled(meter: TcpMeter) -> tuple[int, int]:
    """What it says now."""
    return meter.read(0.0)


def test_the_model() -> None:
    """Handshake; a read that is answered; one that is not; a write of two segments; the end."""
    meter = ModelMeter(20)
    assert modelled(meter) == (SYN + HEADER, SYN)
    meter.received(100)
    meter.sent(50)
    assert modelled(meter) == (112 + 100 + 2 * HEADER, 60 + 50 + HEADER)
    meter.received(10)
    meter.received(10)
    assert modelled(meter) == (112 + 120 + 4 * HEADER, 60 + 50 + 2 * HEADER)
    meter.sent(1_449)
    assert modelled(meter) == (112 + 120 + 5 * HEADER, 60 + 1_499 + 4 * HEADER)
    assert meter.close(0.0, by_peer=True) == (112 + 120 + 7 * HEADER, 60 + 1_499 + 6 * HEADER)


def test_the_kernel_counts_payload_itself() -> None:
    """Told of it, the figures without losses are the same."""
    meter = KernelMeter(Told(info_of()), 20, info_of())
    before = meter.read(0.0)
    meter.received(5)
    meter.sent(5)
    assert meter.read(0.0) == before
