"""A gateway and a device that talk to each other in memory, in pieces of any size."""

from gateway.protocol.connection import Connection, Event, Timeouts
from gateway.protocol.framing import encode_frame
from gateway.protocol.messages import BadFrame, Challenge, Hello, Message, Welcome, encode
from gateway.protocol.state import Role, State

NONCE = bytes(range(12))
PROOF = bytes(range(16))
CHALLENGE = Challenge(version=1, nonce=NONCE)
HELLO = Hello(
    version=1, device=1, installation=7, settled_through=0, nonce=NONCE, proof=PROOF, edition=1
)
WELCOME = Welcome(
    version=1,
    proof=PROOF,
    server_time=1_206_000_000,
    settled_through=0,
    heartbeat_seconds=270,
    window_reports=1_024,
    edition=1,
)


class ConnectionPair:
    """Both roles, wired to each other. `chunk` is how many bytes arrive at once; None: all."""

    def __init__(
        self, chunk: int | None = None, now: float = 0.0, timeouts: Timeouts | None = None
    ) -> None:
        self.chunk = chunk
        self.now = now
        self.gateway = Connection(Role.GATEWAY, now, timeouts)
        self.device = Connection(Role.DEVICE, now, timeouts)
        self.at_gateway: list[Event] = []
        """Events of the gateway's side, in order."""
        self.at_device: list[Event] = []

    def from_gateway(self, *messages: Message) -> list[Event]:
        """Send messages and return what the device made of them."""
        return self._carry(self.gateway, self.device, messages, self.at_device)

    def from_device(self, *messages: Message) -> list[Event]:
        """Send messages and return what the gateway made of them."""
        return self._carry(self.device, self.gateway, messages, self.at_gateway)

    def greet(self) -> None:
        """Challenge, hello, welcome: both sides are READY afterwards."""
        self.from_gateway(CHALLENGE)
        self.from_device(HELLO)
        self.from_gateway(WELCOME)

    def _carry(
        self,
        sender: Connection,
        receiver: Connection,
        messages: tuple[Message, ...],
        log: list[Event],
    ) -> list[Event]:
        for message in messages:
            sender.send(message, self.now)
        events = self._feed(receiver, sender.data_to_send())
        log += events
        return events

    def _feed(self, receiver: Connection, data: bytes) -> list[Event]:
        events: list[Event] = []
        step = self.chunk or max(len(data), 1)
        for begin in range(0, len(data), step):
            receiver.receive_data(data[begin : begin + step], self.now)
            events += drain(receiver)
        # What waited behind a hello comes out when its receiver was made ready meanwhile.
        return events + drain(receiver)


def drain(connection: Connection) -> list[Event]:
    """All events that are ready."""
    events: list[Event] = []
    while (event := connection.next_event()) is not None:
        events.append(event)
    return events


def ready(role: Role, now: float = 0.0, timeouts: Timeouts | None = None) -> Connection:
    """A connection of that role right behind the welcome, with nothing left to send."""
    pair = ConnectionPair(now=now, timeouts=timeouts)
    pair.greet()
    return pair.gateway if role is Role.GATEWAY else pair.device


def frame_of(message: Message) -> bytes:
    """A message as it goes over TCP."""
    return encode_frame(encode(message))


def state_of(connection: Connection) -> State:
    """Its state now: a type checker takes an attribute for what it was compared with before."""
    return connection.state


def sent_by(connection: Connection) -> list[Message]:
    """What a peer of the other role makes of the bytes that wait to be sent, states aside."""
    other = ready(Role.DEVICE if connection.role is Role.GATEWAY else Role.GATEWAY)
    other.receive_data(connection.data_to_send(), 0.0)
    events = drain(other)
    assert not any(isinstance(event, BadFrame) for event in events)
    return [event for event in events if not isinstance(event, BadFrame)]


def awaiting_hello() -> Connection:
    """A gateway that has sent its challenge."""
    gateway = Connection(Role.GATEWAY, 0.0)
    gateway.send(CHALLENGE, 0.0)
    gateway.data_to_send()
    return gateway
