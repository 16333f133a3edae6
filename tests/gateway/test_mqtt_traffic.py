"""Links of devices that speak over the broker."""

import pytest

from gateway.mqtt_meter import REPEATED_HELLO_SECONDS
from gateway.mqtt_traffic import MqttTraffic
from tests.gateway.test_traffic_meter import Rig
from tests.helpers.metrics import grown

pytestmark = pytest.mark.asyncio

KEY = (7, 3)


class MqttRig(Rig):
    """A station, and a clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.traffic = MqttTraffic(self.meter, lambda: self.now)

    async def totals(self) -> tuple[int, int, int]:
        """Bytes up, bytes down and connections of the device since the last call."""
        rows = await self.flushed()
        assert all(row[1:3] == (7, "mqtt") for row in rows)
        return sum(r[3] for r in rows), sum(r[4] for r in rows), sum(r[8] for r in rows)


async def test_a_conversation() -> None:
    """Greeting, report, reply and goodbye are one connection of the device."""
    rig = MqttRig()
    rig.traffic.greeted(KEY, 30)
    greeting = await rig.totals()
    assert greeting[2] == 1
    rig.traffic.published(KEY, 40)
    rig.traffic.replied(KEY, 5)
    up, down, connections = await rig.totals()
    assert 40 < up < greeting[0]
    assert 5 < down < greeting[1]
    assert connections == 0
    rig.traffic.left(KEY, 3)
    up, down, connections = await rig.totals()
    assert up > 0
    assert await rig.totals() == (0, 0, 0)


async def test_a_hello_after_a_goodbye_is_a_new_connection() -> None:
    """However soon."""
    rig = MqttRig()
    rig.traffic.greeted(KEY, 30)
    rig.traffic.left(KEY, 3)
    rig.traffic.greeted(KEY, 30)
    assert (await rig.totals())[2] == 2


async def test_a_hello_without_a_goodbye() -> None:
    """Soon after another it is a repetition; later another gateway has got the goodbye."""
    rig = MqttRig()
    rig.traffic.greeted(KEY, 30)
    rig.now = REPEATED_HELLO_SECONDS
    rig.traffic.greeted(KEY, 30)
    assert (await rig.totals())[2] == 1
    rig.now *= 2.01
    rig.traffic.greeted(KEY, 30)
    assert (await rig.totals())[2] == 1


async def test_a_device_that_was_connected_before() -> None:
    """Its frames count, its connection does not; a hello is the first of a new one."""
    rig = MqttRig()
    rig.traffic.published(KEY, 40)
    up, _, connections = await rig.totals()
    assert (up > 40, connections) == (True, 0)
    rig.traffic.greeted(KEY, 30)
    assert (await rig.totals())[2] == 1


async def test_who_is_forgotten() -> None:
    """Counts no more; nothing happens to who was not known."""
    rig = MqttRig()
    rig.traffic.greeted(KEY, 30)
    rig.traffic.forget(KEY)
    rig.traffic.forget(KEY)
    rig.traffic.left(KEY, 3)
    await rig.totals()
    rig.now = 1_000.0
    assert await rig.totals() == (0, 0, 0)


async def test_a_reply_to_a_stranger_is_nobodys() -> None:
    """A refusal of who is not admitted."""
    rig = MqttRig()
    strangers = grown("gateway_meter_strangers_bytes_total", {"transport": "mqtt"})
    rig.traffic.replied(KEY, 9)
    assert strangers() == 9
    assert await rig.totals() == (0, 0, 0)


async def test_the_version_of_the_broker() -> None:
    """Packets of version 5 have properties."""
    counts = []
    for is_5 in (False, True):
        rig = MqttRig()
        rig.traffic.is_5 = is_5
        rig.traffic.published(KEY, 40)
        counts.append((await rig.totals())[0])
    assert counts[1] - counts[0] == 23
