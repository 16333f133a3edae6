"""The contract under kill -9: what was acked is stored, once, unaltered; what was not comes again;
and what is stored is published, in order.

Real processes throughout: PostgreSQL, a broker, one or two gateways, a fleet on both transports.
The moments of the kills hang on how far the fleet has come, not on time. Publishing is slower than
storing, so each kill of a gateway falls between commits and their events.
"""

import asyncio
import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest

from gateway import embedded_broker
from gateway.devices import Devices, read_device_file
from gateway.embedded_broker import BrokerUser, EmbeddedBroker
from gateway.embedded_postgres import EmbeddedPostgres
from gateway.events import REPORT_STORED, sequence_of
from gateway.protocol.proof import mqtt_password
from gateway.runs import Run, stretches
from tests.helpers.brokers import need_mosquitto
from tests.helpers.counting import assert_counted
from tests.helpers.databases import migrate_now
from tests.helpers.event_collector import Collector, assert_in_order, collector
from tests.helpers.mosquitto import Mosquitto
from tests.helpers.processes import gateway_process, run_fleet_command, start_fleet
from tests.helpers.served_gateway import Look

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(420)]

REPORTS: Final = 6_000
DEVICES: Final = 60

ACK_WAIT_SECONDS: Final = 3
"""Longer than a commit takes, much shorter than the half minute of a real installation."""

SUBSCRIBER: Final = {"username": "workflow", "password": "secret"}

Steps = Mapping[float, Callable[[], None]]
"""What to do when this share of the reports is stored."""


async def make_fleet(place: Path, dsn: str) -> tuple[Path, dict[str, str]]:
    """Write down the fleet, register it; returns its file and the broker's passwords."""
    file = place / "fleet.csv"
    scale = ("--devices", str(DEVICES), "--reports", str(REPORTS))
    await asyncio.to_thread(run_fleet_command, "fleet", "--out", str(file), *scale)
    lines = file.read_text(encoding="utf-8").splitlines()
    async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
        await Devices(pool).add(list(read_device_file(lines)))
    return file, {
        row["device"]: mqtt_password(bytes.fromhex(row["secret"])) for row in csv.DictReader(lines)
    }


async def play(place: Path, dsn: str, fleet: Path, addresses: list[str], steps: Steps) -> Any:
    """Let the fleet report while the steps are taken; returns its figures."""
    summary, log = place / "summary.json", place / "fleet.log"
    process = await start_fleet(
        log,
        *("--fleet", str(fleet), "--devices", str(DEVICES), "--reports", str(REPORTS)),
        *("--json", str(summary), "--verify", dsn, "--timeout", "300", *addresses),
    )
    async with asyncio.TaskGroup() as tasks:
        ending = tasks.create_task(process.wait())
        tasks.create_task(take_steps(dsn, steps, ending))
    assert process.returncode == 0, log.read_text(encoding="utf-8")[-3_000:]
    return json.loads(summary.read_text(encoding="utf-8"))


async def take_steps(dsn: str, steps: Steps, ending: asyncio.Task[int]) -> None:
    """Take each step when its share is stored; all must have been taken before the end."""
    for share, step in sorted(steps.items()):
        while await stored(dsn) < share * REPORTS:
            assert not ending.done(), "the fleet ended before all steps were taken"
            await asyncio.sleep(0.01)
        await asyncio.to_thread(step)


async def stored(dsn: str) -> int:
    """Rows in the table; as many as before while the database is away."""
    try:
        connection = await asyncpg.connect(dsn, timeout=5)
    except (OSError, asyncpg.PostgresError):
        return 0
    try:
        count: int = await connection.fetchval("SELECT count(*) FROM report")
    finally:
        connection.terminate()
    return count


def assert_nothing_wrong(summary: Mapping[str, Any]) -> None:
    """Everything that was written is stored, once and unaltered, and all of it was acked."""
    wrong = {name: summary[name] for name in ("missing", "missing_acked", "extra", "altered")}
    assert wrong == dict.fromkeys(wrong, 0)
    assert (summary["equal"], summary["acked"]) == (REPORTS, REPORTS)


async def assert_all_published(dsn: str, collected: Collector) -> None:
    """The subscriber's distinct set is the table, and each event has the place in the stream that
    the database gave it, whatever was killed.
    """
    rows = set(await Look(dsn).reports())
    assert len(rows) == REPORTS
    await collected.until(lambda: len(collected.reports()) >= len(rows))
    assert collected.reports() == rows
    events = collected.firsts(REPORT_STORED)
    assert {event["id"]: event["sequence"] for event in events} == await places(dsn)


async def places(dsn: str) -> dict[str, str]:
    """The sequence of each report's event, as publications say it."""
    query = "SELECT position, device_id, installation, first_sequence, last_sequence"
    found = {}
    for position, *columns in await Look(dsn).rows(f"{query} FROM publication"):
        for stretch in stretches(position, list(map(Run, *columns))):
            run = stretch.run
            for number in range(run.first, run.last + 1):
                event_id = f"report/{run.device_id}/{run.installation}/{number}"
                found[event_id] = sequence_of(position, stretch.index + number - run.first)
    return found


