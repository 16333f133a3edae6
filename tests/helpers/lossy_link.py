"""A link between this host and a network namespace that loses packets, and counts all of them.

Two TUN devices, one of them in the namespace, and a thread that carries IP packets from one to the
other. Each packet passes it as it is on the wire: no offloading, whole IP headers.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import random
import select
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

REQUIRE_CAPTURE = "FIELD_GATEWAY_REQUIRE_CAPTURE"
"""Environment variable: 1 makes it an error that packets cannot be captured. Set where all tests
have to run."""

MTU = 1500

_TUN = Path("/dev/net/tun")
_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_CLONE_NEWNET = 0x40000000
_TCP = 6
_PATH = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"


def need_capture() -> None:
    """Skip the test, saying why, or fail it where it is demanded, without the means for it."""
    if shutil.which("ip", path=_PATH) is None:
        reason = "ip is not installed (apt-get install iproute2)"
    elif os.geteuid() != 0:
        reason = "needs root, to make a network namespace"
    elif not _TUN.exists():
        reason = f"needs {_TUN}"
    else:
        return
    if os.environ.get(REQUIRE_CAPTURE) == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@dataclass
class Counts:
    """IP packets of TCP, headers included, as the host's interface has them."""

    bytes_up: int = 0
    """From the namespace, without what was lost on the way."""
    bytes_down: int = 0
    """To the namespace, with what is lost on the way."""
    packets_up: int = 0
    packets_down: int = 0


class LossyLink:
    """The link while it is up. Made by `lossy_link`."""

    def __init__(self, name: str, loss: float, seed: int, delay_seconds: float) -> None:
        number = os.getpid() % 60_000
        self.name = name
        self.host = f"10.{200 + number // 250 % 50}.{number % 250}.1"
        """This host's address on the link."""
        self.device = self.host[:-1] + "2"
        self.host_6 = f"fd66:{number:x}::1"
        self.device_6 = self.host_6[:-1] + "2"
        self.by_port: defaultdict[int, Counts] = defaultdict(Counts)
        """By the port of the namespace's end."""
        self.lost = 0
        self._loss = loss
        self._delay_seconds = delay_seconds
        self._under_way: deque[tuple[float, int, bytes]] = deque()
        """When a packet arrives, at which end, and what it is."""
        self._chance = random.Random(seed)
        self._ends: tuple[int, int] = (-1, -1)
        self._stop = os.eventfd(0)
        self._thread = threading.Thread(target=self._carry, daemon=True)

    def socket(self, family: int = socket.AF_INET) -> socket.socket:
        """A TCP socket that lives in the namespace, whoever uses it."""
        made: list[socket.socket] = []
        thread = threading.Thread(target=lambda: made.append(_socket_in(self.name, family)))
        thread.start()
        thread.join()
        return made[0]

    @property
    def total(self) -> Counts:
        """Of all connections."""
        every = list(self.by_port.values())
        return Counts(
            sum(c.bytes_up for c in every),
            sum(c.bytes_down for c in every),
            sum(c.packets_up for c in every),
            sum(c.packets_down for c in every),
        )

    def interface_bytes(self) -> tuple[int, int]:
        """What the kernel has counted on this host's interface, up and down, TCP or not."""
        statistics = Path("/sys/class/net") / self.name / "statistics"
        up, down = ((statistics / f"{d}_bytes").read_text() for d in ("rx", "tx"))
        return int(up), int(down)

    def open(self) -> None:
        """Make the namespace, the devices and the thread."""
        _ip("netns", "add", self.name)
        self._ends = _tun(self.name), _tun(f"{self.name}d")
        _ip("link", "set", f"{self.name}d", "netns", self.name)
        inside = ("-n", self.name)
        _ip(*inside, "link", "set", "lo", "up")
        for where, end, four, six in (
            ((), self.name, self.host, self.host_6),
            (inside, f"{self.name}d", self.device, self.device_6),
        ):
            _ip(*where, "addr", "add", f"{four}/30", "dev", end)
            _ip(*where, "addr", "add", f"{six}/64", "dev", end, "nodad")
            _ip(*where, "link", "set", end, "mtu", str(MTU), "up")
        self._thread.start()

    def close(self) -> None:
        """Take all of it down."""
        if self._thread.is_alive():
            os.eventfd_write(self._stop, 1)
            self._thread.join()
        for end in (*self._ends, self._stop):
            if end >= 0:
                os.close(end)
        _ip("netns", "del", self.name, check=False)

    def _carry(self) -> None:
        host, device = self._ends
        while True:
            for end in select.select([host, device, self._stop], [], [], self._deliver())[0]:
                if end == self._stop:
                    return
                packet = os.read(end, 65_536)
                is_up = end == device
                # What goes up is lost before the host's interface, what goes down behind it.
                is_lost = self._chance.random() < self._loss
                if not (is_up and is_lost):
                    self._count(packet, is_up=is_up)
                if is_lost:
                    self.lost += 1
                else:
                    arrival = time.monotonic() + self._delay_seconds
                    self._under_way.append((arrival, host if is_up else device, packet))

    def _deliver(self) -> float | None:
        """Hand over what has arrived; seconds until the next packet does."""
        while self._under_way:
            arrival, end, packet = self._under_way[0]
            left_seconds = arrival - time.monotonic()
            if left_seconds > 0:
                return left_seconds
            self._under_way.popleft()
            os.write(end, packet)
        return None

    def _count(self, packet: bytes, *, is_up: bool) -> None:
        is_6 = packet[0] >> 4 == 6
        begin, protocol = (40, packet[6]) if is_6 else ((packet[0] & 0xF) * 4, packet[9])
        if protocol != _TCP:
            return
        source, destination = struct.unpack_from("!HH", packet, begin)
        counts = self.by_port[source if is_up else destination]
        if is_up:
            counts.bytes_up += len(packet)
            counts.packets_up += 1
        else:
            counts.bytes_down += len(packet)
            counts.packets_down += 1


@contextmanager
def lossy_link(
    loss: float = 0.0, seed: int = 2008, delay_seconds: float = 0.0
) -> Iterator[LossyLink]:
    """A link that loses this share of all packets and takes so long one way. Skips or fails the
    test as `need_capture`.
    """
    need_capture()
    link = LossyLink(f"fg{os.getpid()}", loss, seed, delay_seconds)
    try:
        link.open()
        yield link
    finally:
        link.close()


def run_in(namespace: str, command: Sequence[str], within_seconds: float) -> None:
    """A program in a namespace, to its end; its output is shown when it fails."""
    done = subprocess.run(
        [_program(), "netns", "exec", namespace, *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=within_seconds,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _program() -> str:
    found = shutil.which("ip", path=_PATH)
    assert found is not None, "ip is not installed"
    return found


def _ip(*arguments: str, check: bool = True) -> None:
    subprocess.run([_program(), *arguments], check=check, capture_output=True)


def _tun(name: str) -> int:
    end = os.open(_TUN, os.O_RDWR)
    fcntl.ioctl(end, _TUNSETIFF, struct.pack("16sH", name.encode(), _IFF_TUN | _IFF_NO_PI))
    return end


def _socket_in(namespace: str, family: int) -> socket.socket:
    """Changes the namespace of this thread, which must end soon."""
    libc = ctypes.CDLL(None, use_errno=True)
    place = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        if libc.setns(place, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        return socket.socket(family, socket.SOCK_STREAM)
    finally:
        os.close(place)
