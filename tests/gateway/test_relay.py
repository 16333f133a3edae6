"""The relay with a real database and real brokers: what is committed is published, in order."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import asyncpg
import pytest

from gateway.parcel import Parcel, Transport
from gateway.protocol.report import Urgency
from gateway.protocol.wire_report import pack_backlog, pack_report
from gateway.publications import Publications
from gateway.publisher import Publisher
from gateway.reference import load_reference
from gateway.relay import Relay
from gateway.settings import MqttSettings, RelaySettings
from gateway.store import PostgresStore, open_pool
from tests.helpers.brokers import Broker
from tests.helpers.builders import EDITION_2007, build_report, build_reports
from tests.helpers.device_client import greeted
from tests.helpers.event_collector import Collector, Event, assert_in_order, collector
from tests.helpers.metrics import grown
from tests.helpers.served_gateway import Look, register, served_gateway
from tests.helpers.tcp_gateway import until

pytestmark = pytest.mark.asyncio

STORED = "field-gateway.report.stored.v1"
QUARANTINED = "field-gateway.report.quarantined.v1"

_numbers = itertools.count()


@pytest.fixture
def name() -> str:
    """A name of its own for each gateway: brokers and their sessions are shared."""
    return f"relay-{next(_numbers)}"


def mqtt_of(broker: Broker) -> dict[str, object]:
    """Settings of a gateway at this broker, in a group of its own: a member that is gone would keep
    its share of what other tests send.
    """
    address = {"host": broker.host, "port": broker.gateway_port}
    return {"enabled": True, "shared_group": f"relay-test-{next(_numbers)}", **address}


def parcel_of(first: int, count: int, **changes: object) -> Parcel:
    """A parcel with new reports of device 1."""
    reports = build_reports(count, first, **changes)
    return Parcel(1, 1, Transport.TCP, b"", reports)


class Bench:
    """A store and relays on one database, without a gateway around them."""

    def __init__(self, dsn: str, pool: asyncpg.Pool, broker: Broker, name: str) -> None:
        self.store = PostgresStore(pool, gateway="bench")
        self.publications = Publications(pool)
        self.is_busy = False
        self._dsn = dsn
        self._broker = broker
        self._name = name

    @asynccontextmanager
    async def relay(self, *, is_counted: bool = True, **settings: float) -> AsyncIterator[Relay]:
        """A relay that runs while the block lasts."""
        mqtt = MqttSettings(enabled=True, host=self._broker.host, port=self._broker.gateway_port)
        publisher = Publisher(mqtt, f"{self._name}-{next(_numbers)}")
        relay = Relay(
            RelaySettings(**{"poll_seconds": 0.02, **settings}),  # type: ignore[arg-type] # of numbers
            self._dsn,
            self.publications,
            publisher,
            load_reference(),
            lambda: self.is_busy,
            is_counted=is_counted,
        )
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(publisher.run()), tasks.create_task(relay.run())]
            yield relay
            for task in running:
                task.cancel()

    async def until_idle(self) -> None:
        """Wait until nothing waits to be published."""
        async with asyncio.timeout(30):
            while (await self.publications.state()).publications_waiting:  # noqa: ASYNC110 -- a row
                await asyncio.sleep(0.01)


@asynccontextmanager
async def bench_of(dsn: str, broker: Broker, name: str) -> AsyncIterator[tuple[Bench, Collector]]:
    """A bench, and a subscriber at its broker."""
    pool = await open_pool(dsn, size=6)
    try:
        async with collector(broker, f"{name}-subscriber") as collected:
            yield Bench(dsn, pool, broker, name), collected
    finally:
        pool.terminate()


def sees(collected: Collector, reports: int) -> Callable[[], bool]:
    """Whether so many distinct reports have come."""
    return lambda: len(collected.reports()) >= reports


def reports_of(collected: Collector) -> list[tuple[str, Event]]:
    """All events of reports that came, repetitions included."""
    return [(topic, event) for topic, event in collected.all if event["type"] == STORED]


async def test_each_stored_report_is_published_once_in_order(
    database_dsn: str, broker: Broker, name: str
) -> None:
    """A backlog of 200 and a single report: the subscriber's set is the table's."""
    await register(database_dsn)
    async with (
        collector(broker, f"{name}-subscriber") as collected,
        served_gateway(database_dsn, name, mqtt=mqtt_of(broker)) as gateway,
        greeted(gateway.tcp) as device,
    ):
        await device.send(pack_backlog(build_reports(200), EDITION_2007))
        await device.expect_acks_of(*range(1, 201))
        await device.send(pack_report(build_report(sequence=201), EDITION_2007))
        await device.expect_acks_of(201)
        await device.send(pack_report(build_report(sequence=201), EDITION_2007))
        await device.expect_acks_of(201)
        await collected.until(sees(collected, 201))
    assert collected.reports() == set(await Look(database_dsn).reports())
    assert_in_order(collected.firsts(STORED))
    assert len(collected.firsts(STORED)) == 201


async def test_what_goes_to_quarantine_is_published(
    database_dsn: str, broker: Broker, name: str
) -> None:
    """With its reason, behind the reports that were stored with it, under the device's subject."""
    await register(database_dsn)
    async with (
        collector(broker, f"{name}-subscriber") as collected,
        served_gateway(database_dsn, name, mqtt=mqtt_of(broker)) as gateway,
        greeted(gateway.tcp) as device,
    ):
        good, bad = build_report(sequence=1), build_report(sequence=2, class_code=999)
        await device.send(pack_backlog([good, bad], EDITION_2007))
        await collected.until(lambda: bool(collected.firsts(QUARANTINED)))
    (event,) = collected.firsts(QUARANTINED)
    assert (event["data"]["sequence"], event["data"]["reason"]) == (2, "unknown_class")
    assert_in_order(collected.firsts(STORED) + collected.firsts(QUARANTINED))


