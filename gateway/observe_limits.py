"""What happened where a device had more to say than its share. See `observe`."""

from enum import StrEnum, unique
from typing import Final

import structlog
from prometheus_client import Counter

from gateway.parcel import Transport

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("gateway")


@unique
class Limit(StrEnum):
    """Which share was used up; a label of the metric."""

    REPORTS = "reports"
    QUARANTINE = "quarantine"
    GREETINGS = "greetings"
    WINDOW = "window"


_over_limit = Counter(
    "gateway_over_limit", "Frames refused over their device's share", ["transport", "limit"]
)
_child: Final = {
    (transport, limit): _over_limit.labels(transport.value, limit.value)
    for transport in Transport
    for limit in Limit
}


def over_limit(transport: Transport, limit: Limit) -> None:
    """A frame, or a part of it, is refused: its device has used up its share."""
    _child[transport, limit].inc()


def device_told_to_wait(transport: Transport, device_id: int, limit: Limit, seconds: int) -> None:
    """The first refusal of a session over a share; the others are only counted."""
    _log.warning(
        "device_over_limit",
        transport=transport.value,
        device=device_id,
        limit=limit.value,
        retry_after_seconds=seconds,
    )
