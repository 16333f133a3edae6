"""What happened to the bills that dashboards show: the part of `observe` that is about them."""

import structlog
from prometheus_client import Counter, Gauge

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("gateway")

_seconds = Gauge("gateway_bills_seconds", "How long the latest bills took to make")
_made = Gauge(
    "gateway_bills_made_timestamp_seconds", "When the bills were made, by whichever gateway"
)
_failures = Counter("gateway_bills_failures", "Bugs of ours met while making bills")


def bills_made(unix_time: float, seconds: float) -> None:
    """The bills of the month are in their tables."""
    _made.set(unix_time)
    _seconds.set(seconds)


def bills_are_fresh(unix_time: float) -> None:
    """Another gateway has made them."""
    _made.set(unix_time)


def bills_wait(error: Exception, delay_seconds: float) -> None:
    """The database is away; bills are made when it is back."""
    _log.warning("bills_wait", error=str(error), delay_seconds=round(delay_seconds, 2))


def bills_failed(error: Exception, delay_seconds: float) -> None:
    """A bug of ours: no bills this time; tried again, and reports are still taken."""
    _failures.inc()
    _log.error("bills_failed", delay_seconds=round(delay_seconds, 2), exc_info=error)
