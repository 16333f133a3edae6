"""What was counted after the commit: the part of `observe` that is about counting."""

import structlog
from prometheus_client import Counter, Gauge

from gateway.uncounted import Waiting

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("gateway")

_segments = Counter(
    "gateway_sms_segments_avoided", "SMS segments the same work would have needed", ["direction"]
)
_messages = Counter(
    "gateway_messages_counted", "Reports, tasks and answers counted after their commit"
)
_publications = Gauge(
    "gateway_counting_waiting_publications", "Transactions committed and not counted"
)
_reports = Gauge("gateway_counting_waiting_reports", "Reports committed and not counted")
_set_aside = Gauge(
    "gateway_counting_set_aside_publications", "Transactions that a bug of ours keeps uncounted"
)
_failures = Counter("gateway_counting_failures", "Bugs of ours met while counting")
_up_child, _down_child = _segments.labels("up"), _segments.labels("down")


def counted(messages: int, segments_up: int, segments_down: int) -> None:
    """Reports and tasks are in the tables of counts."""
    _messages.inc(messages)
    _up_child.inc(segments_up)
    _down_child.inc(segments_down)


def counting_state(waiting: Waiting) -> None:
    """How much is not counted yet, by whichever gateway."""
    _publications.set(waiting.publications)
    _reports.set(waiting.reports)


def counting_paused(error: Exception, delay_seconds: float) -> None:
    """The database is away; counting goes on when it is back, where it stopped."""
    _log.warning("counting_paused", error=str(error), delay_seconds=round(delay_seconds, 2))


def counting_failed(error: Exception, delay_seconds: float) -> None:
    """A bug of ours ended a round of counting; it is tried again, and reports are still taken."""
    _failures.inc()
    _log.error("counting_failed", delay_seconds=round(delay_seconds, 2), exc_info=error)


def publication_set_aside(publication: int, error: Exception, set_aside: int) -> None:
    """A bug of ours keeps one publication from being counted; the others are counted."""
    _failures.inc()
    _set_aside.set(set_aside)
    _log.error("publication_set_aside", publication=publication, exc_info=error)
