"""What subscribers hear of tasks: every change and every verdict, each as its schema says."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from gateway.events import TASK_CHANGED, TASK_REQUEST_DECIDED
from gateway.protocol.task_messages import (
    Answer,
    Noted,
    Receipt,
    Task,
    TaskAnswer,
    TaskNoted,
    TaskReceipt,
    TaskWithdrawal,
)
from gateway.task_request import Action, Cancellation, Malformed
from tests.helpers.brokers import Broker
from tests.helpers.event_collector import Collector, assert_in_order, collector
from tests.helpers.served_gateway import register, served_gateway
from tests.helpers.task_requests import build_request
from tests.helpers.task_world import World, mqtt_settings, until_ready

pytestmark = pytest.mark.asyncio

AT = 1_700_000_000


def of_requests(collected: Collector, *requests: str) -> list[dict[str, Any]]:
    """What has come of the tasks of these requests: the broker is shared."""
    changes = [event["data"] for event in collected.firsts(TASK_CHANGED)]
    return [data for data in changes if data["request"] in requests]


def has(collected: Collector, count: int, *requests: str) -> Callable[[], bool]:
    """Whether so many changes have come."""
    return lambda: len(of_requests(collected, *requests)) >= count


async def test_every_change_is_an_event(database_dsn: str, broker: Broker) -> None:
    """Asked, sent, received, answered, answered otherwise when it was over; asked and cancelled;
    refused. The collector holds each to its schema and topic.
    """
    await register(database_dsn)
    done, taken, bad = (f"{word}-{uuid.uuid4().hex[:8]}" for word in ("done", "taken", "bad"))
    name = uuid.uuid4().hex
    # A group of its own: a member that is gone would keep its share of what other tests send.
    mqtt = {**mqtt_settings(broker), "version": "auto", "shared_group": name}
    async with (
        collector(broker, f"{name}-subscriber") as collected,
        served_gateway(database_dsn, name, mqtt=mqtt, tasks={"poll_seconds": 0.05}) as gateway,
    ):
        await until_ready(gateway)
        world = World(database_dsn, gateway, None)
        async with world.handset() as handset:
            await world.ask(build_request(done))
            task = await handset.hear(Task)
            await handset.tell(TaskNoted(task.task))
            for answer, receipt in (
                (Answer.EXISTS, Receipt.ACCEPTED),
                (Answer.ABSENT, Receipt.LATE),
            ):
                await handset.tell(TaskAnswer(task.task, answer, AT, "井盖缺失"))
                assert await handset.hear(TaskReceipt) == TaskReceipt(task.task, receipt)
            await world.ask(build_request(taken))
            other = await handset.hear(Task)
            await world.ask(Cancellation(id=taken), Malformed(bad, Action.REQUEST, "no kind"))
            await handset.hear(TaskWithdrawal)
            await handset.tell(TaskNoted(other.task, Noted.WITHDRAWN))
        await collected.until(has(collected, 8, done, taken))
    changes = of_requests(collected, done)
    assert [(c["previous"], c["state"]) for c in changes] == [
        (None, "queued"),
        ("queued", "sent"),
        ("sent", "received"),
        ("received", "answered"),
        ("answered", "answered"),
    ]
    assert [c["answer"] for c in changes] == [None, None, None, "exists", "absent"]
    assert [c["late_answer"] for c in changes] == [False] * 4 + [True]
    assert [c["state"] for c in of_requests(collected, taken)] == ["queued", "sent", "cancelled"]
    assert_in_order(collected.firsts(TASK_CHANGED))
    verdicts = [event["data"] for event in collected.firsts(TASK_REQUEST_DECIDED)]
    assert [(v["action"], v["accepted"]) for v in verdicts if v["request"] == taken] == [
        ("request", True),
        ("cancel", True),
    ]
    assert [v["reason"] for v in verdicts if v["request"] == bad] == ["no kind"]
