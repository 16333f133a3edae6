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
from aiohttp.typedefs import Handler
from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.aiohttp import make_aiohttp_handler

from gateway.parcel import ItemVerdict, Parcel, Transport, Verdict
from gateway.protocol.errors import RefusalCode
from gateway.protocol.messages import BadFrame

ITEM_BUCKETS: Final = (1, 4, 16, 64, 256, 1_024, 4_096)
"""Batch sizes: a factor of four apart, up to the largest batch."""

SECONDS_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30)
"""Durations: from a commit on a fast disk to the command time-out."""

LOGGED_FRAME_BYTES: Final = 64
"""Bytes of a bad frame in the log: enough to see what it wanted to be."""

CLIENT_HELLO: Final = (b"\x03\x01", b"\x03\x03")
"""How TLS begins, after its first byte, 22, which is a length to us."""

LOGGED_TOPIC_CHARACTERS: Final = 128
"""Of a topic that is not ours."""

# A second series beside each counter; a restart shows in the start time of the process.
disable_created_metrics()  # type: ignore[no-untyped-call]

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
_sessions_opened = Counter("gateway_sessions_opened", "Devices admitted", ["transport"])
_sessions_closed = Counter("gateway_sessions_closed", "Connections ended", ["transport", "reason"])
_session_failures = Counter(
    "gateway_session_failures", "Sessions ended by a bug of ours", ["transport"]
)
_greeting_failures = Counter("gateway_greeting_failures", "Greetings lost to a bug of ours")
_turned_away = Counter("gateway_turned_away", "Greetings without room", ["transport"])
_not_admitted = Counter("gateway_not_admitted", "Greetings refused", ["transport"])
_bad_frames = Counter("gateway_bad_frames", "Frames that are no message", ["transport", "code"])
_bad_topics = Counter("gateway_bad_topics", "Messages on topics that name no device")
_replies_dropped = Counter("gateway_replies_dropped", "Replies without room", ["transport"])
_broker_connected = Gauge("gateway_broker_connected", "1 while connected to the MQTT broker")
_queue_depth = Gauge("gateway_queue_depth", "What waits, by queue", ["queue"])
_queue_limit = Gauge("gateway_queue_limit", "How much may wait, by queue", ["queue"])


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
_sessions_opened_child = {
    transport: _sessions_opened.labels(transport.value) for transport in Transport
}
_sessions_child = {transport: _sessions.labels(transport.value) for transport in Transport}

# There from the beginning, at 0: a rise from nothing to one is none to Prometheus.
for _rare in (_session_failures, _turned_away, _not_admitted, _replies_dropped):
    for _transport in Transport:
        _rare.labels(_transport.value)


def configure_logging(
    log_format: Literal["auto", "json", "text"],
    level: Literal["debug", "info", "warning", "error"],
) -> None:
    """Send log lines to stderr.

    Args:
        log_format: `json` is one object a line, for machines; `text` is for people; `auto` is
            `text` on a terminal and else `json`.
        level: The least level that is written.
    """
    on_terminal = sys.stderr.isatty()
    json = log_format == "json" or (log_format == "auto" and not on_terminal)
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if json
        else structlog.dev.ConsoleRenderer(colors=on_terminal)
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


def metrics_handler() -> Handler:
    """Answers an HTTP request with all metrics, in the format that it asks for."""
    return make_aiohttp_handler()


def watch_queue(queue: str, depth: Callable[[], float], limit: float | None = None) -> None:
    """Read a queue's depth whenever the metrics are read. `limit`: where its bound is a number of
    its own.
    """
    _queue_depth.labels(queue).set_function(depth)
    if limit is not None:
        _queue_limit.labels(queue).set(limit)


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


def session_opened(transport: Transport, device_id: int, peer: str) -> None:
    """A device was admitted."""
    _sessions_opened_child[transport].inc()
    _log.debug("session_opened", transport=transport.value, device=device_id, peer=peer)


