"""The scenario `tasks`, whole: two gateways, a real broker, handsets of both transports."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from device_sim.centre_link import Login
from device_sim.credentials import read_fleet, write_fleet
from device_sim.links import link_profile
from device_sim.outbox import Outbox
from device_sim.pace import MAX_SPEED
from device_sim.plan import Plan, default_timeout_seconds, with_errands
from device_sim.play import play
from device_sim.scenario import longgang_q1
from tests.helpers.brokers import Broker
from tests.helpers.processes import gateway_process

DEVICES, REPORTS, TASKS, SECONDS = 12, 60, 80, 16.0


@pytest.fixture
def plan(tmp_path: Path, database_dsn: str, broker: Broker) -> Iterator[Plan]:
    """Two gateways that know twelve handsets, and a centre that asks them for much."""
    fleet_file = tmp_path / "fleet.csv"
    scenario = longgang_q1(5, DEVICES, REPORTS)
    write_fleet(fleet_file, scenario.fleet)
    settings = {
        "GATEWAY_DATABASE__DSN": database_dsn,
        "GATEWAY_MQTT__ENABLED": "true",
        "GATEWAY_MQTT__HOST": broker.host,
        "GATEWAY_MQTT__PORT": str(broker.gateway_port),
        "GATEWAY_TASKS__RETRY_SECONDS": "3",
    }
    with ExitStack() as stack:
        name = f"tasks-{tmp_path.name}"
        first, _ = (
            stack.enter_context(gateway_process(tmp_path / f"{n}.log", f"{name}-{n}", settings))
            for n in (1, 2)
        )
        subprocess.run(
            [sys.executable, "-m", "gateway", "devices", "import", str(fleet_file)],
            env={"GATEWAY_DATABASE__DSN": database_dsn},
            check=True,
            capture_output=True,
        )
        quiet = Plan(
            scenario=scenario,
            credentials=read_fleet(fleet_file),
            gateway=("127.0.0.1", first.tcp_port),
            broker=(broker.host, broker.port),
            profile=link_profile("gprs"),
            speed=MAX_SPEED,
        )
        login = Login(broker.host, broker.gateway_port, "workflow", "")
        yield with_errands(quiet, TASKS, SECONDS, login, time.time())


@pytest.mark.slow
def test_every_task_reaches_its_end(plan: Plan, database_dsn: str, tmp_path: Path) -> None:
    """None lost, none shown twice or late, every answer kept; the centre knows what is stored.

    Handsets are offline now and then, links break, answers are repeated and late, some handsets are
    wiped; requests and cancellations are published twice.
    """
    outbox = Outbox(tmp_path / "outbox.sqlite", {"seed": "5"})
    json_file = tmp_path / "figures.json"
    code = play(plan, outbox, database_dsn, json_file, default_timeout_seconds(SECONDS))
    outbox.close()
    figures = json.loads(json_file.read_text(encoding="utf-8"))
    assert code == 0, figures
    asked, verified = figures["asked_for"], figures["tasks_verified"]
    assert asked["requests"] == TASKS
    assert verified["equal"] == asked["tasks"] >= TASKS
    for state in ("answered", "expired", "cancelled", "superseded", "received"):
        assert asked[state] > 0, state
    assert figures["tasks"]["receipts_accepted"] == asked["answered"]
    assert figures["tasks"]["receipts_late"] >= asked["late_answers"] > 0
