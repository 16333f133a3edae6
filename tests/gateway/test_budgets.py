"""Budgets on a real database: warnings reckoned by hand, and heard by a real subscriber."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from gateway import budgets
from gateway.budgets import Budgets, budgets_of
from gateway.cost.budget import Sums
from gateway.cost.china import day_of
from gateway.cost.tariff import MAX_PRICE, DataPrices, Tariff
from gateway.events import BUDGET_WARNING
from gateway.price_lists import find_tariff
from gateway.settings import CostSettings
from gateway.store import open_pool
from tests.helpers.brokers import Broker
from tests.helpers.event_collector import collector
from tests.helpers.fault_proxy import fault_proxy
from tests.helpers.metrics import grown, value_of
from tests.helpers.served_gateway import register, served_gateway

pytestmark = pytest.mark.asyncio

MIB = 1_048_576

NOW = int(datetime(2026, 4, 15, 16, tzinfo=UTC).timestamp())
"""The first half of April has passed in China."""

_numbers = itertools.count()


def plan(**changes: Any) -> Tariff:
    """20.00 a month with 10 MiB, 0.01 for each further KiB."""
    prices = {
        "fee": Decimal(20),
        "allowance_bytes": 10 * MIB,
        "price": Decimal("0.01"),
        "unit_bytes": 1024,
        **changes,
    }
    return Tariff(
        id="plan",
        name="Plan",
        currency="CNY",
        source="by hand",
        assumption=False,
        data=DataPrices(**prices),
    )


@pytest_asyncio.fixture
async def pool(database_dsn: str) -> AsyncIterator[asyncpg.Pool]:
    """Connections to a database of the test's own."""
    pool = await open_pool(database_dsn, size=4)
    yield pool
    pool.terminate()


def under_test(
    pool: asyncpg.Pool,
    device: str | None = None,
    total: str | None = None,
    *,
    tariff: Tariff | None = None,
    now: int = NOW,
) -> Budgets:
    """With these budgets."""
    settings = CostSettings(
        device_budget=None if device is None else Decimal(device),
        total_budget=None if total is None else Decimal(total),
    )
    return Budgets(settings, tariff or plan(), pool, lambda: now)


async def carry(pool: asyncpg.Pool, device: int, day: date, up: int, down: int = 0) -> None:
    """Let a link have carried so much."""
    await pool.execute(
        "INSERT INTO traffic VALUES ($1, $2, $3, 0, 0, 0, 1, $4, 'tcp')",
        device,
        up,
        down,
        day,
    )


async def carry_april(pool: asyncpg.Pool) -> None:
    """Device 1 will be 6 MiB over its allowance, device 2 will not; other months do not count."""
    await carry(pool, 1, date(2026, 4, 2), 6 * MIB, MIB)
    await carry(pool, 1, date(2026, 4, 9), MIB)
    await carry(pool, 2, date(2026, 4, 9), 4 * MIB)
    await carry(pool, 3, date(2026, 3, 31), 900 * MIB)
    await carry(pool, 3, date(2026, 5, 1), 900 * MIB)


async def warnings(pool: asyncpg.Pool) -> list[tuple[Any, ...]]:
    """What was warned of."""
    rows = await pool.fetch(
        "SELECT device_id, month, budget, spent, projected, currency, tariff FROM budget_warning"
        " ORDER BY device_id NULLS FIRST"
    )
    return [tuple(row) for row in rows]


APRIL = date(2026, 4, 1)


async def test_a_month_reckoned_by_hand(pool: asyncpg.Pool) -> None:
    """After half of April 8 MiB are within the allowance; 16 will be 6144 KiB over it: 61.44."""
    await carry_april(pool)
    outlook = await under_test(pool, "50", "100").check()
    assert outlook.together == Sums(Decimal("40.00"), Decimal("101.44"))
    assert await warnings(pool) == [
        (None, APRIL, Decimal(100), Decimal(40), Decimal("101.44"), "CNY", "plan"),
        (1, APRIL, Decimal(50), Decimal(20), Decimal("81.44"), "CNY", "plan"),
    ]
    assert value_of("gateway_budget_spent") == 40
    assert value_of("gateway_budget_projected") == 101.44
    assert value_of("gateway_budget_allowed") == 100
    assert value_of("gateway_budget_exceeding_devices") == 1


async def test_each_is_warned_of_once_a_month(pool: asyncpg.Pool) -> None:
    """However often it is calculated, by however many gateways; the next month anew."""
    await carry_april(pool)
    new = grown("gateway_budget_warnings_total")
    await asyncio.gather(*(under_test(pool, "50", "100").check() for _ in range(4)))
    await under_test(pool, "45", "90").check()
    assert len(await warnings(pool)) == 2
    assert new() == 2
    await under_test(pool, "50", now=NOW + 30 * 86_400).check()
    assert [(device, month) for device, month, *_ in await warnings(pool)] == [
        (None, APRIL),
        (1, APRIL),
        (3, date(2026, 5, 1)),
    ]


async def test_warnings_are_left_to_the_relay(pool: asyncpg.Pool) -> None:
    """Those of one calculation together, and no id is used up by what is known."""
    await carry_april(pool)
    await under_test(pool, "10").check()
    await under_test(pool, "10").check()
    await carry(pool, 4, date(2026, 4, 3), MIB)
    await under_test(pool, "10").check()
    rows = await pool.fetch("SELECT budget_warning_id FROM publication ORDER BY id")
    assert [row[0] for row in rows] == [[1, 2], [3]]


