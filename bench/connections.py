"""What a connection costs, without TLS and with it: bytes, and the gateway's processor time."""

import os
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from statistics import mean
from typing import Final, TypeVar

import msgspec
import trustme

from bench.processes import BenchError, cpu_seconds
from bench.workload import Handset
from bench.world import World
from gateway.protocol.connection import Connection
from gateway.protocol.framing import encode_frame
from gateway.protocol.limits import NONCE_BYTES, PROTOCOL_VERSION
from gateway.protocol.messages import (
    Challenge,
    Hello,
    Message,
    Ping,
    Pong,
    Welcome,
    encode,
)
from gateway.protocol.proof import Greeting, device_proof
from gateway.protocol.state import Role

CONNECTIONS: Final = 1_500
"""Of each kind: two seconds of the gateway's time at least, which is counted in hundredths."""

PLAINTEXT: Final = "without TLS"
FULL: Final = "TLS 1.3, full handshake (ECDSA, P-256)"
RESUMED: Final = "TLS 1.3, resumed"

HOST: Final = "127.0.0.1"
ANSWER_WITHIN_SECONDS: Final = 30.0
READ_BYTES: Final = 65_536

Expected = TypeVar("Expected", bound=Message)


class Connections(msgspec.Struct, frozen=True, kw_only=True):
    """Many connections of one kind, one after the other: connect, greet, be welcomed."""

    kind: str
    connections: int
    seconds_of_gateway: float
    bytes_up: int
    """Of one, without the headers of TCP and IP, from the connection to the welcome."""
    bytes_down: int
    bytes_per_message: int
    """What is put around a message within the session."""

    @property
    def milliseconds(self) -> float:
        """Of the gateway's processor, for one."""
        return 1_000 * self.seconds_of_gateway / self.connections


class Client:
    """A handset that opens one connection, as bytes."""

    def __init__(
        self,
        handset: Handset,
        port: int,
        trusting: ssl.SSLContext | None,
        session: ssl.SSLSession | None,
    ) -> None:
        self._handset = handset
        self._socket = socket.create_connection((HOST, port), ANSWER_WITHIN_SECONDS)
        self._connection = Connection(Role.DEVICE, 0.0)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.up = self.down = 0
        self.tls: ssl.SSLObject | None = None
        if trusting is not None:
            self.tls = trusting.wrap_bio(
                self._incoming, self._outgoing, server_hostname=HOST, session=session
            )
            self._shake_hands(self.tls)

    def greet(self) -> None:
        """Until the welcome."""
        challenge, handset = self._expect(Challenge), self._handset
        nonce = os.urandom(NONCE_BYTES)
        greeting = Greeting(challenge.nonce, nonce, handset.device_id, handset.installation)
        self._send(
            Hello(
                version=PROTOCOL_VERSION,
                device=handset.device_id,
                installation=handset.installation,
                settled_through=0,
                nonce=nonce,
                proof=device_proof(handset.secret, greeting),
            )
        )
        self._expect(Welcome)

    def ping(self) -> None:
        """One message and its answer."""
        self._send(Ping())
        self._expect(Pong)

    def close(self) -> None:
        """Cut it."""
        self._socket.close()

    def _shake_hands(self, tls: ssl.SSLObject) -> None:
        while True:
            with suppress(ssl.SSLWantReadError):
                tls.do_handshake()
                self._write(self._outgoing.read())
                return
            self._write(self._outgoing.read())
            self._incoming.write(self._read())

    def _send(self, message: Message) -> None:
        self._connection.send(message, 0.0)
        data = self._connection.data_to_send()
        if self.tls is not None:
            self.tls.write(data)
            data = self._outgoing.read()
        self._write(data)

    def _expect(self, kind: type[Expected]) -> Expected:
        while (event := self._connection.next_event()) is None:
            data = self._read()
            if self.tls is not None:
                self._incoming.write(data)
                data = b""
                with suppress(ssl.SSLWantReadError):
                    while more := self.tls.read(READ_BYTES):
                        data += more
            self._connection.receive_data(data, 0.0)
        if not isinstance(event, kind):
            raise BenchError(f"the gateway sent {event}")
        return event

    def _write(self, data: bytes) -> None:
        self.up += len(data)
        self._socket.sendall(data)

    def _read(self) -> bytes:
        data = self._socket.recv(READ_BYTES)
        if not data:
            raise BenchError("the gateway has closed the connection")
        self.down += len(data)
        return data


def measure_connections(
    world: World, fleet: Sequence[Handset], connections: int = CONNECTIONS
) -> list[Connections]:
    """Each kind against a gateway of its own.

    Raises:
        BenchError: a handset was not welcomed, or a session not resumed.
    """
    settings, trusting = _make_certificate(world.directory)
    measured = []
    for kind in (PLAINTEXT, FULL, RESUMED):
        is_plain = kind == PLAINTEXT
        with (
            world.database() as dsn,
            world.gateway(dsn, settings={} if is_plain else settings) as gateway,
        ):
            opener = _Opener(kind, fleet, gateway.tcp_port, None if is_plain else trusting)
            opener.open().close()  # the first has nothing to resume
            before, clients = cpu_seconds(gateway.pid), []
            for _ in range(connections):
                clients.append(opener.open())
                clients[-1].close()
            measured.append(
                Connections(
                    kind=kind,
                    connections=connections,
                    seconds_of_gateway=cpu_seconds(gateway.pid) - before,
                    bytes_up=round(mean(client.up for client in clients)),
                    bytes_down=round(mean(client.down for client in clients)),
                    bytes_per_message=opener.bytes_around_a_message(),
                )
            )
    return measured


class _Opener:
    """Opens one connection of a kind after the other."""

    def __init__(
        self, kind: str, fleet: Sequence[Handset], port: int, trusting: ssl.SSLContext | None
    ) -> None:
        self._kind = kind
        self._handsets = cycle(fleet)
        self._port = port
        self._trusting = trusting
        self._session: ssl.SSLSession | None = None

    def open(self) -> Client:
        client = Client(next(self._handsets), self._port, self._trusting, self._session)
        client.greet()
        if client.tls is not None:
            if client.tls.session_reused != (self._session is not None):
                raise BenchError(f"{self._kind}: the gateway did otherwise")
            if self._kind == RESUMED:
                self._session = client.tls.session
        return client

    def bytes_around_a_message(self) -> int:
        client = self.open()
        before = client.up
        client.ping()
        client.close()
        return client.up - before - len(encode_frame(encode(Ping())))


def _make_certificate(directory: Path) -> tuple[dict[str, str], ssl.SSLContext]:
    """Settings of a gateway with a certificate, and what its clients trust."""
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    issued = authority.issue_cert(HOST, key_type=trustme.KeyType.ECDSA)
    certificate, key = directory / "certificate.pem", directory / "private_key.pem"
    issued.cert_chain_pems[0].write_to_path(str(certificate))
    issued.private_key_pem.write_to_path(str(key))
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    return {
        "GATEWAY_TCP__PLAINTEXT": "false",
        "GATEWAY_TCP__CERTIFICATE": str(certificate),
        "GATEWAY_TCP__PRIVATE_KEY": str(key),
    }, trusting
