"""Who is online: gathered, noted, told; and what is told after the broker or a gateway was away."""

import asyncio
import json
from typing import Any

import pytest

from gateway import presence as module
from gateway.events import DEVICE_PRESENCE, GATEWAY_PRESENCE
from gateway.parcel import Transport
from gateway.protocol.errors import GoodbyeReason
from gateway.protocol.messages import Goodbye
from gateway.publications import Publications
from gateway.store import open_pool
from tests.helpers.brokers import Broker
from tests.helpers.device_client import greeted
from tests.helpers.event_collector import collector
from tests.helpers.metrics import grown
from tests.helpers.mqtt_device import mqtt_device
from tests.helpers.presence_rig import FakePublications, FakePublisher, PresenceRig, session
from tests.helpers.served_gateway import register, served_gateway
from tests.helpers.task_world import mqtt_settings, until_ready
from tests.helpers.tcp_gateway import until

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def no_gathering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds follow each other at once."""
    monkeypatch.setattr(module, "GATHER_SECONDS", 0)


async def test_many_are_noted_together() -> None:
    """One statement for all that came in a while, one for all that went."""
    rig = PresenceRig()
    sessions = [session(device) for device in range(1, 101)]
    for one in sessions:
        rig.presence.arrived(one)
    async with rig.running():
        await until(lambda: rig.is_idle)
        assert rig.publisher.all == [(device, True) for device in range(1, 101)]
        for one in sessions:
            rig.presence.left(one)
        await until(lambda: rig.is_idle)
    assert rig.publisher.all[100:] == [(device, False) for device in range(1, 101)]
    assert rig.fake.calls == ["source", "clear", "came", "left"]
    assert rig.fake.table == {}


async def test_who_greets_again_has_been_here_all_along() -> None:
    """As over MQTT after each minute: no second event."""
    rig = PresenceRig()
    async with rig.running():
        for _ in range(3):
            rig.presence.arrived(session(transport=Transport.MQTT))
            await until(lambda: rig.is_idle)
    assert rig.publisher.all == [(1, True)]


async def test_who_comes_and_goes_between_two_rounds_is_not_told() -> None:
    """There is nothing to tell; who goes and comes back is told to be here."""
    rig = PresenceRig()
    rig.fake.go_on.clear()
    async with rig.running():
        one = session(1)
        rig.presence.arrived(one)
        rig.presence.left(one)
        rig.presence.arrived(session(2))
        rig.fake.go_on.set()
        await until(lambda: rig.is_idle)
        assert rig.publisher.all == [(2, True)]
        rig.presence.left(session(2))
        rig.presence.arrived(session(2))
        await until(lambda: rig.is_idle)
    assert rig.publisher.all == [(2, True), (2, True)]
    assert len(rig.fake.table) == 1


async def test_a_bug_of_ours_costs_one_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway goes on, and so does telling who is online."""
    rig = PresenceRig()
    failures = grown("gateway_relay_failures_total")

    def fail(*_arguments: object) -> None:
        raise ZeroDivisionError

    async with rig.running():
        await until(lambda: rig.is_idle)
        with monkeypatch.context() as patched:
            patched.setattr(rig.fake, "came", fail)
            rig.presence.arrived(session(1))
            await until(lambda: failures() == 1)
        rig.presence.arrived(session(2))
        await until(lambda: rig.publisher.all == [(2, True)])


@pytest.mark.parametrize(
    "changed", [{"transport": Transport.MQTT}, {"installation": 2}], ids=["transport", "wiped"]
)
async def test_who_comes_back_otherwise_and_leaves_at_once_is_gone(
    changed: dict[str, Any],
) -> None:
    """The older session was noted; it must not stay so because the newer one never was."""
    rig = PresenceRig()
    async with rig.running():
        rig.presence.arrived(session())
        await until(lambda: rig.is_idle)
        rig.presence.arrived(session(**changed))
        rig.presence.left(session(**changed))
        await until(lambda: rig.is_idle)
    assert rig.publisher.all == [(1, True), (1, False)]
    assert rig.fake.table == {}


async def test_who_comes_back_otherwise_is_told_once() -> None:
    """The new transport; that it was away between is not worth a word."""
    rig = PresenceRig()
    async with rig.running():
        rig.presence.arrived(session())
        await until(lambda: rig.is_idle)
        rig.presence.arrived(session(transport=Transport.MQTT))
        await until(lambda: rig.is_idle)
    assert rig.publisher.all == [(1, True), (1, True)]
    (body,) = rig.publisher.retained.values()
    assert json.loads(body)["data"]["transport"] == "mqtt"


