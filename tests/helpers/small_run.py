"""A small day of a district, played against real servers, for whatever looks at its traces.

Two gateways, one of them with a broker; handsets over TCP and MQTT send reports, an emergency, a
repetition and something that is refused; tasks are asked for and answered. Metering, counting,
bills and budgets have done their work inside `small_run`, and the handsets are still connected.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import asyncpg

from gateway.bills import bills_of
from gateway.budgets import budgets_of
from gateway.protocol.errors import GoodbyeReason
from gateway.protocol.messages import Goodbye, Message, Refusal, Welcome, WireReport
from gateway.protocol.report import Urgency
from gateway.protocol.task_messages import Answer, Task, TaskAnswer, TaskNoted, TaskReceipt
from gateway.protocol.wire_report import pack_report
from gateway.reference import load_tables
from gateway.settings import CostSettings
from gateway.store import open_pool
from gateway.tasks import Tasks
from tests.helpers.brokers import Broker
from tests.helpers.builders import build_report
from tests.helpers.device_client import DeviceClient, greeted
from tests.helpers.mqtt_device import MqttDevice, mqtt_device
from tests.helpers.processes import GatewayProcess, gateway_process
from tests.helpers.served_gateway import register
from tests.helpers.task_requests import build_request

STREETS: Final = {1: 440307003, 2: 440307006, 3: 440307007, 4: 440307008}
"""Of each device: two contracted streets and two with inspectors of their own."""

REPORTS: Final = 6
"""Good ones of each device, one of them an emergency."""

STORED: Final = REPORTS * len(STREETS)

SETTLED_WITHIN_SECONDS: Final = 30.0
"""A broken run ends with an error instead of hanging."""

COST: Final = CostSettings(device_budget=Decimal("0.01"), total_budget=Decimal("0.02"))
"""Every card costs its monthly fee, so each device is over this as soon as it has spoken."""

SETTINGS: Final = {
    "GATEWAY_METER__FLUSH_SECONDS": "0.2",
    "GATEWAY_COST__DEVICE_BUDGET": "0.01",
    "GATEWAY_COST__TOTAL_BUDGET": "0.02",
    "GATEWAY_LOG__LEVEL": "warning",
}


def report_of(device: int, sequence: int, **changes: Any) -> WireReport:
    """A report of today, in the street of its device."""
    edition = load_tables().editions[1]
    grid = STREETS[device] * 100_000 + 101
    now = int(time.time())
    return pack_report(
        build_report(sequence=sequence, grid=grid, observed_at=now, **changes), edition
    )


def reports_of(device: int) -> list[WireReport]:
    """What a device sends: the last one is an emergency."""
    ordinary = [report_of(device, number, simple=number % 2 == 0) for number in range(1, REPORTS)]
    return [*ordinary, report_of(device, REPORTS, simple=False, urgency=Urgency.EMERGENCY)]


@asynccontextmanager
async def two_gateways(
    dsn: str, broker: Broker, place: Path
) -> AsyncIterator[list[GatewayProcess]]:
    """Running; the first takes reports over MQTT too, and publishes."""
    settings = {**SETTINGS, "GATEWAY_DATABASE__DSN": dsn}
    mqtt = {
        "GATEWAY_MQTT__ENABLED": "true",
        "GATEWAY_MQTT__HOST": broker.host,
        "GATEWAY_MQTT__PORT": str(broker.gateway_port),
        "GATEWAY_MQTT__VERSION": "3.1.1",
    }
    await register(dsn, list(STREETS))
    connection = await asyncpg.connect(dsn)
    for device, street in STREETS.items():
        await connection.execute("UPDATE device SET street_code = $2 WHERE id = $1", device, street)
    await connection.close()
    with (
        gateway_process(place / "one.log", "small-run-1", {**settings, **mqtt}) as one,
        gateway_process(place / "two.log", "small-run-2", settings) as two,
    ):
        yield [one, two]


@asynccontextmanager
async def small_run(
    dsn: str, broker: Broker, gateways: Sequence[GatewayProcess]
) -> AsyncIterator[None]:
    """Play it; while the block runs the handsets stay connected."""
    async with AsyncExitStack() as stack:
        pool = await open_pool(dsn, size=2)
        stack.push_async_callback(pool.close)
        addresses = [("127.0.0.1", gateway.tcp_port) for gateway in gateways]
        one = await stack.enter_async_context(greeted(addresses[0], 1))
        two = await stack.enter_async_context(greeted(addresses[1], 2))
        await _send_over_tcp(one)
        await _send_over_tcp(two)
        async with greeted(addresses[0], 3) as third:
            await _send_over_tcp(third)
            await third.send(Goodbye(GoodbyeReason.NORMAL))
            await third.expect_end()
        four = await stack.enter_async_context(mqtt_device(broker, 4))
        await _send_over_mqtt(four)
        await _do_tasks(pool, one)
        await until_rows(pool, STORED, "SELECT sum(reports)::int FROM sms_avoided")
        await until_rows(pool, STORED, "SELECT sum(reports)::int FROM report_count")
        await until_rows(pool, len(STREETS), "SELECT count(DISTINCT device_id)::int FROM traffic")
        await until_rows(pool, True, "SELECT count(*) > 0 FROM presence")
        # The gateways' own do this every few minutes: too late for a test.
        await bills_of(COST, pool).refresh()
        await budgets_of(COST, pool).check()
        yield


async def until_rows(pool: asyncpg.Pool, expected: object, query: str) -> None:
    """Wait until a query answers this."""
    found = None
    try:
        async with asyncio.timeout(SETTLED_WITHIN_SECONDS):
            while (found := await pool.fetchval(query)) != expected:  # noqa: ASYNC110 -- of others
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"{query}: {found}, not {expected}") from None


async def _send_over_tcp(client: DeviceClient) -> None:
    """Reports, one of them again, and one of an unknown class."""
    reports = reports_of(client.device)
    await client.send(*reports)
    await client.expect_acks_of(*range(1, REPORTS + 1))
    await client.send(reports[0], report_of(client.device, REPORTS + 1, class_code=9_999))
    await _hear(client.receive, Refusal)


async def _send_over_mqtt(device: MqttDevice) -> None:
    await device.greet()
    await _hear(device.receive, Welcome)
    for report in reports_of(device.device):
        await device.publish(report)


async def _do_tasks(pool: asyncpg.Pool, client: DeviceClient) -> None:
    """One task is answered, one waits for a device that is not there."""
    tasks = Tasks(pool, retry_seconds=60)
    await tasks.settle(
        [build_request("small-run-1"), build_request("small-run-2", to={"device": 3})]
    )
    task = await _hear(client.receive, Task)
    await client.send(TaskNoted(task.task))
    await until_rows(pool, 1, "SELECT count(*)::int FROM task WHERE state = 'received'")
    await client.send(TaskAnswer(task.task, Answer.EXISTS, int(time.time()), "在"))
    await _hear(client.receive, TaskReceipt)


async def _hear(receive: Callable[[], Any], kind: type[Message]) -> Any:
    """The next message of a kind; others are passed by."""
    async with asyncio.timeout(SETTLED_WITHIN_SECONDS):
        while True:
            message = await receive()
            assert message is not None, "the connection ended"
            if isinstance(message, kind):
                return message
