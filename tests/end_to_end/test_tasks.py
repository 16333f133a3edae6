"""The life of a task between workflow service, gateway and handset, over either transport."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiomqtt
import pytest
import pytest_asyncio

from gateway.protocol import topics
from gateway.protocol.errors import RefusalCode, Resend
from gateway.protocol.messages import Goodbye, Ping, Pong, Refusal
from gateway.protocol.task_messages import (
    Answer,
    Noted,
    Receipt,
    Task,
    TaskAnswer,
    TaskNoted,
    TaskReceipt,
    TaskWithdrawal,
    Withdrawal,
)
from gateway.task_request import Cancellation
from tests.helpers.brokers import Broker
from tests.helpers.device_client import greeted
from tests.helpers.fault_proxy import fault_proxy
from tests.helpers.served_gateway import Look, register, served_gateway
from tests.helpers.task_requests import ahead, build_request, request_body
from tests.helpers.task_world import World, mqtt_settings, until_ready

pytestmark = pytest.mark.asyncio

SOON: dict[str, Any] = {"tasks": {"poll_seconds": 0.05}}
"""A gateway that looks often, so that tests need not wait."""

AT = 1_700_000_000


@pytest_asyncio.fixture(params=["tcp", "mqtt"])
async def world(request: pytest.FixtureRequest, database_dsn: str) -> AsyncIterator[World]:
    """A gateway with devices 1 to 3, which use each transport in turn."""
    await register(database_dsn)
    sections, broker = dict(SOON), None
    if request.param == "mqtt":
        broker = request.getfixturevalue("nats_broker")
        sections["mqtt"] = mqtt_settings(broker)
    async with served_gateway(database_dsn, uuid.uuid4().hex, **sections) as gateway:
        await until_ready(gateway)
        yield World(database_dsn, gateway, broker)


async def test_the_life_of_a_task(world: World) -> None:
    """Asked, sent, received, answered, receipted; the answer again gets the receipt again."""
    async with world.handset() as handset:
        await world.ask(build_request())
        task = await handset.hear(Task)
        await handset.tell(TaskNoted(task.task))
        await world.until_states("received")
        for _ in range(2):
            await handset.tell(TaskAnswer(task.task, Answer.EXISTS, AT, "井盖缺失"))
            assert await handset.hear(TaskReceipt) == TaskReceipt(task.task, Receipt.ACCEPTED)
    assert await world.changes() == ["queued", "sent", "received", "answered"]
    assert await world.look.rows("SELECT answer, answer_text FROM task_readable") == [
        ("exists", "井盖缺失")
    ]


async def test_a_notice_ends_when_it_is_received(world: World) -> None:
    """Nothing is answered."""
    async with world.handset() as handset:
        await world.ask(build_request(kind="notice"))
        await handset.tell(TaskNoted((await handset.hear(Task)).task))
        await world.until_states("received")
        await world.let_all_be_past()
        await handset.tell(Ping())
        await handset.hear(Pong)
    assert await world.states() == ["received"]


async def test_a_task_waits_for_its_device(world: World) -> None:
    """Asked while nobody is here; it comes after the welcome, and to nobody else."""
    await world.ask(build_request())
    async with world.handset(2) as other:
        async with world.handset() as handset:
            await handset.hear(Task)
        await other.tell(Ping())
        await other.hear(Pong)


async def test_not_before_its_time(world: World) -> None:
    """Then without being asked again."""
    async with world.handset() as handset:
        await world.ask(build_request(not_before=ahead(3_000)))
        await handset.tell(Ping())
        await handset.hear(Pong)
        assert await world.states() == ["queued"]
        await world.look.rows("UPDATE task SET next_try_at = now()")
        await handset.hear(Task)


async def test_again_until_it_is_noted(world: World) -> None:
    """After the retry time, the same task."""
    async with world.handset() as handset:
        await world.ask(build_request())
        first = await handset.hear(Task)
        await world.look.rows("UPDATE task SET next_try_at = now()")
        assert await handset.hear(Task) == first
        await handset.tell(TaskNoted(first.task))
        await world.until_states("received")
        assert await world.look.rows("SELECT attempts, next_try_at FROM task") == [(2, None)]


async def test_never_after_its_expiry(world: World) -> None:
    """What has expired while the device was away is not delivered."""
    await world.ask(build_request())
    await world.let_all_be_past()
    async with world.handset() as handset:
        await world.until_states("expired")
        await handset.tell(Ping())
        await handset.hear(Pong)


async def test_cancelled_before_delivery(world: World) -> None:
    """Nothing is sent at all."""
    await world.ask(build_request())
    await world.ask(Cancellation(id="r1"))
    async with world.handset() as handset:
        await handset.tell(Ping())
        await handset.hear(Pong)
    assert await world.changes() == ["queued", "cancelled"]


async def test_cancelled_after_delivery(world: World) -> None:
    """The handset is told, again at its next greeting, until it has noted that."""
    async with world.handset() as handset:
        await world.ask(build_request())
        await handset.tell(TaskNoted((await handset.hear(Task)).task))
        await world.until_states("received")
        await world.ask(Cancellation(id="r1"))
        assert await handset.hear(TaskWithdrawal) == TaskWithdrawal(1, Withdrawal.CANCELLED)
    async with world.handset() as handset:
        await handset.hear(TaskWithdrawal)
        await handset.tell(TaskNoted(1, Noted.WITHDRAWN))
        await handset.tell(TaskAnswer(1, Answer.ABSENT, AT))
        assert await handset.hear(TaskReceipt) == TaskReceipt(1, Receipt.LATE)
    assert await world.look.rows(
        "SELECT next_try_at, withdrawal_noted_at IS NOT NULL FROM task"
    ) == [(None, True)]


async def test_superseded(world: World) -> None:
    """The old one is withdrawn, the new one comes."""
    async with world.handset() as handset:
        await world.ask(build_request())
        await handset.tell(TaskNoted((await handset.hear(Task)).task))
        await world.until_states("received")
        await world.ask(build_request("r2", supersedes="r1"))
        assert await handset.hear(TaskWithdrawal) == TaskWithdrawal(1, Withdrawal.SUPERSEDED)
        assert (await handset.hear(Task)).task == 2


async def test_a_late_answer(world: World) -> None:
    """It is kept with the task, which stays as it was; once, however often it is sent."""
    async with world.handset() as handset:
        await world.ask(build_request())
        await handset.tell(TaskNoted((await handset.hear(Task)).task))
        await world.until_states("received")
        await world.let_all_be_past()
        await world.until_states("expired")
        for _ in range(2):
            await handset.tell(TaskAnswer(1, Answer.EXISTS, AT, "晚了"))
            assert await handset.hear(TaskReceipt) == TaskReceipt(1, Receipt.LATE)
    late = await world.look.rows(
        "SELECT previous, state, answer, answer_text FROM task_change WHERE late_answer"
    )
    assert late == [("expired", "expired", "exists", "晚了")]


@pytest.mark.parametrize(
    "answer, code",
    [
        (TaskAnswer(2, Answer.EXISTS, AT), RefusalCode.UNKNOWN_TASK),
        (TaskAnswer(99, Answer.EXISTS, AT), RefusalCode.UNKNOWN_TASK),
        (TaskAnswer(1, Answer.PASSED, AT), RefusalCode.BAD_ANSWER),
        (TaskAnswer(1, 77, AT), RefusalCode.BAD_ANSWER),
        (TaskAnswer(1, Answer.EXISTS, AT, "a\x00b"), RefusalCode.BAD_ANSWER),
    ],
    ids=["of another", "of nobody", "unsuitable", "undefined", "bad text"],
)
async def test_an_answer_that_is_not_accepted(
    world: World, answer: TaskAnswer, code: RefusalCode
) -> None:
    """Kept in quarantine, refused with its reason, receipted by its task's number; the task is as
    it was.
    """
    async with world.handset(2), world.handset() as handset:
        await world.ask(build_request(), build_request("r2", to={"device": 2}))
        await handset.hear(Task)
        await world.until_states("sent", "sent")
        for _ in range(2):
            await handset.tell(answer)
            assert await handset.hear(Refusal) == Refusal(code, Resend.NEVER)
            receipt = await handset.hear(TaskReceipt)
            assert receipt == TaskReceipt(answer.task, Receipt.NOT_ACCEPTED)
    kept = await world.look.rows("SELECT device_id, sequence, code FROM quarantine_readable")
    assert kept == [(1, None, code)]
    assert await world.states() == ["sent", "sent"]


async def test_a_wiped_handset_gets_its_open_tasks_again(world: World) -> None:
    """Under its new installation, once it greets."""
    async with world.handset() as handset:
        await world.ask(build_request())
        await handset.tell(TaskNoted((await handset.hear(Task)).task))
        await world.until_states("received")
    async with world.handset(installation=2) as handset:
        await handset.tell(TaskNoted((await handset.hear(Task)).task))
        await world.until_states("received")
    assert await world.changes() == ["queued", "sent", "received", "sent", "received"]


async def test_a_device_that_moves_between_two_gateways(database_dsn: str) -> None:
    """Each task comes once, through the gateway that holds it; the answer through either."""
    await register(database_dsn)
    async with (
        served_gateway(database_dsn, "one", **SOON) as one,
        served_gateway(database_dsn, "two", **SOON) as two,
    ):
        world = World(database_dsn, one, None)
        for number, gateway in enumerate([one, two, one, two], 1):
            async with greeted(gateway.tcp) as client:
                if number > 1:
                    await client.send(TaskAnswer(number - 1, Answer.EXISTS, AT))
                    receipt = TaskReceipt(number - 1, Receipt.ACCEPTED)
                    assert await client.expect(TaskReceipt) == receipt
                await world.ask(build_request(f"r{number}"))
                assert (await client.expect(Task)).task == number
                await client.send(TaskNoted(number))
                await world.until_states(*["answered"] * (number - 1), "received")
        assert await world.look.rows("SELECT sum(attempts)::int FROM task") == [(4,)]


@pytest.mark.mosquitto
async def test_two_gateways_that_divide_a_devices_messages(
    database_dsn: str, mosquitto_broker: Broker
) -> None:
    """Over MQTT 5 either may hold the device, or both: each task comes once."""
    await register(database_dsn)
    mqtt = {**mqtt_settings(mosquitto_broker), "version": "5", "shared_group": uuid.uuid4().hex}
    async with (
        served_gateway(database_dsn, uuid.uuid4().hex, mqtt=mqtt, **SOON) as one,
        served_gateway(database_dsn, uuid.uuid4().hex, mqtt=mqtt, **SOON) as two,
    ):
        await until_ready(one)
        await until_ready(two)
        world = World(database_dsn, one, mosquitto_broker)
        async with world.handset() as handset:
            for number in range(1, 11):
                await world.ask(build_request(f"r{number}"))
                assert (await handset.hear(Task)).task == number
                await handset.tell(TaskNoted(number))
                await handset.tell(TaskAnswer(number, Answer.EXISTS, AT))
                receipt = TaskReceipt(number, Receipt.ACCEPTED)
                assert await handset.hear(TaskReceipt) == receipt
        assert await world.states() == ["answered"] * 10
        assert await world.look.rows("SELECT sum(attempts)::int FROM task") == [(10,)]


async def test_an_answer_before_the_end_is_receipted(database_dsn: str) -> None:
    """The desk is drained before the goodbye."""
    await register(database_dsn)
    async with served_gateway(database_dsn, **SOON) as gateway, greeted(gateway.tcp) as client:
        await World(database_dsn, gateway, None).ask(build_request())
        await client.expect(Task)
        await client.send(TaskAnswer(1, Answer.EXISTS, AT), TaskAnswer(9, Answer.EXISTS, AT))
        await client.send(Ping())
        kinds = [type(await client.receive())]
        gateway.stop.set()
        while kinds[-1] is not Goodbye:
            kinds.append(type(await client.receive()))
    assert kinds.count(TaskReceipt) == 2
    assert kinds[-3:] == [Refusal, TaskReceipt, Goodbye]


async def test_a_street_and_all(database_dsn: str) -> None:
    """One task for each device, not for those that are revoked."""
    await register(database_dsn, (1, 2, 3, 4))
    look = Look(database_dsn)
    await look.rows("UPDATE device SET street_code = 440307003 WHERE id IN (1, 2, 4)")
    await look.rows("UPDATE device SET revoked_at = now() WHERE id = 4")
    async with served_gateway(database_dsn, **SOON) as gateway:
        world = World(database_dsn, gateway, None)
        clients = [greeted(gateway.tcp, device) for device in (1, 2, 3)]
        async with clients[0] as first, clients[1] as second, clients[2] as third:
            await world.ask(build_request(to={"street": "440307003"}))
            await world.ask(build_request("r2", to={"all": True}))
            for client, numbers in ((first, [1, 3]), (second, [2, 4]), (third, [5])):
                assert [(await client.expect(Task)).task for _ in numbers] == numbers


async def test_an_answer_is_receipted_after_the_commit(database_dsn: str) -> None:
    """While the database is away there is no receipt; then there is."""
    await register(database_dsn)
    async with fault_proxy(database_dsn) as proxy:
        dsn = proxy.dsn(database_dsn)
        async with served_gateway(dsn, **SOON) as gateway, greeted(gateway.tcp) as client:
            world = World(database_dsn, gateway, None)
            await world.ask(build_request())
            await client.expect(Task)
            proxy.cut()
            await client.send(TaskAnswer(1, Answer.EXISTS, AT), Ping())
            await client.expect(Pong)
            assert await world.states() == ["sent"]
            proxy.flow()
            assert await client.expect(TaskReceipt) == TaskReceipt(1, Receipt.ACCEPTED)
            assert await world.states() == ["answered"]


@asynccontextmanager
async def workflow_service(broker: Broker) -> AsyncIterator[aiomqtt.Client]:
    """Connected to the broker."""
    async with aiomqtt.Client(
        broker.host, broker.gateway_port, protocol=aiomqtt.ProtocolVersion.V311
    ) as client:
        yield client


async def test_a_workflow_service_asks_over_the_broker(database_dsn: str, broker: Broker) -> None:
    """Request, repetition, what is refused, and a cancellation, each with its verdict."""
    await register(database_dsn)
    mqtt = {**mqtt_settings(broker), "version": "auto", "shared_group": uuid.uuid4().hex}
    async with (
        served_gateway(database_dsn, uuid.uuid4().hex, mqtt=mqtt, **SOON) as gateway,
        workflow_service(broker) as service,
        greeted(gateway.tcp) as client,
    ):
        look = Look(database_dsn)

        async def verdicts(count: int) -> list[tuple[Any, ...]]:
            query = "SELECT request, action, accepted, repeated, tasks, reason FROM task_verdict"
            async with asyncio.timeout(20):
                while len(rows := await look.rows(f"{query} ORDER BY id")) < count:
                    pass
            return rows

        await until_ready(gateway)
        body = request_body("r1")
        for content in (body, body, request_body("r1", text="other"), b'{"id": "r2"}'):
            await service.publish(topics.TASK_REQUEST, content, qos=1)
        await client.expect(Task)
        await service.publish(topics.TASK_CANCEL, b'{"id": "r1", "reason": "solved"}', qos=1)
        await client.expect(TaskWithdrawal)
        assert await verdicts(5) == [
            ("r1", "request", True, False, 1, None),
            ("r1", "request", True, True, 0, None),
            ("r1", "request", False, False, 0, "id: r1 was used before, with other content"),
            ("r2", "request", False, False, 0, "Object missing required field `kind`"),
            ("r1", "cancel", True, False, 1, None),
        ]


async def test_tasks_do_not_count_in_the_ledger(world: World) -> None:
    """Only what goes to quarantine does."""
    async with world.handset() as handset:
        await world.ask(build_request())
        task = await handset.hear(Task)
        await handset.tell(TaskNoted(task.task))
        await handset.tell(TaskAnswer(task.task, Answer.EXISTS, AT))
        await handset.hear(TaskReceipt)
        await handset.tell(TaskAnswer(99, Answer.EXISTS, AT))
        await handset.hear(Refusal)
        await handset.hear(TaskReceipt)
    assert await world.look.ledger() == [(1, 0, 0, 1, 0)]
