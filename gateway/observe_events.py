"""What happened to events: the part of `observe` that is about publishing them."""

import structlog
from prometheus_client import Counter, Gauge

from gateway.publications import RelayState

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("gateway")

_events = Counter("gateway_events_published", "Events that the broker has acked", ["lane"])
_relay_leads = Gauge("gateway_relay_leads", "1 while this gateway publishes for all")
_relay_failures = Counter("gateway_relay_failures", "Rounds of the relay ended by a bug of ours")
_relay_lag = Gauge("gateway_relay_lag_seconds", "Age of the oldest commit not wholly published")
_relay_waiting = Gauge("gateway_relay_waiting_reports", "Reports committed and not published")
_events_connected = Gauge("gateway_events_connected", "1 while events can go to the broker")
_events_child, _emergencies_child = _events.labels("stream"), _events.labels("emergency")


def events_flow(version: str) -> None:
    """The connection for events is open."""
    _events_connected.set(1)
    _log.info("events_flow", version=version)


def events_stopped(error: BaseException, delay_seconds: float) -> None:
    """The connection for events is lost or was refused; it is tried again, and nothing is lost."""
    _events_connected.set(0)
    _log.warning("events_stopped", error=str(error), delay_seconds=round(delay_seconds, 2))


def relay_leads(*, leads: bool) -> None:
    """This gateway publishes for all, or does not any more."""
    _relay_leads.set(leads)
    if leads:
        _log.info("relay_leads")
    else:
        _log.info("relay_follows")


def relay_paused(error: BaseException, delay_seconds: float) -> None:
    """Database or broker is away; publishing goes on when it is back, where it stopped."""
    _log.warning("relay_paused", error=str(error), delay_seconds=round(delay_seconds, 2))


def relay_failed(error: Exception, delay_seconds: float) -> None:
    """A bug of ours ended a round of the relay; it is tried again, and reports are still taken."""
    _relay_failures.inc()
    _log.error("relay_failed", delay_seconds=round(delay_seconds, 2), exc_info=error)


def presence_failed(error: Exception) -> None:
    """A bug of ours: who came and went just now is not told."""
    _relay_failures.inc()
    _log.error("presence_failed", exc_info=error)


def presence_waits(error: Exception, delay_seconds: float) -> None:
    """The database is away; who came and went is told when it is back."""
    _log.warning("presence_waits", error=str(error), delay_seconds=round(delay_seconds, 2))


def relay_state(state: RelayState) -> None:
    """How far publishing is behind, whoever leads."""
    _relay_lag.set(state.lag_seconds)
    _relay_waiting.set(state.reports_waiting)


def events_published(count: int) -> None:
    """The broker has acked events of the stream, and they are marked."""
    _events_child.inc(count)


def emergencies_published(count: int) -> None:
    """The broker has acked emergencies on the topic of their own."""
    _emergencies_child.inc(count)
