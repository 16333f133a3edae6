"""The floods: what each attacker does for as long as it is let."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping
from typing import Final

from bench.flood.peer import LeftError, Peer, RefusedError, connected
from bench.flood.plan import FloodPlan
from gateway.protocol.framing import encode_frame
from gateway.protocol.limits import MAX_FRAME_BYTES, PROOF_BYTES
from gateway.protocol.messages import Ping, Refusal, encode

HALF_OPEN: Final = 6_000
"""Connections that say nothing: three times the places for strangers."""

GUESSERS: Final = 300
"""Connections that greet with wrong proofs at the same time."""

TRICKLING_STRANGERS: Final = 2_000
TRICKLE_SECONDS: Final = 0.5
"""Between two bytes of a slow sender."""

CONNECTING_AT_ONCE: Final = 100
SOURCES: Final = 200
"""Addresses that an attacker has."""

FIRST_NUMBER: Final = 1_000_000
"""Numbers of the frames that are sent again and again begin here: they all take 5 bytes."""

NUMBER_MARK: Final = b"\xce"
PINGS: Final = encode_frame(encode(Ping())) * 10_000


class Tally:
    """What an attacker did and got."""

    def __init__(self) -> None:
        self.is_over = False
        self.connections = self.open = self.open_at_most = 0
        self.frames = self.bytes = self.refused = self.cut = 0

    def opened(self) -> None:
        """One more connection."""
        self.connections += 1
        self.open += 1
        self.open_at_most = max(self.open_at_most, self.open)


Act = Callable[[Peer, int], Coroutine[None, None, None]]
Flood = Callable[[FloodPlan, int, Tally], Coroutine[None, None, None]]


def source(place: int) -> str:
    """One of the attacker's addresses."""
    return f"127.1.{place % SOURCES // 100}.{1 + place % 100}"


async def half_open(plan: FloodPlan, port: int, tally: Tally) -> None:
    """Thousands of connections that say nothing; each that is cut is opened again."""
    del plan
    turn = asyncio.Semaphore(CONNECTING_AT_ONCE)

    async def hold(place: int) -> None:
        while True:
            try:
                async with turn:
                    connection = connected(port, source(place))
                    peer = await connection.__aenter__()
                tally.opened()
                try:
                    while await peer.reader.read(1_024):
                        pass
                finally:
                    tally.open -= 1
                    tally.cut += 1
                    await connection.__aexit__(None, None, None)
            except OSError:
                await asyncio.sleep(1)

    await _all(hold, HALF_OPEN)


async def wrong_proofs(plan: FloodPlan, port: int, tally: Tally) -> None:
    """Greetings with guessed proofs, under numbers that are registered, as fast as they go."""

    async def guess(place: int) -> None:
        number = 0
        while True:
            who = plan.newcomers[(place + number) % len(plan.newcomers)]
            number += 1
            try:
                async with connected(port, source(place)) as peer:
                    tally.opened()
                    try:
                        await peer.hello(who, os.urandom(PROOF_BYTES))
                        tally.frames += 1
                        if isinstance(await peer.read(), Refusal):
                            tally.refused += 1
                    finally:
                        tally.open -= 1
            except RefusedError:
                tally.refused += 1
            except (OSError, EOFError, LeftError):
                tally.cut += 1

    await _all(guess, GUESSERS)


async def slow_senders(plan: FloodPlan, port: int, tally: Tally) -> None:
    """Strangers and registered devices that send one byte at a time of something large."""

    async def trickle(place: int) -> None:
        while True:
            try:
                async with connected(port, source(place)) as peer:
                    tally.opened()
                    try:
                        if place < len(plan.hostile):
                            await peer.greet(plan.hostile[place])
                        for byte in plan.largest_frame:
                            peer.writer.write(bytes((byte,)))
                            tally.bytes += 1
                            await peer.writer.drain()
                            await asyncio.sleep(TRICKLE_SECONDS)
                    finally:
                        tally.open -= 1
            except (OSError, EOFError, LeftError, RefusedError):
                tally.cut += 1
                await asyncio.sleep(1)

    await _all(trickle, TRICKLING_STRANGERS + len(plan.hostile))


async def largest_frames(plan: FloodPlan, port: int, tally: Tally) -> None:
    """All registered devices send the largest frames without waiting for anything."""
    await _flood(plan, port, tally, plan.largest_frame, 255)


async def all_urgent(plan: FloodPlan, port: int, tally: Tally) -> None:
    """All registered devices say that everything they send is an emergency."""
    await _flood(plan, port, tally, plan.urgent_frame, 1)


async def pings(plan: FloodPlan, port: int, tally: Tally) -> None:
    """Registered devices ask whether we are there, and ask, and ask."""

    async def ask(peer: Peer, _place: int) -> None:
        while True:
            peer.writer.write(PINGS)
            tally.frames += 10_000
            tally.bytes += len(PINGS)
            await peer.writer.drain()

    await _as_devices(plan, port, tally, ask)


async def _flood(plan: FloodPlan, port: int, tally: Tally, frame: bytes, reports: int) -> None:
    mark = frame.index(NUMBER_MARK + FIRST_NUMBER.to_bytes(4, "big")) + 1
    numbers = {who.device_id: FIRST_NUMBER for who in plan.hostile}

    async def send(peer: Peer, place: int) -> None:
        device_id = plan.hostile[place].device_id
        while True:
            number = numbers[device_id].to_bytes(4, "big")
            numbers[device_id] += reports
            peer.writer.write(frame[:mark] + number + frame[mark + 4 :])
            tally.frames += 1
            tally.bytes += len(frame)
            await peer.writer.drain()

    await _as_devices(plan, port, tally, send)


async def _as_devices(
    plan: FloodPlan,
    port: int,
    tally: Tally,
    act: Act,
) -> None:
    """Greet as each hostile device, act, and count what comes back; again after a cut."""

    async def play(place: int) -> None:
        # Asked besides being cancelled: a group whose member fails at that very moment tells of
        # the failure alone.
        while not tally.is_over:
            try:
                async with connected(port, source(place)) as peer:
                    tally.opened()
                    try:
                        await peer.greet(plan.hostile[place])
                        async with asyncio.TaskGroup() as both:
                            both.create_task(act(peer, place))
                            both.create_task(_read_all(peer, tally))
                    finally:
                        tally.open -= 1
            except* (OSError, EOFError, LeftError, RefusedError):
                tally.cut += 1
                await asyncio.sleep(1)

    await _all(play, len(plan.hostile))


async def _read_all(peer: Peer, tally: Tally) -> None:
    while True:
        if isinstance(await peer.read(), Refusal):
            tally.refused += 1


async def _all(act: Callable[[int], Coroutine[None, None, None]], count: int) -> None:
    async with asyncio.TaskGroup() as tasks:
        for place in range(count):
            tasks.create_task(act(place))


FLOODS: Final[Mapping[str, tuple[str, Flood]]] = {
    "half-open": (f"{HALF_OPEN:,} connections that say nothing", half_open),
    "wrong-proofs": (f"{GUESSERS} connections that greet with wrong proofs", wrong_proofs),
    "slow-senders": (
        f"{TRICKLING_STRANGERS:,} strangers and all hostile devices send a byte at a time",
        slow_senders,
    ),
    "largest-frames": (
        f"all hostile devices send frames of {MAX_FRAME_BYTES:,} bytes",
        largest_frames,
    ),
    "all-urgent": ("all hostile devices send emergencies alone", all_urgent),
    "pings": ("all hostile devices send pings", pings),
}