async def test_who_leaves_while_it_is_being_noted() -> None:
    """Belongs to the next round."""
    rig = PresenceRig()
    async with rig.running():
        await until(lambda: "clear" in rig.fake.calls)
        rig.fake.go_on.clear()
        one = session()
        rig.presence.arrived(one)
        await until(lambda: rig.fake.calls[-1] == "came")
        rig.presence.left(one)
        rig.fake.go_on.set()
        await until(lambda: rig.is_idle)
    assert rig.publisher.all == [(1, True), (1, False)]


async def test_an_end_that_was_never_begun() -> None:
    """Nothing to say."""
    rig = PresenceRig()
    async with rig.running():
        rig.presence.left(session())
        assert rig.is_idle
    assert rig.publisher.all == []


async def test_while_the_broker_is_away() -> None:
    """It is noted all the same, and told when the broker is back: the last state alone."""
    rig = PresenceRig()
    rig.publisher.connected.clear()
    async with rig.running():
        rig.presence.arrived(session(1))
        rig.presence.arrived(session(2))
        await until(lambda: len(rig.fake.table) == 2)
        rig.presence.left(session(2))
        await until(lambda: len(rig.fake.table) == 1)
        assert rig.presence.statistics() == 2
        rig.publisher.come_back()
        await until(lambda: rig.is_idle)
    assert sorted(rig.publisher.all) == [(1, True), (2, False)]


async def test_a_broker_that_forgot_what_it_retained() -> None:
    """After each new connection all that are here are told once more, and nobody else."""
    rig = PresenceRig()
    async with rig.running():
        rig.presence.arrived(session(1))
        rig.presence.arrived(session(2))
        await until(lambda: rig.is_idle)
        rig.presence.left(session(2))
        await until(lambda: rig.is_idle)
        before = dict(rig.publisher.retained)
        rig.publisher.all.clear()
        rig.publisher.come_back()
        await until(lambda: bool(rig.publisher.all) and rig.is_idle)
    assert rig.publisher.all == [(1, True)]
    assert rig.publisher.retained == before


async def test_while_the_database_is_away() -> None:
    """Who comes and goes meanwhile is noted when it is back."""
    rig = PresenceRig()
    async with rig.running():
        await until(lambda: "clear" in rig.fake.calls)
        rig.fake.is_away = True
        rig.presence.arrived(session(1))
        await until(lambda: rig.fake.calls.count("came") >= 2)
        rig.presence.arrived(session(2))
        rig.fake.is_away = False
        await until(lambda: len(rig.fake.table) == 2 and rig.is_idle)
    assert rig.publisher.all == [(1, True), (2, True)]


async def test_an_answer_that_was_lost() -> None:
    """The note was made; it is told all the same when it is made again."""
    rig = PresenceRig()
    async with rig.running():
        await until(lambda: "clear" in rig.fake.calls)
        rig.fake.forgets_answers = 1
        rig.presence.arrived(session())
        await until(lambda: bool(rig.publisher.all))
    assert rig.fake.calls.count("came") == 2


async def test_what_a_killed_process_of_this_name_left_is_cleared() -> None:
    """Its devices are told to be gone, unless they are back by then."""
    rig = PresenceRig()
    rig.fake.table = {n: (9, 1, "tcp", "a" if n < 3 else "b") for n in (1, 2, 3)}
    rig.presence.arrived(session(2))
    async with rig.running():
        await until(lambda: len(rig.publisher.all) == 2)
    assert rig.publisher.all == [(1, False), (2, True)]
    assert sorted(rig.fake.table) == [2, 3]


async def test_closing_tells_of_all() -> None:
    """Those that are noted; those that are not yet were never here as far as anybody knows."""
    rig = PresenceRig()
    async with rig.running():
        rig.presence.arrived(session(1))
        await until(lambda: rig.is_idle)
        rig.presence.arrived(session(2))
        await rig.presence.close(10)
        assert rig.is_idle
    assert rig.publisher.all == [(1, True), (1, False)]
    assert rig.fake.table == {}


