"""What happens at the door of TCP: connections that are not admitted yet. A part of `observe`."""

from prometheus_client import Counter

_strangers_cut = Counter(
    "gateway_strangers_cut", "Connections cut, before they were admitted, for newer ones"
)


def stranger_cut() -> None:
    """Its place was needed for a newcomer. No log line: in a flood there are thousands a second."""
    _strangers_cut.inc()
