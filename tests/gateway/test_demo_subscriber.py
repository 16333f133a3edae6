"""The demo's subscriber: what it counts, and the program against a real broker and database."""

import asyncio
import json
import signal
import sys
import uuid
from pathlib import Path

import pytest

from gateway.demo_subscriber import SUBSCRIBED, Counter, figures, stored_keys
from gateway.event_rows import EventMaker, Published
from gateway.events import sequence_of
from gateway.parcel import Parcel, Transport
from gateway.publications import Publications
from gateway.publisher import Publisher
from gateway.reference import load_reference
from gateway.runs import stretches
from gateway.settings import MqttSettings
from gateway.store import PostgresStore, open_pool
from tests.helpers.brokers import Broker
from tests.helpers.builders import build_reports

REPORTS = "fg/1/event/report/440307003/event/0203/ordinary"
EMERGENCIES = "fg/1/event/emergency/440307003/event/0203"
STORED = "field-gateway.report.stored.v1"


def body(device: int, number: int, position: int, event_type: str = STORED) -> bytes:
    """An event of a report, as far as it is counted."""
    data = {"device": device, "installation": 1, "sequence": number, "description": "…"}
    event = {
        "type": event_type,
        "subject": str(device),
        "sequence": sequence_of(position),
        "data": data,
    }
    return json.dumps(event).encode()


def test_what_is_counted() -> None:
    """Distinct reports, repetitions, emergencies, others; each device has an order of its own."""
    counter = Counter()
    counter.count(REPORTS, body(1, 1, 10))
    counter.count(REPORTS, body(2, 1, 5))
    counter.count(REPORTS, body(1, 2, 11))
    counter.count(REPORTS, body(1, 1, 10))
    counter.count(EMERGENCIES, body(1, 3, 12))
    counter.count(REPORTS, body(1, 3, 12))
    counter.count("fg/1/event/device/1", b"{}")
    counter.count(REPORTS, body(1, 4, 13, "field-gateway.report.stored.v2"))
    stored = {(1, 1, 1), (1, 1, 2), (1, 1, 3), (2, 1, 1)}
    assert figures(counter, stored) == {
        "distinct": 4,
        "missing": 0,
        "extra": 0,
        "repeated": 1,
        "out_of_order": 0,
        "emergencies": 1,
        "others": 2,
    }


@pytest.mark.parametrize("position", [9, 10])
def test_what_is_out_of_order(position: int) -> None:
    """A new report of a device that does not stand behind its last one."""
    counter = Counter()
    counter.count(REPORTS, body(1, 1, 10))
    counter.count(REPORTS, body(1, 2, position))
    assert figures(counter, {(1, 1, 1), (1, 1, 2)})["out_of_order"] == 1


def test_what_is_missing_and_what_is_too_much() -> None:
    """Against the database, by key."""
    counter = Counter()
    counter.count(REPORTS, body(1, 1, 10))
    counter.count(REPORTS, body(1, 2, 11))
    told = figures(counter, {(1, 1, 2), (1, 1, 3), (1, 1, 4)})
    assert (told["missing"], told["extra"]) == (2, 1)


def test_an_emergency_alone_is_no_report() -> None:
    """It has to come in its turn too."""
    counter = Counter()
    counter.count(EMERGENCIES, body(1, 1, 10))
    assert figures(counter, {(1, 1, 1)})["missing"] == 1


async def events_of(dsn: str) -> list[Published]:
    """Store five reports, and give their events."""
    pool = await open_pool(dsn, size=2)
    await PostgresStore(pool, gateway="x").write(
        [Parcel(1, 1, Transport.TCP, b"", build_reports(5))]
    )
    publications = Publications(pool)
    await publications.number()
    maker = EventMaker(await publications.source(), load_reference())
    (publication,) = await publications.undelivered(10)
    rows = await publications.reports(list(stretches(publication.position, publication.runs)))
    pool.terminate()
    return [maker.report(row, sequence_of(position, index)) for position, index, row in rows]


@pytest.mark.asyncio
@pytest.mark.parametrize("published, code", [(5, 0), (4, 1)])
async def test_the_program(
    database_dsn: str,
    nats_broker: Broker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    published: int,
    code: int,
) -> None:
    """Subscribes, counts, compares at SIGTERM; one event too few is found."""
    events = await events_of(database_dsn)
    result = tmp_path / "events.json"
    user = f"subscriber-{uuid.uuid4()}"
    arguments = [
        *("--broker", f"{nats_broker.host}:{nats_broker.gateway_port}", "--user", user),
        *("--dsn", database_dsn, "--json", str(result)),
    ]
    program = "import gateway.demo_subscriber as it; it.QUIET_SECONDS = 0.2; it.main()"
    monkeypatch.setenv("PASSWORD", "x")
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program, *arguments), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        assert (await process.stdout.readline()).decode().strip() == SUBSCRIBED
        settings = MqttSettings(host=nats_broker.host, port=nats_broker.gateway_port)
        publisher = Publisher(settings, user)
        tasks.create_task(publisher.run())
        await publisher.connected.wait()
        flight = publisher.flight()
        for event in events[:published]:
            await flight.publish(event)
        await flight.landed()
        publisher.close()
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == code
    told = json.loads(result.read_text(encoding="utf-8"))
    assert (told["distinct"], told["missing"], told["extra"]) == (published, 5 - published, 0)


@pytest.mark.asyncio
async def test_the_keys_of_the_database(database_dsn: str) -> None:
    """All of them."""
    await events_of(database_dsn)
    assert await asyncio.to_thread(stored_keys, database_dsn) == {(1, 1, n) for n in range(1, 6)}
