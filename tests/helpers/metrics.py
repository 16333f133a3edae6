"""Reading metrics in tests: by how much they have grown, as other tests count in the process."""

from collections.abc import Callable

from prometheus_client import REGISTRY

TCP = {"transport": "tcp"}
FATES = ("stored", "duplicate", "quarantined", "refused", "given_up")
"""What may become of an item that was received, once it is not in flight any more."""


def value_of(name: str, labels: dict[str, str] | None = None) -> float:
    """The present value of a metric."""
    return REGISTRY.get_sample_value(name, labels or {}) or 0.0


def grown(name: str, labels: dict[str, str] | None = None) -> Callable[[], float]:
    """By how much a metric has grown since now."""
    before = value_of(name, labels)
    return lambda: value_of(name, labels) - before


class LedgerOfMetrics:
    """The growth of the ledger over TCP since this was made."""

    def __init__(self) -> None:
        self._received = grown("gateway_received_total", TCP)
        self._in_flight = grown("gateway_in_flight", TCP)
        self._fates = {fate: grown(f"gateway_{fate}_total", TCP) for fate in FATES}

    def counts(self) -> dict[str, int]:
        """Received, in flight and each fate, those that are not zero."""
        values = {"received": self._received(), "in_flight": self._in_flight()}
        values |= {fate: value() for fate, value in self._fates.items()}
        return {name: int(value) for name, value in values.items() if value}

    def closes(self) -> bool:
        """Whether everything received is accounted for."""
        counts = self.counts()
        return 2 * counts.get("received", 0) == sum(counts.values())
