"""Connections that are not admitted yet: anybody's, so they have a number of places of their own.

Whoever finds all places taken gets one nevertheless; somebody else is cut. First those whose
refusal is held back, because nothing is left to say to them but no. Then the longest waiting of the
address with the most: so who comes with thousands of idle connections throws out his own, while a
handset, which greets within a round trip or two, is admitted long before it is the oldest. That
holds for one behind the same address (NAT) too: it has as long as the others of its address take
to come again in the same number. An attacker with as many addresses as places has to fill all of
them anew within a round trip to keep a handset out.
"""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from gateway.crowd import Crowd

IPV6_PREFIX_BITS: Final = 64
"""What one subscriber gets at least, and so what one attacker has for nothing."""

_IPV6_BITS: Final = 128


class Stranger:
    """One connection that is not admitted yet. Made by `Strangers.enter`."""

    __slots__ = ("_strangers", "address", "cut")

    def __init__(self, strangers: "Strangers", address: str, cut: Callable[[], None]) -> None:
        self._strangers = strangers
        self.address = address
        """As `neighbourhood` has it."""
        self.cut = cut

    def hold(self) -> None:
        """Its refusal is held back: from now on it goes before all others. Idempotent."""
        self._strangers._hold(self)  # noqa: SLF001 - two halves of one thing

    def leave(self) -> None:
        """It is admitted, or gone: its place is free. Idempotent; harmless after a cut."""
        self._strangers._leave(self)  # noqa: SLF001 - as above


class Strangers:
    """The places. `places` is at least 1."""

    def __init__(self, places: int) -> None:
        if places < 1:
            raise ValueError(f"there must be a place for a newcomer: at least 1, not {places}")
        self.places = places
        self._waiting: Crowd[str, Stranger] = Crowd()
        self._held: Crowd[str, Stranger] = Crowd()
        self._crowds: dict[Stranger, Crowd[str, Stranger]] = {}
        """Where each is; who is in none has left."""

    def __len__(self) -> int:
        """How many places are taken."""
        return len(self._crowds)

    @property
    def held(self) -> int:
        """How many of them wait for a refusal that is held back."""
        return len(self._held)

    def enter(self, address: str, cut: Callable[[], None]) -> Stranger:
        """Give a newcomer a place.

        Args:
            address: Of the peer, without its port.
            cut: Called at most once, from within a later `enter`, when the place is given to
                somebody else. It must end the connection at once and may call `leave`.
        """
        victim = None
        if len(self) >= self.places:
            victim = (self._held or self._waiting).take_from_largest()
            del self._crowds[victim]
        newcomer = Stranger(self, neighbourhood(address), cut)
        self._waiting.add(newcomer.address, newcomer)
        self._crowds[newcomer] = self._waiting
        if victim is not None:
            victim.cut()
        return newcomer

    def _hold(self, stranger: Stranger) -> None:
        if self._crowds.get(stranger) is self._waiting:
            self._waiting.remove(stranger.address, stranger)
            self._held.add(stranger.address, stranger)
            self._crowds[stranger] = self._held

    def _leave(self, stranger: Stranger) -> None:
        crowd = self._crowds.pop(stranger, None)
        if crowd is not None:
            crowd.remove(stranger.address, stranger)


def neighbourhood(address: str) -> str:
    """Whom an address belongs to, as far as it tells: itself, or the /64 of an IPv6 address. What
    is no address stands for itself.
    """
    try:
        parsed: IPv4Address | IPv6Address = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv4Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    host_bits = _IPV6_BITS - IPV6_PREFIX_BITS
    return f"{IPv6Address(int(parsed) >> host_bits << host_bits)}/{IPV6_PREFIX_BITS}"
