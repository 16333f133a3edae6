"""One misbehaving handset: who it is, where its counter stands, what it hears."""

import ssl
from dataclasses import dataclass, field
from random import Random
from typing import Final

from chaos.crew_claims import Frame
from chaos.crew_journal import Journal
from chaos.crew_lines import Identity, Line, TcpLine, open_tcp
from chaos.crew_mqtt import open_mqtt
from gateway.protocol.acks import covered
from gateway.protocol.errors import RefusalCode, Resend
from gateway.protocol.limits import MAX_INSTALLATION, MAX_SEQUENCE
from gateway.protocol.messages import Ack, Message, Refusal, Welcome

BAD_ITEMS: Final = 300
"""Things that one handset sends to quarantine, repetitions included. The gateway keeps so many of
a device without asking it to wait; more would only make the end of a run long."""

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class World:
    """Where the gateways and the broker are."""

    gateways: tuple[Address, ...]
    broker: Address
    tls: ssl.SSLContext | None = None
    """For the first gateway; the others speak plaintext."""

    def tls_of(self, gateway: int) -> ssl.SSLContext | None:
        """How to speak to one of the gateways."""
        return self.tls if gateway == 0 else None


@dataclass(slots=True)
class Member:
    """A handset with all its installations, or one of two that have the same identity."""

    device: int
    secret: bytes
    random: Random
    journal: Journal
    world: World
    installation: int = 0
    next_sequence: int = 1
    bad_items_left: int = BAD_ITEMS
    known_through: dict[int, int] = field(default_factory=dict)
    """What welcomes said is settled, of each installation."""

    def reinstall(self) -> None:
        """Forget everything and begin anew."""
        self.installation = self.random.randint(0, MAX_INSTALLATION)
        self.next_sequence = 1

    def take_numbers(self, count: int) -> range:
        """The next numbers; a new installation when there are not enough left."""
        if self.next_sequence + count - 1 > MAX_SEQUENCE:
            self.reinstall()
        first = self.next_sequence
        self.next_sequence += count
        return range(first, first + count)

    def note(self, frames: list[Frame]) -> list[Frame]:
        """Write down what is about to be sent, as far as it may be: of bad things only so many."""
        allowed: list[Frame] = []
        for frame in frames:
            bad = sum(1 for claim in frame.claims if claim.code)
            if bad <= self.bad_items_left:
                self.bad_items_left -= bad
                allowed.append(frame)
        self.journal.add(self.device, self.installation, allowed)
        return allowed

    async def over_tcp(self, gateway: int, installation: int | None = None) -> TcpLine:
        """Connect to one of the gateways and greet."""
        line = await self.stranger(gateway, installation)
        try:
            await line.greet(self._identity(installation))
        except BaseException:
            line.cut()
            raise
        return line

    async def stranger(self, gateway: int, installation: int | None = None) -> TcpLine:
        """Connect to one of the gateways and say nothing."""
        heard = Ear(self, self.installation if installation is None else installation)
        address = self.world.gateways[gateway]
        return await open_tcp(address, self.world.tls_of(gateway), heard)

    async def over_mqtt(self) -> Line:
        """Connect to the broker and greet."""
        heard = Ear(self, self.installation)
        return await open_mqtt(self.world.broker, self._identity(None), heard)

    def _identity(self, installation: int | None) -> Identity:
        which = self.installation if installation is None else installation
        claimed = self.known_through.get(which, 0) if self.random.random() < 0.5 else 0  # noqa: PLR2004 -- a coin
        return Identity(self.device, self.secret, which, claimed)


class Ear:
    """Writes down what a gateway says to one installation."""

    def __init__(self, member: Member, installation: int) -> None:
        self._member = member
        self._installation = installation

    def __call__(self, message: Message) -> None:
        """The next message behind a proven welcome, or that welcome."""
        member, journal = self._member, self._member.journal
        key = member.device, self._installation
        if isinstance(message, Welcome):
            # In this order: what is refused is not taken for stored.
            for number, code in message.refused:
                journal.refused(*key, [number], code)
            journal.acked_through(*key, message.settled_through)
            member.known_through[self._installation] = message.settled_through
        elif isinstance(message, Ack):
            through, *ranges = covered(message)
            journal.acked_through(*key, through.stop - 1)
            for numbers in ranges:
                journal.acked(*key, numbers.start, numbers.stop - 1)
        elif isinstance(message, Refusal) and message.resend == Resend.NEVER:
            numbers = range(message.sequence, message.sequence + message.count)
            journal.refused(*key, numbers, message.code)
        elif isinstance(message, Refusal) and message.code == RefusalCode.NOT_ADMITTED:
            raise ConnectionError("not admitted")
