"""What ops look at first, told once: which version runs, is the database there, who is connected.

Gauges that are read when the metrics are read, and one that a watch sets. No log lines: what is
wrong with the database is said by whoever needed it.
"""

from collections.abc import Callable

from prometheus_client import Gauge

from gateway import __version__

_build_info = Gauge("gateway_build_info", "1; the label says which version runs", ["version"])
_build_info.labels(__version__).set(1)
_database_ready = Gauge(
    "gateway_database_ready", "1 while PostgreSQL answers, has our schema and can be written to"
)
_devices_online = Gauge("gateway_devices_online", "Devices that were welcomed and have not left")
_batcher_full = Gauge("gateway_batcher_full", "1 while sources must wait: the batcher has no room")


def database_ready(*, ready: bool) -> None:
    """The watch has asked the database."""
    _database_ready.set(ready)


def watch_devices(count: Callable[[], int]) -> None:
    """Read how many devices are here whenever the metrics are read."""
    _devices_online.set_function(count)


def watch_batcher(is_full: Callable[[], bool]) -> None:
    """Read whether the batcher is full whenever the metrics are read."""
    _batcher_full.set_function(is_full)
