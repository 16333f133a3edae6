"""What the links of devices carried, told once, as `observe` does it for the rest."""

import structlog
from prometheus_client import Counter

from gateway.parcel import Transport

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("gateway")

_bytes = Counter(
    "gateway_meter_bytes", "Carried by the links of devices, headers included", ["transport", "way"]
)
_connections = Counter("gateway_meter_connections", "Connections of devices metered", ["transport"])
_strangers = Counter(
    "gateway_meter_strangers_bytes", "Carried by connections that never greeted", ["transport"]
)
_lost = Counter("gateway_meter_lost_bytes", "Metered and not counted for want of room, or by a bug")
_modelled = Counter(
    "gateway_meter_modelled_connections", "TCP connections that the kernel does not count"
)
_flush_failures = Counter(
    "gateway_meter_flush_failures", "Times that the counts could not be written; tried again"
)
_up_child = {transport: _bytes.labels(transport.value, "up") for transport in Transport}
_down_child = {transport: _bytes.labels(transport.value, "down") for transport in Transport}
_connections_child = {transport: _connections.labels(transport.value) for transport in Transport}
_strangers_child = {transport: _strangers.labels(transport.value) for transport in Transport}


def traffic_metered(transport: Transport, up: int, down: int) -> None:
    """A device's link has carried so many bytes since it was read last."""
    _up_child[transport].inc(up)
    _down_child[transport].inc(down)


def connection_metered(transport: Transport) -> None:
    """A device has greeted on a connection of its own."""
    _connections_child[transport].inc()


def strangers_traffic(transport: Transport, count: int) -> None:
    """A connection ended that nobody has greeted on: its bytes are no device's."""
    _strangers_child[transport].inc(count)


def traffic_lost(count: int) -> None:
    """Bytes of devices that no bill will show."""
    _lost.inc(count)


def traffic_waits(error: Exception, delay_seconds: float) -> None:
    """The database is away; what was metered is kept and written when it is back."""
    _flush_failures.inc()
    _log.warning("traffic_waits", error=str(error), delay_seconds=round(delay_seconds, 2))


def traffic_failed(error: Exception) -> None:
    """A bug of ours, or a table that is not as it should be: what was to be written is given up."""
    _flush_failures.inc()
    _log.error("traffic_failed", exc_info=error)


def connection_modelled() -> None:
    """The kernel does not tell what a TCP connection carries: a model counts."""
    _modelled.inc()
