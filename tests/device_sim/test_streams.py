"""Tests of counted and slowed streams."""

from random import Random

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from device_sim.links import LinkProfile
from device_sim.pace import Pace
from device_sim.streams import CountedLink, SlowLink, Traffic

EVEN = LinkProfile("even", 2.0, 0.0, 100.0, 50.0, 0.0, 0.0, (0.0, 0.0), (0.0, 0.0))
"""Round trip 2 s always, 100 bytes/s up, 50 down, nothing lost."""


@pytest.mark.trio
async def test_bytes_are_counted_both_ways() -> None:
    """As they go through the socket; nothing travels beside."""
    ours, theirs = memory_stream_pair()
    traffic = Traffic()
    link = CountedLink(ours, traffic)
    await link.run()
    await link.send_all(b"12345")
    await theirs.send_all(b"123")
    assert await link.receive_some() == b"123"
    await theirs.aclose()
    assert await link.receive_some() == b""
    assert traffic == Traffic(up=5, down=3)


@pytest.mark.trio
async def test_a_slow_link_takes_its_time(autojump_clock: MockClock) -> None:
    """Bandwidth both ways, the round trip on the way down, and all of it divided by the speed."""
    for speed in (1.0, 10.0):
        ours, theirs = memory_stream_pair()
        link = SlowLink(ours, Traffic(), EVEN, Pace(speed, 0), Random(1))
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(link.run)
            await link.send_all(bytes(200))
            assert trio.current_time() - began == pytest.approx(2 / speed)
            await theirs.send_all(bytes(50))
            assert len(await link.receive_some()) == 50
            assert trio.current_time() - began == pytest.approx(5 / speed)
            nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_what_follows_does_not_wait_for_another_round_trip(
    autojump_clock: MockClock,
) -> None:
    """Answers travel one behind the other, in order."""
    ours, theirs = memory_stream_pair()
    link = SlowLink(ours, Traffic(), EVEN, Pace(1, 0), Random(1))
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(link.run)
        for number in range(3):
            await theirs.send_all(bytes((number,)))
            await trio.sleep(0.5)
        assert [await link.receive_some() for _ in range(3)] == [b"\0", b"\1", b"\2"]
        assert trio.current_time() - began == pytest.approx(1 + 2 + 1 / 50)
        await theirs.aclose()
        assert await link.receive_some() == b""


@pytest.mark.trio
async def test_a_stream_that_breaks_is_the_end(autojump_clock: MockClock) -> None:
    """For the reader it looks closed."""
    ours, _theirs = memory_stream_pair()
    link = SlowLink(ours, Traffic(), EVEN, Pace(1, 0), Random(1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(link.run)
        await ours.aclose()
        assert await link.receive_some() == b""