def session_closed(
    transport: Transport,
    *,
    device_id: int | None,
    peer: str,
    seconds: float,
    counts: Mapping[str, int | str],
    reason: str,
    error: Exception | None = None,
) -> None:
    """A connection ended: its one line. At info for an admitted device, else at debug, because
    anybody can open and close connections. `reason` is one of a few words.
    """
    _sessions_closed.labels(transport.value, reason).inc()
    if error is not None:
        counts = {**counts, "error": str(error)}
    write = _log.debug if device_id is None else _log.info
    write(
        "session_closed",
        transport=transport.value,
        device=device_id,
        peer=peer,
        seconds=round(seconds, 1),
        reason=reason,
        **counts,
    )


def session_failed(
    transport: Transport, device_id: int | None, peer: str, error: Exception
) -> None:
    """A bug of ours ended a session; the device comes again and resends what has no ack."""
    _session_failures.labels(transport.value).inc()
    _log.error(
        "session_failed", transport=transport.value, device=device_id, peer=peer, exc_info=error
    )


def greeting_failed(error: Exception) -> None:
    """A bug of ours cost a greeting its answer; the device greets again."""
    _greeting_failures.inc()
    _log.error("greeting_failed", exc_info=error)


def turned_away(transport: Transport) -> None:
    """There is no room for one more session or greeting; the device comes back later."""
    _turned_away.labels(transport.value).inc()


def not_admitted(transport: Transport, device_id: int, peer: str) -> None:
    """Unknown device, revoked, or wrong proof."""
    _not_admitted.labels(transport.value).inc()
    _log.warning("not_admitted", transport=transport.value, device=device_id, peer=peer)


def bad_frame(transport: Transport, code: RefusalCode) -> None:
    """A peer sent something that is no acceptable message."""
    _bad_frames.labels(transport.value, code.name.lower()).inc()


def first_bad_frame(peer: str, device_id: int | None, bad: BadFrame) -> None:
    """The first bad frame of a session; the others are only counted."""
    is_tls = device_id is None and bad.body.startswith(CLIENT_HELLO)
    _log.warning(
        "bad_frame",
        peer=peer,
        device=device_id,
        code=bad.code.name.lower(),
        detail="TLS, and this port is plaintext (tcp.plaintext)" if is_tls else bad.detail,
        frame=bad.body[:LOGGED_FRAME_BYTES].hex(),
        frame_bytes=len(bad.body),
    )


# The broker.


def broker_connected(version: str) -> None:
    """The gateway takes messages from the broker."""
    _broker_connected.set(1)
    _log.info("broker_connected", version=version)


def broker_lost(error: BaseException, version: str, delay_seconds: float) -> None:
    """The broker is away, or was never there; it is tried again."""
    _broker_connected.set(0)
    _log.warning(
        "broker_lost", error=str(error), version=version, delay_seconds=round(delay_seconds, 2)
    )


def broker_left(unacked_messages: int) -> None:
    """We left the broker because there is no room; it delivers again what was not acked."""
    _broker_connected.set(0)
    _log.warning("broker_left", unacked_messages=unacked_messages)


def bad_topic(topic: str) -> None:
    """A message on a topic that names no device: nobody to tell."""
    _bad_topics.inc()
    _log.warning("bad_topic", topic=topic[:LOGGED_TOPIC_CHARACTERS])


def reply_dropped(transport: Transport) -> None:
    """A reply found no room; its device sends again and is answered then."""
    _replies_dropped.labels(transport.value).inc()


# The process.


def started(name: str, http: str, tcp: tuple[str, int] | None) -> None:
    """The gateway takes reports."""
    _log.info("started", name=name, http=http, tcp=f"{tcp[0]}:{tcp[1]}" if tcp else None)


def database_away(error: BaseException, delay_seconds: float) -> None:
    """The database cannot be reached at the start; it is tried again."""
    _log.warning("database_away", error=str(error), delay_seconds=round(delay_seconds, 2))


def draining(pending_items: int) -> None:
    """Shutting down: nothing more is taken, what was received is committed."""
    _log.info("draining", pending_items=pending_items)


def stopped(name: str) -> None:
    """The end, in order."""
    _log.info("stopped", name=name)
