"""What happened to sessions of devices that are not admitted any more, told once, as `observe`
does it for the rest.
"""

import structlog
from prometheus_client import Counter

from gateway.parcel import Transport

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("gateway")

_sessions_shut_out = Counter(
    "gateway_sessions_shut_out",
    "Sessions ended because their device was revoked, restored or given a new secret",
    ["transport"],
)
_revocation_failures = Counter(
    "gateway_revocation_failures", "Looks for revoked devices ended by a bug of ours"
)

for _transport in Transport:
    _sessions_shut_out.labels(_transport.value)


def session_shut_out(transport: Transport, device_id: int) -> None:
    """A session has ended because its device changed since it was looked up."""
    _sessions_shut_out.labels(transport.value).inc()
    _log.warning("session_shut_out", transport=transport.value, device=device_id)


def revocation_waits(error: Exception, delay_seconds: float) -> None:
    """The database is away; who was revoked meanwhile cannot be learned."""
    _log.warning("revocation_waits", error=str(error), delay_seconds=round(delay_seconds, 2))


def revocation_failed(error: Exception, delay_seconds: float) -> None:
    """A bug of ours: devices that were revoked keep their sessions until the next look."""
    _revocation_failures.inc()
    _log.error("revocation_failed", delay_seconds=round(delay_seconds, 2), exc_info=error)