async def assert_all_counted(dsn: str) -> None:
    """Each report is counted once after its commit, whatever was killed."""
    async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool, asyncio.timeout(60):
        waiting = "SELECT count(*) FROM publication WHERE NOT is_counted"
        while await pool.fetchval(waiting):  # noqa: ASYNC110 -- a fact of the database
            await asyncio.sleep(0.1)
        await assert_counted(pool, REPORTS)


async def unpublished(dsn: str) -> int:
    """Reports that are committed and not published."""
    ((count,),) = await Look(dsn).rows("SELECT reports_waiting FROM relay_state")
    return int(count)


async def test_gateway_killed_broker_killed_and_postgres_restarted(
    own_postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kill -9 of gateway, broker and PostgreSQL, and a restart of it, lose nothing and double
    nothing; a subscriber gets every event.
    """
    # What the broker had sent when it was killed it sends again after that, perhaps twice.
    monkeypatch.setattr(embedded_broker, "ACK_WAIT_S", ACK_WAIT_SECONDS)
    dsn = own_postgres.dsn
    migrate_now(dsn)
    fleet, passwords = await make_fleet(tmp_path, dsn)
    users = [BrokerUser(name, password, int(name)) for name, password in passwords.items()]
    ours = [BrokerUser("gateway", "secret"), BrokerUser("workflow", "secret")]
    broker = EmbeddedBroker(tmp_path / "broker", [*ours, *users])
    await asyncio.to_thread(broker.start)
    settings = {
        "GATEWAY_DATABASE__DSN": dsn,
        "GATEWAY_MQTT__ENABLED": "true",
        "GATEWAY_MQTT__PORT": str(broker.port),
        "GATEWAY_MQTT__USERNAME": "gateway",
        "GATEWAY_MQTT__PASSWORD": "secret",
    }
    try:
        with gateway_process(tmp_path / "gateway.log", "crash", settings) as gateway:
            behind: list[int] = []

            def kill_gateway() -> None:
                gateway.kill()
                behind.append(asyncio.run(unpublished(dsn)))
                gateway.start()

            def kill_broker() -> None:
                broker.kill()
                broker.start()

            def kill_postgres() -> None:
                own_postgres.kill()
                own_postgres.start()

            addresses = [
                *("--gateway", f"127.0.0.1:{gateway.tcp_port}"),
                *("--broker", f"127.0.0.1:{broker.port}"),
            ]
            steps = {
                0.1: kill_gateway,
                0.2: kill_broker,
                0.3: own_postgres.restart,
                0.4: kill_gateway,
                0.5: kill_postgres,
                0.6: kill_gateway,
            }
            async with collector(broker, "subscriber", **SUBSCRIBER) as collected:
                summary = await play(tmp_path, dsn, fleet, addresses, steps)
                assert_nothing_wrong(summary)
                assert any(behind), "no kill fell between a commit and its event"
                await assert_all_published(dsn, collected)
                await assert_all_counted(dsn)
            assert gateway.stop() == 0
    finally:
        await asyncio.to_thread(broker.stop)


@pytest.mark.mosquitto
async def test_two_gateways_killed_in_turn(own_postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """Two gateways share broker and database; each is killed, and the other goes on, also with
    publishing. The broker is restarted in the middle.
    """
    need_mosquitto()
    dsn = own_postgres.dsn
    migrate_now(dsn)
    fleet, passwords = await make_fleet(tmp_path, dsn)
    own_postgres_place = own_postgres.place.parent
    ours = {"gateway": "secret", "workflow": "secret"}
    broker = Mosquitto(own_postgres_place / "mosquitto", {**passwords, **ours})
    await asyncio.to_thread(broker.start)
    settings = {
        "GATEWAY_DATABASE__DSN": dsn,
        "GATEWAY_MQTT__ENABLED": "true",
        "GATEWAY_MQTT__VERSION": "5",
        "GATEWAY_MQTT__PORT": str(broker.gateway_port),
        "GATEWAY_MQTT__USERNAME": "gateway",
        "GATEWAY_MQTT__PASSWORD": "secret",
    }
    try:
        with (
            gateway_process(tmp_path / "one.log", "one", settings) as one,
            gateway_process(tmp_path / "two.log", "two", settings) as two,
        ):

            def restart(gateway: Any) -> Callable[[], None]:
                def step() -> None:
                    gateway.kill()
                    gateway.start()

                return step

            addresses = [
                *("--gateway", f"127.0.0.1:{one.tcp_port}"),
                *("--broker", f"127.0.0.1:{broker.port}"),
            ]
            steps = {
                0.15: restart(one),
                0.3: restart(two),
                0.4: broker.restart,
                0.5: restart(one),
                0.6: restart(two),
            }
            async with collector(broker, "subscriber", **SUBSCRIBER) as collected:
                summary = await play(tmp_path, dsn, fleet, addresses, steps)
                assert_nothing_wrong(summary)
                await assert_all_published(dsn, collected)
                await assert_all_counted(dsn)
                # A broker that is killed sends again, late and out of order, what it had sent
                # already; one that is restarted in order does not.
                assert_in_order(collected.firsts(REPORT_STORED))
            assert (one.stop(), two.stop()) == (0, 0)
    finally:
        await asyncio.to_thread(broker.stop)
