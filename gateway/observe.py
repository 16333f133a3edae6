"""What happened, told once: one function for each happening sets its metrics and writes its log
line. The only importer of structlog and prometheus_client.

Metrics are counted by batch and their children bound once; labels have few, fixed values, never a
device. Logs are few: incidents and whole sessions, at debug level more, never by report.
"""

import logging
import sys
from collections import Counter as Tally
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

import structlog
from prometheus_client import Counter, Gauge, Histogram

from gateway.parcel import ItemVerdict, Parcel, Transport, Verdict

ITEM_BUCKETS: Final = (1, 4, 16, 64, 256, 1_024, 4_096)
"""Batch sizes: a factor of four apart, up to the largest batch."""

SECONDS_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30)
"""Durations: from a commit on a fast disk to the command time-out."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("gateway")

_received = Counter("gateway_received", "Reports, tracks and bad frames received", ["transport"])
_refused = Counter("gateway_refused", "Items refused without being kept", ["transport"])
_in_flight = Gauge("gateway_in_flight", "Items received and not settled", ["transport"])
_given_up = Counter(
    "gateway_given_up", "Items given up unacked; the devices keep them", ["transport"]
)
_ack_seconds = Histogram(
    "gateway_ack_seconds",
    "From a frame received to its ack",
    ["transport"],
    buckets=SECONDS_BUCKETS,
)
_batch_items = Histogram("gateway_batch_items", "Items in a transaction", buckets=ITEM_BUCKETS)
_batch_seconds = Histogram(
    "gateway_batch_seconds", "Duration of a transaction", buckets=SECONDS_BUCKETS
)
_batch_retries = Counter("gateway_batch_retries", "Transactions tried again: the database was away")
_batch_failures = Counter("gateway_batch_failures", "Transactions ended by a bug of ours")
_callback_failures = Counter("gateway_callback_failures", "Bugs of ours after a commit")
_sessions = Gauge("gateway_sessions", "Open sessions", ["transport"])
_queue_depth = Gauge("gateway_queue_depth", "What waits, by queue", ["queue"])

_by_verdict: Mapping[Verdict, Counter] = {
    Verdict.STORED: Counter("gateway_stored", "Items stored as new rows", ["transport"]),
    Verdict.DUPLICATE: Counter("gateway_duplicate", "Items stored before", ["transport"]),
    Verdict.QUARANTINED: Counter("gateway_quarantined", "Items kept in quarantine", ["transport"]),
    Verdict.FAILED: _given_up,
}
_settled_child = {
    (transport, verdict): counter.labels(transport.value)
    for transport in Transport
    for verdict, counter in _by_verdict.items()
}
_received_child = {transport: _received.labels(transport.value) for transport in Transport}
_refused_child = {transport: _refused.labels(transport.value) for transport in Transport}
_in_flight_child = {transport: _in_flight.labels(transport.value) for transport in Transport}
_ack_child = {transport: _ack_seconds.labels(transport.value) for transport in Transport}
_sessions_child = {transport: _sessions.labels(transport.value) for transport in Transport}


def configure_logging(*, json: bool, level: Literal["debug", "info", "warning", "error"]) -> None:
    """Send log lines to stderr.

    Args:
        json: One JSON object a line, for machines; else coloured text for a terminal.
        level: The least level that is written.
    """
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if json:
        processors.append(structlog.processors.format_exc_info)
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def watch_queue(queue: str, depth: Callable[[], float]) -> None:
    """Read a queue's depth whenever the metrics are read."""
    _queue_depth.labels(queue).set_function(depth)


# Items on their way.


def parcel_received(transport: Transport, items: int) -> None:
    """A frame was decoded and given to the batcher."""
    _received_child[transport].inc(items)
    _in_flight_child[transport].inc(items)


def refused(transport: Transport, items: int) -> None:
    """Items were refused without being kept: no device answers for them, or they come again."""
    _received_child[transport].inc(items)
    _refused_child[transport].inc(items)


def parcel_settled(transport: Transport, seconds: float) -> None:
    """A frame is committed and its ack under way, `seconds` after it was received."""
    _ack_child[transport].observe(seconds)


# Batches.


def batch_written(
    parcels: Sequence[Parcel], verdicts: Sequence[list[ItemVerdict]], seconds: float
) -> None:
    """A transaction is committed."""
    tally = _count_settled(parcels, verdicts)
    _batch_items.observe(tally.total())
    _batch_seconds.observe(seconds)
    _log.debug("batch_written", items=tally.total(), seconds=round(seconds, 4))


def batch_retried(error: Exception, parcels: int, delay_seconds: float) -> None:
    """The database is away; the batch is kept and tried again."""
    _batch_retries.inc()
    _log.warning(
        "batch_retried", error=str(error), parcels=parcels, delay_seconds=round(delay_seconds, 2)
    )


def batch_failed(error: Exception, parcels: int) -> None:
    """A bug of ours ended a transaction; its parcels are tried one by one."""
    _batch_failures.inc()
    _log.error("batch_failed", parcels=parcels, exc_info=error)


def parcels_given_up(parcels: Sequence[Parcel]) -> None:
    """Parcels are not committed and not acked; the devices keep what is in them."""
    tally = _count_settled(parcels, [parcel.failed() for parcel in parcels])
    _log.error("parcels_given_up", parcels=len(parcels), items=tally.total())


def callback_failed(error: Exception) -> None:
    """A bug of ours after a commit: one frame may go without its ack and come again."""
    _callback_failures.inc()
    _log.error("callback_failed", exc_info=error)


def _count_settled(
    parcels: Sequence[Parcel], verdicts: Sequence[list[ItemVerdict]]
) -> Tally[tuple[Transport, Verdict]]:
    tally: Tally[tuple[Transport, Verdict]] = Tally()
    for parcel, items in zip(parcels, verdicts, strict=True):
        transport = parcel.transport
        for item in items:
            tally[transport, item.verdict] += 1
    for (transport, verdict), count in tally.items():
        _settled_child[transport, verdict].inc(count)
        _in_flight_child[transport].dec(count)
    return tally


# Sessions.


def sessions_open(transport: Transport, count: int) -> None:
    """The number of open sessions changed."""
    _sessions_child[transport].set(count)


def admission_waits(error: Exception, greetings: int, delay_seconds: float) -> None:
    """The database is away; greetings wait for it."""
    _log.warning(
        "admission_waits",
        error=str(error),
        greetings=greetings,
        delay_seconds=round(delay_seconds, 2),
    )