async def test_an_emergency_does_not_wait_for_the_backlog(
    database_dsn: str, nats_broker: Broker, name: str
) -> None:
    """It is on its own topic while two thousand others wait, and again among them in its turn."""
    async with bench_of(database_dsn, nats_broker, name) as (bench, collected):
        bench.is_busy = True
        await bench.store.write([parcel_of(1, 2_000)])
        async with bench.relay(busy_events_per_second=50) as relay:
            await collected.until(sees(collected, 1))
            urgent = parcel_of(2_001, 1, urgency=Urgency.EMERGENCY)
            await bench.store.write([urgent])
            await collected.until(lambda: any("/emergency/" in t for t, _ in collected.all))
            assert len(collected.reports()) < 1_000
            bench.is_busy = False
            await relay.drain(30)
        await collected.until(sees(collected, 2_001))
        (hurried,) = [event for topic, event in collected.all if "/emergency/" in topic]
        (in_turn,) = [e for e in collected.firsts(STORED) if e["data"]["sequence"] == 2_001]
        assert hurried == in_turn
        assert_in_order(collected.firsts(STORED))


async def test_emergencies_of_a_backlog_go_before_all_reports(
    database_dsn: str, nats_broker: Broker, name: str
) -> None:
    """They are on their own topic while the reports that came with them still wait."""
    async with bench_of(database_dsn, nats_broker, name) as (bench, collected):
        bench.is_busy = True
        urgent = build_report(sequence=1_001, urgency=Urgency.EMERGENCY)
        await bench.store.write([parcel_of(1, 1_000), Parcel(1, 1, Transport.TCP, b"", [urgent])])
        async with bench.relay(busy_events_per_second=100) as relay:
            await collected.until(lambda: any("/emergency/" in t for t, _ in collected.all))
            assert len(collected.reports()) < 500
            bench.is_busy = False
            await relay.drain(30)
        await collected.until(sees(collected, 1_001))


async def test_a_transaction_that_commits_late_is_found(
    database_dsn: str, nats_broker: Broker, name: str
) -> None:
    """Its number in the table is lower than that of what was published long before it."""
    async with bench_of(database_dsn, nats_broker, name) as (bench, collected):
        late = await asyncpg.connect(database_dsn)
        transaction = late.transaction()
        await transaction.start()
        await late.execute("INSERT INTO publication DEFAULT VALUES")
        await bench.store.write([parcel_of(1, 3)])
        async with bench.relay():
            await collected.until(sees(collected, 3))
            await transaction.commit()
            await bench.until_idle()
        await late.close()
        rows = await Look(database_dsn).rows("SELECT id, position FROM publication ORDER BY id")
        assert rows == [(1, 2), (2, 1)]


async def test_what_was_published_and_not_marked_is_published_once_more(
    database_dsn: str, nats_broker: Broker, name: str
) -> None:
    """With the same ids and sequences, so that a subscriber sees no difference."""
    async with bench_of(database_dsn, nats_broker, name) as (bench, collected):
        await bench.store.write([parcel_of(1, 5)])
        async with bench.relay():
            await bench.until_idle()
            before = await Look(database_dsn).rows(
                "UPDATE publication SET delivered_at = NULL RETURNING position"
            )
            await collected.until(lambda: len(reports_of(collected)) >= 10)
        events = reports_of(collected)
        assert events[:5] == events[5:]
        assert len(collected.firsts(STORED)) == 5
        assert before == [(1,)]


