"""Who is here over MQTT, where no connection says so."""

import asyncio

import pytest

from gateway.mqtt_sessions import MAX_REPLIES
from gateway.protocol.errors import GoodbyeReason
from gateway.protocol.messages import (
    Goodbye,
    Ping,
    Refusal,
    Welcome,
    encode,
)
from gateway.session import Session
from tests.helpers.mqtt_rig import KEY, Rig, hello, report, run_until_done

pytestmark = pytest.mark.asyncio

GOODBYE = encode(Goodbye(GoodbyeReason.NORMAL))


async def test_who_has_greeted_is_here_until_it_says_goodbye() -> None:
    """Its will says the same. A second goodbye means nothing."""
    rig = Rig()

    async def work() -> None:
        rig.receive(hello(1))
        assert isinstance(await rig.reply(), Welcome)
        assert rig.attendance.devices() == [KEY[0]]
        rig.receive(GOODBYE)
        rig.receive(GOODBYE)
        assert rig.attendance.devices() == []
        rig.receive(report(1))
        await rig.reply()
        assert rig.attendance.devices() == [KEY[0]]

    await run_until_done(rig, work())
    assert rig.acked == [1, 2, 3, 4]


async def test_a_goodbye_opens_no_session() -> None:
    """Nobody is looked up for it, known or not."""
    rig = Rig()

    async def work() -> None:
        rig.receive(GOODBYE)
        rig.receive(GOODBYE, (9_999_999, 1))

    await run_until_done(rig, work())
    assert (rig.acked, rig.registry.lookups, rig.sessions.replies.qsize()) == ([1, 2], [], 0)


async def test_a_goodbye_behind_a_greeting_waits_for_its_turn() -> None:
    """Else the device would be here for ever."""
    rig = Rig()

    async def work() -> None:
        rig.receive(hello(1))
        rig.receive(GOODBYE)
        await rig.reply()
        while rig.acked != [1, 2]:  # noqa: ASYNC110 -- a list tells nobody when it grows
            await asyncio.sleep(0)
        assert rig.attendance.devices() == []

    await run_until_done(rig, work())


async def test_who_is_refused_later_leaves() -> None:
    """A device that is revoked is not here any more once it is looked up again."""
    rig = Rig()

    async def work() -> None:
        rig.receive(hello(1))
        await rig.reply()
        rig.registry.revoked.add(KEY[0])
        rig.receive(hello(2))
        assert isinstance(await rig.reply(), Refusal)
        assert rig.attendance.devices() == []

    await run_until_done(rig, work())


async def test_looking_up_again_keeps_a_device_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that has grown old is replaced; its device is never away meanwhile."""
    rig = Rig()
    monkeypatch.setattr(rig.sessions, "_recheck_device_seconds", 0.0)
    left: list[Session] = []

    async def work() -> None:
        rig.receive(report(1))
        await rig.reply()
        rig.attendance.listen(Ear(left))
        first = rig.attendance.session_of(KEY[0])
        rig.receive(report(2))
        await rig.reply()
        assert rig.attendance.session_of(KEY[0]) not in {None, first}

    await run_until_done(rig, work())
    assert left == []
    assert len(rig.registry.lookups) == 2


class Ear:
    """Remembers who left."""

    def __init__(self, left: list[Session]) -> None:
        self._left = left

    def arrived(self, session: Session) -> None:
        """See `Listener`."""

    def left(self, session: Session) -> None:
        """See `Listener`."""
        self._left.append(session)


async def test_who_was_silent_longest_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no room for one more; at the bound nobody has to."""
    monkeypatch.setattr("gateway.mqtt_sessions.MAX_SESSIONS", 2)
    rig = Rig()

    async def work() -> None:
        for device in (1, 2):
            rig.receive(report(1), (device, 1))
            await rig.reply()
        assert rig.attendance.devices() == [1, 2]
        rig.receive(report(2), (1, 1))
        await rig.reply()
        rig.receive(report(1), (3, 1))
        await rig.reply()
        assert rig.attendance.devices() == [1, 3]

    await run_until_done(rig, work())


async def test_a_session_listens_while_there_is_room_for_replies() -> None:
    """What finds no room would be dropped: a task is better sent later."""
    rig = Rig()

    async def work() -> None:
        rig.receive(hello(1))
        await rig.reply()
        session = rig.attendance.session_of(KEY[0])
        assert session
        session.send([Ping()] * (MAX_REPLIES - 1))
        assert session.is_listening()
        session.send([Ping()])
        assert not session.is_listening()
        await rig.reply()
        assert session.is_listening()

    await run_until_done(rig, work())