async def test_the_dearest_tariff(pool: asyncpg.Pool) -> None:
    """A slip in a price: every sum that a valid tariff comes to is warned of."""
    await carry(pool, 1, date(2026, 4, 2), 10**15)
    dearest = plan(price=Decimal(MAX_PRICE), unit_bytes=1, allowance_bytes=0)
    await under_test(pool, "1", tariff=dearest).check()
    ((device, *_, spent, projected, _, _),) = await warnings(pool)
    assert (device, spent) == (1, 20 + Decimal(10**21))
    assert projected == 20 + Decimal(2 * 10**21)


async def test_without_budgets(pool: asyncpg.Pool) -> None:
    """The sums are told all the same, and nobody is warned."""
    await carry_april(pool)
    outlook = await under_test(pool).check()
    assert outlook.together.projected == Decimal("101.44")
    assert value_of("gateway_budget_allowed") == 0
    assert await warnings(pool) == []


async def test_a_tariff_that_rounds_each_day(pool: asyncpg.Pool) -> None:
    """Two days with a begun unit each are two units; the sums of the month would be one."""
    tariff = plan(
        fee=Decimal(0), allowance_bytes=0, unit_bytes=MIB, price=Decimal(1), rounding="day"
    )
    for day in (2, 3):
        await carry(pool, 1, date(2026, 4, day), MIB // 4)
    outlook = await under_test(pool, tariff=tariff).check()
    assert outlook.together == Sums(Decimal("2.00"), Decimal("4.00"))


async def test_more_devices_than_are_read_at_once(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All are calculated."""
    monkeypatch.setattr(budgets, "READ_AT_ONCE", 10)
    for device in range(1, 32):
        await carry(pool, device, date(2026, 4, 2), 1)
    assert len((await under_test(pool).check()).devices) == 31


async def test_a_tariff_for_sms_is_a_mistake(pool: asyncpg.Pool) -> None:
    """The settings refuse it before."""
    with pytest.raises(ValueError, match="no tariff for data"):
        under_test(pool, tariff=find_tariff("sms-2006"))


async def until_true(condition: Callable[[], bool]) -> None:
    """Wait until something has happened."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 -- a metric or a log
            await asyncio.sleep(0.01)


async def test_it_goes_on_by_itself(
    pool: asyncpg.Pool, database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calculates again after a rest, when the database is back, and after a bug."""
    monkeypatch.setattr(budgets, "REST_SECONDS", 0.01)
    monkeypatch.setattr(budgets, "REST_FACTOR", 0)
    bug = {"is_there": True}

    def clock() -> float:
        if bug["is_there"]:
            raise ZeroDivisionError("a bug")
        return NOW

    new = grown("gateway_budget_warnings_total")
    failures = grown("gateway_budget_failures_total")
    async with fault_proxy(database_dsn) as proxy:
        far = await open_pool(proxy.dsn(database_dsn), size=1)
        settings = CostSettings(device_budget=Decimal(50))
        with capture_logs() as logs:
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(Budgets(settings, plan(), far, clock).run())
                await until_true(lambda: failures() > 0)
                proxy.cut()
                bug["is_there"] = False
                await until_true(lambda: any(x["event"] == "budgets_paused" for x in logs))
                await carry_april(pool)
                proxy.flow()
                await until_true(lambda: new() > 0)
                running.cancel()
        far.terminate()
    assert len(await warnings(pool)) == 1


async def test_it_rests_much_longer_than_it_works(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A calculation of a tenth of a second is not repeated within many times that."""
    monkeypatch.setattr(budgets, "REST_SECONDS", 0)
    looks: list[float] = []

    class Slow(Budgets):
        async def check(self) -> Any:
            looks.append(time.monotonic())
            await asyncio.sleep(0.005)

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(Slow(CostSettings(), plan(), pool).run())
        await until_true(lambda: len(looks) == 2)
        running.cancel()
    assert looks[1] - looks[0] >= 0.005 * budgets.REST_FACTOR


async def test_a_subscriber_hears_of_it(database_dsn: str, broker: Broker) -> None:
    """From traffic in the table to the event, through a whole gateway with shipped prices."""
    await register(database_dsn)
    name = f"budget-{next(_numbers)}"
    pool = await open_pool(database_dsn, size=1)
    await carry(pool, 1, day_of(int(time.time())), 1000)
    pool.terminate()
    mqtt = {
        "enabled": True,
        "host": broker.host,
        "port": broker.gateway_port,
        "shared_group": name,
    }
    cost = {"device_budget": "19.99", "total_budget": "10"}
    async with (
        collector(broker, f"{name}-subscriber") as collected,
        served_gateway(database_dsn, name, mqtt=mqtt, cost=cost),
    ):
        await collected.until(lambda: len(collected.firsts(BUDGET_WARNING)) >= 2)
    one, all_of_them = sorted(
        (event["data"] for event in collected.firsts(BUDGET_WARNING)),
        key=lambda data: data["device"] is None,
    )
    fee = "20.00"
    assert (one["device"], one["spent"], one["projected"]) == (1, fee, fee)
    assert (one["budget"], one["currency"], one["tariff"]) == ("19.99", "CNY", "gprs-2006-plan-20")
    assert (all_of_them["device"], all_of_them["budget"]) == (None, "10.00")


async def test_the_tariff_of_the_settings(pool: asyncpg.Pool) -> None:
    """A plan without any traffic costs nothing."""
    outlook = await budgets_of(CostSettings(), pool).check()
    assert outlook.together.spent == 0