async def test_two_relays_one_leads_and_the_other_follows_it(
    database_dsn: str, nats_broker: Broker, name: str
) -> None:
    """When the one that leads ends in the middle, the other goes on; nothing is left out."""
    async with bench_of(database_dsn, nats_broker, name) as (bench, collected):
        bench.is_busy = True
        for number in range(20):
            await bench.store.write([parcel_of(1 + 100 * number, 100)])
        async with bench.relay(busy_events_per_second=2_000):
            await collected.until(sees(collected, 300))
            async with bench.relay(busy_events_per_second=2_000):
                leaders = await Look(database_dsn).rows(
                    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
                )
                assert leaders == [(1,)]
                killed = await Look(database_dsn).rows(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks"
                    " WHERE locktype = 'advisory' AND granted"
                )
                assert killed == [(True,)]
                await collected.until(sees(collected, 2_000))
        assert_in_order(collected.firsts(STORED))


async def test_a_broker_that_was_away_gets_everything(
    database_dsn: str, own_broker: Broker, name: str
) -> None:
    """Reports come over TCP while it is stopped; they are published when it is back."""
    await register(database_dsn)
    async with (
        collector(own_broker, f"{name}-subscriber") as collected,
        served_gateway(database_dsn, name, mqtt=mqtt_of(own_broker)) as gateway,
        greeted(gateway.tcp) as device,
    ):
        await device.send(pack_report(build_report(sequence=1), EDITION_2007))
        await collected.until(sees(collected, 1))
        await asyncio.to_thread(own_broker.stop)
        await device.send(pack_backlog(build_reports(100, 2), EDITION_2007))
        await device.expect_acks_of(*range(2, 102))
        await asyncio.to_thread(own_broker.start)
        await collected.until(sees(collected, 101))
    assert collected.reports() == set(await Look(database_dsn).reports())
    assert_in_order(collected.firsts(STORED))


async def test_a_bug_of_ours_costs_no_report(
    database_dsn: str, nats_broker: Broker, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The relay says so and tries again; when the bug is gone everything is published."""
    failures = grown("gateway_relay_failures_total")

    def fail(_self: object, _row: object, _sequence: str) -> None:
        raise ZeroDivisionError

    async with bench_of(database_dsn, nats_broker, name) as (bench, collected):
        await bench.store.write([parcel_of(1, 5)])
        with monkeypatch.context() as patched:
            patched.setattr("gateway.relay.EventMaker.report", fail)
            async with bench.relay():
                await until(lambda: failures() >= 2)
                patched.undo()
                await collected.until(sees(collected, 5))


async def test_a_bug_in_one_loop_stops_no_other(
    database_dsn: str, nats_broker: Broker, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While no report can be published, emergencies still are."""

    def fail(_self: object, _row: object, _sequence: str) -> None:
        raise ZeroDivisionError

    failures = grown("gateway_relay_failures_total")
    monkeypatch.setattr("gateway.relay.EventMaker.report", fail)
    async with bench_of(database_dsn, nats_broker, name) as (bench, collected), bench.relay():
        await bench.store.write([parcel_of(1, 5)])
        await until(lambda: failures() >= 1)
        await bench.store.write([parcel_of(6, 1, urgency=Urgency.EMERGENCY)])
        await collected.until(lambda: any("/emergency/" in topic for topic, _ in collected.all))
    assert not collected.reports()


@pytest.mark.parametrize("counts", [True, False])
async def test_notes_of_what_was_delivered_long_ago_are_forgotten(
    database_dsn: str,
    nats_broker: Broker,
    name: str,
    counts: bool,  # noqa: FBT001 -- a table
) -> None:
    """The reports stay; notes that are not delivered stay too. Where reports are counted it has to
    be counted; where they are not it is never.
    """
    async with bench_of(database_dsn, nats_broker, name) as (bench, _):
        await bench.store.write([parcel_of(1, 1)])
        await bench.store.write([parcel_of(2, 1)])
        await Look(database_dsn).rows(
            f"UPDATE publication SET position = 1, is_counted = {counts},"
            " delivered_at = now() - interval '31 days'"
            " WHERE id = 1 RETURNING id"
        )
        async with bench.relay(is_counted=counts, keep_days=30):
            await bench.until_idle()
            async with asyncio.timeout(30):
                while (await ids(database_dsn)) != [2]:  # noqa: ASYNC110 -- a fact of the database
                    await asyncio.sleep(0.01)
        assert len(await Look(database_dsn).reports()) == 2


async def ids(dsn: str) -> Sequence[int]:
    """Publications in the table."""
    return [row[0] for row in await Look(dsn).rows("SELECT id FROM publication ORDER BY id")]