async def test_closing_in_the_middle_of_a_round() -> None:
    """Whoever is being noted just then is told of too: all handsets leave in that moment."""
    rig = PresenceRig()
    async with rig.running(), asyncio.TaskGroup() as tasks:
        for device in (1, 2):
            rig.presence.arrived(session(device))
        await until(lambda: rig.is_idle)
        rig.fake.go_on.clear()
        rig.presence.left(session(1))
        await until(lambda: rig.fake.calls[-1] == "left")
        tasks.create_task(rig.presence.close(10))
        await asyncio.sleep(0)
        rig.fake.go_on.set()
    assert rig.publisher.all[2:] == [(1, False), (2, False)]
    assert rig.fake.table == {}


@pytest.mark.parametrize("seconds", [0, 0.05])
async def test_closing_does_not_wait_for_a_database_that_is_away(seconds: float) -> None:
    """What is left, the next start of a gateway of this name clears."""
    rig = PresenceRig()
    async with rig.running():
        rig.presence.arrived(session())
        await until(lambda: rig.is_idle)
        rig.fake.is_away = True
        async with asyncio.timeout(10):
            await rig.presence.close(seconds)
    assert sorted(rig.fake.table) == [1]


# Two gateways.


@pytest.mark.parametrize("table", ["fake", "real"])
async def test_a_device_that_moves(table: str, request: pytest.FixtureRequest) -> None:
    """The gateway that it left notices late and says nothing, now or when its broker is back."""
    pool = None
    publications: FakePublications | Publications = FakePublications()
    if table == "real":
        pool = await open_pool(request.getfixturevalue("database_dsn"), size=4)
        publications = Publications(pool)
    publisher = FakePublisher()
    one, other = (PresenceRig(publications, publisher, name) for name in ("a", "b"))
    async with one.running(), other.running():
        one.presence.arrived(session())
        await until(lambda: len(publisher.all) == 1 and one.is_idle)
        other.presence.arrived(session())
        await until(lambda: len(publisher.all) == 2 and other.is_idle)
        one.presence.left(session())
        await until(lambda: one.is_idle and not one.presence._told)
        other.presence.left(session())
        await until(lambda: len(publisher.all) == 3 and other.is_idle)
        publisher.come_back()
        one.presence.arrived(session(2))
        await until(lambda: len(publisher.all) == 4)
    assert publisher.all == [(1, True), (1, True), (1, False), (2, True)]
    if pool is not None:
        pool.terminate()


async def test_an_event_that_waits_for_the_broker_is_dropped_when_the_device_moved() -> None:
    """Else it would be retained over the newer one of the other gateway."""
    publications = FakePublications()
    one, other = PresenceRig(publications, name="a"), PresenceRig(publications, name="b")
    one.publisher.connected.clear()
    async with one.running(), other.running():
        one.presence.arrived(session())
        await until(lambda: bool(publications.table))
        other.presence.arrived(session())
        await until(lambda: other.is_idle and publications.table[1][3] == "b")
        one.presence.left(session())
        await until(lambda: one.is_idle)
        one.publisher.come_back()
        one.presence.arrived(session(2))
        await until(lambda: one.is_idle)
    assert one.publisher.all == [(2, True)]


async def test_devices_of_a_real_gateway_come_and_go(database_dsn: str, broker: Broker) -> None:
    """Over TCP with the connection, over MQTT with greeting and goodbye; the gateway itself too."""
    await register(database_dsn, [901, 902, 903])
    name = f"presence-{broker.port}"
    # A group of its own: members that other tests left behind share in the messages of theirs.
    mqtt = {**mqtt_settings(broker), "version": "auto", "shared_group": name}
    async with collector(broker, f"{name}-subscriber") as collected:

        def seen(device: int) -> list[bool]:
            events = collected.firsts(DEVICE_PRESENCE)
            return [e["data"]["online"] for e in events if e["data"]["device"] == device]

        async with (
            served_gateway(database_dsn, name, mqtt=mqtt) as gateway,
            greeted(gateway.tcp, 901),
            mqtt_device(broker, 902, 7) as talker,
        ):
            await until_ready(gateway)
            async with greeted(gateway.tcp, 903):
                await talker.greet()
                await collected.until(lambda: seen(901) == seen(902) == seen(903) == [True])
            await talker.publish(Goodbye(GoodbyeReason.NORMAL))
            await collected.until(lambda: seen(902) == seen(903) == [True, False])
            assert seen(901) == [True]
        await collected.until(lambda: seen(901) == [True, False])

        def gateways() -> list[bool]:
            events = collected.firsts(GATEWAY_PRESENCE)
            return [e["data"]["online"] for e in events if e["data"]["gateway"] == name]

        await collected.until(lambda: gateways() == [True, False])
