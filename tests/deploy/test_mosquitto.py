"""Mosquitto as we deploy it. Who may read and write what: test_access_rules.py."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import aiomqtt
import pytest

from gateway.protocol.topics import EVENTS, PREFIX, TASK_FILTER
from tests.helpers import access_rules as rules
from tests.helpers.brokers import REQUIRE_MOSQUITTO, need_mosquitto
from tests.helpers.mosquitto import DEPLOYED, Mosquitto


@pytest.fixture
def mosquitto(place: Path, tmp_path: Path) -> Iterator[Mosquitto]:
    """A Mosquitto of this test's own, with its users."""
    need_mosquitto()
    broker = Mosquitto(place / tmp_path.name, rules.PASSWORDS)
    broker.start()
    yield broker
    broker.stop()


@pytest.mark.mosquitto
@pytest.mark.asyncio
async def test_a_device_cannot_end_anothers_session(mosquitto: Mosquitto) -> None:
    """Stating another handset's client id leaves that handset connected: the user name counts."""
    async with (
        rules.connect(mosquitto, "2", client_id="handset-2") as other,
        rules.connect(mosquitto, "gateway") as gateway,
    ):
        await rules.subscribe(other, "fg/1/2/down/7")
        async with rules.connect(mosquitto, "1", client_id="handset-2"):
            await gateway.publish("fg/1/2/down/7", b"task", qos=1)
            assert (await anext(other.messages)).payload == b"task"


@pytest.mark.mosquitto
@pytest.mark.asyncio
async def test_a_queue_survives_an_orderly_restart(mosquitto: Mosquitto) -> None:
    """More messages than Mosquitto keeps by itself wait for a gateway that is away."""
    count = 1_500
    async with rules.connect(mosquitto, "gateway", client_id="gateway-1") as gateway:
        await rules.subscribe(gateway, "fg/1/+/up/+")
    async with rules.connect(mosquitto, "1") as device:
        for number in range(count):
            await device.publish("fg/1/1/up/7", number.to_bytes(2, "big"), qos=1)
    await asyncio.to_thread(mosquitto.restart)
    async with rules.connect(mosquitto, "gateway", client_id="gateway-1") as gateway:
        received = [(await anext(gateway.messages)).payload for _ in range(count)]
    assert received == [number.to_bytes(2, "big") for number in range(count)]


@pytest.mark.mosquitto
@pytest.mark.asyncio
async def test_two_gateways_divide_the_messages(mosquitto: Mosquitto) -> None:
    """Under MQTT 5 each message of a shared subscription goes to one of them; both get some."""
    first, second = (
        aiomqtt.Client(
            mosquitto.host,
            mosquitto.gateway_port,
            username="gateway",
            password=rules.PASSWORDS["gateway"],
            identifier=f"gateway-{number}",
            protocol=aiomqtt.ProtocolVersion.V5,
        )
        for number in range(2)
    )
    async with first, second, rules.connect(mosquitto, "1") as device:
        for gateway in (first, second):
            assert await rules.subscribe(gateway, "$share/gateway/fg/1/+/up/+") == "granted"
            assert await rules.subscribe(gateway, "fg/1/1/down/7") == "granted"
        for _ in range(40):
            await device.publish("fg/1/1/up/7", b"report", qos=1)
        await first.publish("fg/1/1/down/7", rules.SENTINEL, qos=1)
        shares = [len(await rules.until_sentinel(gateway)) for gateway in (first, second)]
    assert sum(shares) == 40
    assert min(shares) > 0


def test_a_missing_mosquitto_is_skipped_or_demanded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tests are skipped with the reason, unless the environment demands them."""
    monkeypatch.setattr("tests.helpers.brokers.find_mosquitto", lambda _program: None)
    monkeypatch.delenv(REQUIRE_MOSQUITTO, raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install mosquitto"):
        need_mosquitto()
    monkeypatch.setenv(REQUIRE_MOSQUITTO, "1")
    with pytest.raises(pytest.fail.Exception, match="apt-get install mosquitto"):
        need_mosquitto()


def test_the_rules_name_the_topics_of_the_protocol() -> None:
    """The file follows the topics that the code uses."""
    rights = [
        line
        for line in (DEPLOYED / "acl").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert rights == [
        "user gateway",
        f"topic readwrite {PREFIX}/#",
        "user workflow",
        f"topic write {TASK_FILTER}",
        f"topic read {EVENTS}/#",
        f"topic deny {PREFIX}/workflow/#",
        f"pattern write {PREFIX}/%u/up/+",
        f"pattern read {PREFIX}/%u/down/+",
    ]
