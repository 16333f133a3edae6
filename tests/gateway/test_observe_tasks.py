"""What is told of tasks, in metrics and in the log."""

import pytest
from structlog.testing import capture_logs

from gateway import observe_tasks as observe
from gateway.protocol.task_messages import Receipt
from gateway.task_request import Action, Malformed
from gateway.task_work import Fate, RequestVerdict
from tests.helpers.metrics import grown
from tests.helpers.task_requests import answered, build_request


@pytest.mark.parametrize(
    "fate, word",
    [
        (Fate(), "noted"),
        (Fate(Receipt.ACCEPTED), "accepted"),
        (Fate(Receipt.LATE), "late"),
        (Fate(Receipt.NOT_ACCEPTED), "not_accepted"),
    ],
)
def test_what_devices_say(fate: Fate, word: str) -> None:
    """Counted by what became of it; nothing is logged."""
    count = grown("gateway_task_replies_total", {"fate": word})
    with capture_logs() as logs:
        observe.task_work_done(answered(1), fate)
    assert (count(), logs) == (1, [])


@pytest.mark.parametrize(
    "verdict, word",
    [
        (RequestVerdict(accepted=True, tasks=3), "accepted"),
        (RequestVerdict(accepted=True, repeated=True), "repeated"),
    ],
)
def test_what_is_asked_for(verdict: RequestVerdict, word: str) -> None:
    """Counted by its verdict."""
    count = grown("gateway_task_requests_total", {"verdict": word})
    with capture_logs() as logs:
        observe.task_work_done(build_request(), verdict)
    assert (count(), logs) == (1, [])


def test_a_refused_request_is_logged() -> None:
    """With its id and the reason: somebody waits for tasks that nobody gets."""
    count = grown("gateway_task_requests_total", {"verdict": "refused"})
    with capture_logs() as logs:
        observe.task_work_done(
            Malformed("r1", Action.REQUEST, "no"), RequestVerdict(accepted=False, reason="no")
        )
    assert count() == 1
    (line,) = logs
    assert (line["event"], line["request"], line["reason"]) == ("task_request_refused", "r1", "no")


def test_counts() -> None:
    """What was sent, expired, dropped, tried again and lost."""
    names = (
        "tasks_sent", "task_withdrawals_sent", "tasks_expired", "task_work_dropped",
        "task_work_retries", "task_work_failures", "task_delivery_failures",
    )  # fmt: skip
    counts = [grown(f"gateway_{name}_total") for name in names]
    observe.tasks_sent(3, 2)
    observe.tasks_expired(4)
    observe.task_work_dropped()
    with capture_logs() as logs:
        observe.task_work_retried(OSError("away"), 5, 0.123)
        observe.task_work_failed(ValueError("a bug of this test"))
        observe.tasks_wait(OSError("away"), 0.1)
        observe.task_delivery_failed(ValueError("a bug of this test"), 0.1)
        observe.listener_lost("task", OSError("away"), 0.1)
    assert [count() for count in counts] == [3, 2, 4, 1, 1, 1, 1]
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("task_work_retried", "warning"),
        ("task_work_failed", "error"),
        ("tasks_wait", "warning"),
        ("task_delivery_failed", "error"),
        ("listener_lost", "warning"),
    ]
