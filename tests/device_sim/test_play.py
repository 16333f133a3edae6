"""Tests of one run from beginning to end, against the real gateway and the real database."""

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from device_sim.credentials import read_fleet, write_fleet
from device_sim.links import link_profile
from device_sim.outbox import Outbox
from device_sim.pace import MAX_SPEED
from device_sim.plan import Plan
from device_sim.play import EXIT_DIFFERENT, EXIT_UNFINISHED, PlayError, play
from device_sim.scenario import longgang_q1
from tests.helpers.brokers import Broker
from tests.helpers.processes import gateway_process

DEVICES, REPORTS = 6, 300


@pytest.fixture
def fleet_file(tmp_path: Path) -> Path:
    """Six handsets."""
    path = tmp_path / "fleet.csv"
    write_fleet(path, longgang_q1(5, DEVICES, REPORTS).fleet)
    return path


@pytest.fixture
def plan(
    tmp_path: Path, fleet_file: Path, database_dsn: str, nats_broker: Broker
) -> Iterator[Plan]:
    """Half of them over TCP, half over MQTT, against a gateway that knows them."""
    settings = {
        "GATEWAY_DATABASE__DSN": database_dsn,
        "GATEWAY_MQTT__ENABLED": "true",
        "GATEWAY_MQTT__HOST": nats_broker.host,
        "GATEWAY_MQTT__PORT": str(nats_broker.gateway_port),
    }
    with gateway_process(tmp_path / "gateway.log", "test-play", settings) as gateway:
        subprocess.run(
            [sys.executable, "-m", "gateway", "devices", "import", str(fleet_file)],
            env={"GATEWAY_DATABASE__DSN": database_dsn},
            check=True,
            capture_output=True,
        )
        yield Plan(
            scenario=longgang_q1(5, DEVICES, REPORTS),
            credentials=read_fleet(fleet_file),
            gateway=("127.0.0.1", gateway.tcp_port),
            broker=(nats_broker.host, nats_broker.port),
            profile=link_profile("gprs"),
            speed=MAX_SPEED,
        )


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    """An empty one."""
    outbox = Outbox(tmp_path / "outbox.sqlite", {"seed": "5"})
    yield outbox
    outbox.close()


def test_a_fleet_over_both_transports(
    plan: Plan, outbox: Outbox, database_dsn: str, tmp_path: Path
) -> None:
    """Everything acked, row by row in the database; afterwards each kind of damage is found."""
    json_file = tmp_path / "figures.json"
    assert play(plan, outbox, database_dsn, json_file, math.inf) == 0
    figures = json.loads(json_file.read_text(encoding="utf-8"))
    assert (figures["reports_sent"], figures["acked"], figures["equal"]) == (300, 300, 300)
    with psycopg.connect(database_dsn) as connection:
        device, installation = plan.scenario.fleet.device_ids[0], 5
        connection.execute("DELETE FROM report WHERE device_id = %s AND sequence = 1", [device])
        connection.execute(
            "UPDATE report SET pictures = 9 - pictures WHERE device_id = %s AND sequence = 2",
            [device],
        )
        connection.execute(
            "UPDATE report SET installation = %s WHERE device_id = %s AND sequence = 3",
            [installation, device],
        )
    assert play(plan, outbox, database_dsn, json_file, math.inf) == EXIT_DIFFERENT
    figures = json.loads(json_file.read_text(encoding="utf-8"))
    found = {name: figures[name] for name in ("missing", "missing_acked", "extra", "altered")}
    assert found == {"missing": 2, "missing_acked": 2, "extra": 1, "altered": 1}


def test_a_run_that_cannot_finish(tmp_path: Path, fleet_file: Path, outbox: Outbox) -> None:
    """No gateway, no broker: the time-out ends it, the state is kept, the code says so."""
    nowhere = Plan(
        scenario=longgang_q1(5, DEVICES, REPORTS),
        credentials=read_fleet(fleet_file),
        gateway=("127.0.0.1", 1),
        broker=("127.0.0.1", 1),
        profile=link_profile("perfect"),
        speed=MAX_SPEED,
    )
    assert play(nowhere, outbox, None, None, 0.5) == EXIT_UNFINISHED
    assert outbox.totals().written > 0
    with pytest.raises(PlayError, match="--verify"):
        play(nowhere, outbox, "postgresql://127.0.0.1:1/none", None, 0.1)
    with pytest.raises(PlayError, match="--json"):
        play(nowhere, outbox, None, tmp_path / "nowhere" / "figures.json", 0.1)
