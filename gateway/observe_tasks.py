"""What happened to tasks, told once, as `observe` does it for the rest."""

import structlog
from prometheus_client import Counter

from gateway.protocol.task_messages import Receipt
from gateway.task_work import Fate, FromDevice, RequestVerdict, Work

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("gateway")

_tasks_sent = Counter("gateway_tasks_sent", "Tasks sent, repetitions included")
_withdrawals_sent = Counter("gateway_task_withdrawals_sent", "Withdrawals sent, repetitions too")
_tasks_expired = Counter("gateway_tasks_expired", "Tasks whose time passed before an answer")
_task_requests = Counter("gateway_task_requests", "Requests and cancellations", ["verdict"])
_task_replies = Counter("gateway_task_replies", "Notes and answers of devices", ["fate"])
_task_work_dropped = Counter("gateway_task_work_dropped", "Requests and answers without room")
_task_work_retries = Counter("gateway_task_work_retries", "Work on tasks tried again")
_task_work_failures = Counter("gateway_task_work_failures", "Work on tasks lost to a bug of ours")
_delivery_failures = Counter(
    "gateway_task_delivery_failures", "Rounds of delivery ended by a bug of ours"
)

# There from the beginning, at 0: a rise from nothing to one is none to Prometheus.
for _verdict in ("accepted", "repeated", "refused"):
    _task_requests.labels(_verdict)
for _fate in ("noted", *(receipt.name.lower() for receipt in Receipt)):
    _task_replies.labels(_fate)


def task_work_done(work: Work, result: RequestVerdict | Fate) -> None:
    """Something that was asked for, or that a device said, is committed."""
    if isinstance(result, Fate):
        _task_replies.labels(
            "noted" if result.receipt is None else result.receipt.name.lower()
        ).inc()
        return
    word = "repeated" if result.repeated else "accepted" if result.accepted else "refused"
    _task_requests.labels(word).inc()
    if not result.accepted:
        request = "" if isinstance(work, FromDevice) else work.id
        _log.warning("task_request_refused", request=request, reason=result.reason)


def task_work_retried(error: Exception, works: int, delay_seconds: float) -> None:
    """The database is away; requests and answers wait for it."""
    _task_work_retries.inc()
    _log.warning(
        "task_work_retried", error=str(error), works=works, delay_seconds=round(delay_seconds, 2)
    )


def task_work_failed(error: Exception) -> None:
    """A bug of ours cost a request or an answer; its sender hears nothing and sends it again."""
    _task_work_failures.inc()
    _log.error("task_work_failed", exc_info=error)


def task_work_dropped() -> None:
    """A request or an answer found no room; its sender sends it again."""
    _task_work_dropped.inc()


def tasks_sent(tasks: int, withdrawals: int) -> None:
    """What was due has been sent."""
    _tasks_sent.inc(tasks)
    _withdrawals_sent.inc(withdrawals)


def tasks_expired(count: int) -> None:
    """Tasks are over without an answer."""
    _tasks_expired.inc(count)


def tasks_wait(error: Exception, delay_seconds: float) -> None:
    """The database is away; tasks are delivered when it is back."""
    _log.warning("tasks_wait", error=str(error), delay_seconds=round(delay_seconds, 2))


def task_delivery_failed(error: Exception, delay_seconds: float) -> None:
    """A bug of ours ended a round of delivery. Reports go on; what was claimed is due again."""
    _delivery_failures.inc()
    _log.error("task_delivery_failed", exc_info=error, delay_seconds=round(delay_seconds, 2))


def listener_lost(channel: str, error: BaseException, delay_seconds: float) -> None:
    """Notifications cannot be heard; what they would say is found by looking."""
    _log.warning(
        "listener_lost", channel=channel, error=str(error), delay_seconds=round(delay_seconds, 2)
    )
