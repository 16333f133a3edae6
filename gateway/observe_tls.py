"""What happened around TLS on TCP; a part of `observe`."""

from datetime import datetime
from typing import Final

import structlog
from prometheus_client import Counter, Gauge

TLS_HANDSHAKE_RECORD: Final = 22
"""How TLS begins. Anything else is not TLS."""

_log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger("gateway")

_handshakes = Counter("gateway_tls_handshakes", "TLS handshakes on TCP, by result", ["result"])
_done = {resumed: _handshakes.labels("resumed" if resumed else "full") for resumed in (True, False)}
_failed = _handshakes.labels("failed")
_expires = Gauge(
    "gateway_tls_certificate_expires_timestamp_seconds",
    "Unix time at which the TLS certificate expires; 0 without TLS",
)


def certificate_loaded(expires_at: datetime) -> None:
    """New connections are shown this certificate."""
    _expires.set(expires_at.timestamp())
    _log.info("tls_certificate_loaded", expires_at=expires_at.isoformat())


def certificate_not_reloaded(error: Exception) -> None:
    """The new files are of no use; the old certificate stays."""
    _log.error("tls_certificate_not_reloaded", error=str(error))


def handshake_done(*, is_resumed: bool) -> None:
    """A connection is secure."""
    _done[is_resumed].inc()


def handshake_failed(peer: str, reason: str, first_byte: int | None) -> None:
    """A connection ended before it was secure. At debug for those who say nothing or leave: anybody
    can. `first_byte`: of what came, None for nothing.
    """
    _failed.inc()
    if first_byte is None:
        reason += "; said nothing: a client without TLS waits for the challenge so"
    elif first_byte != TLS_HANDSHAKE_RECORD:
        reason += "; does not speak TLS"
    _log.debug("tls_handshake_failed", peer=peer, reason=reason)
