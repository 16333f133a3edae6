"""`python -m bench.flood.honest PLAN PORT`: handsets that report one by one, and newcomers.

Says "ready" when all are welcome. For each line SECONDS that it reads it prints what was seen in
the next so many seconds, as JSON.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

import msgspec
import uvloop

from bench.flood.peer import LeftError, Peer, RefusedError, Who, connected
from bench.flood.plan import FloodPlan, Honest, HonestHandset
from gateway.protocol.messages import Ack, Goodbye, Refusal

PAUSE_SECONDS: Final = 0.7
"""Mean time between an ack and the next report of a handset."""

NEWCOMER_PAUSE_SECONDS: Final = 0.2
"""Mean time between two greetings of one newcomer."""

RETRY_SECONDS: Final = 0.5
"""Least time before an honest handset tries again; never less than the gateway asked for."""

ANSWER_WITHIN_SECONDS: Final = 60.0
"""Rule 14 of the protocol: after this a handset takes the link for dead."""

MILLISECONDS: Final = 1_000


class Watch:
    """Collects the waits of a phase."""

    def __init__(self) -> None:
        self.ack_ms: list[float] = []
        self.welcome_ms: list[float] = []
        self.reconnections = 0
        self.sent_at: dict[int, float] = {}
        """By device: since when its report waits."""

    def take(self) -> Honest:
        """What was seen since the last time. A wait that goes on counts as long as it is now."""
        now = time.perf_counter()
        waiting = [(now - at) * MILLISECONDS for at in self.sent_at.values()]
        longest = max(self.ack_ms, default=0.0)
        overdue = [ms for ms in waiting if ms > longest]
        seen = Honest(self.ack_ms + overdue, self.welcome_ms, len(overdue), self.reconnections)
        self.ack_ms, self.welcome_ms, self.reconnections = [], [], 0
        return seen


async def report(
    handset: HonestHandset, port: int, watch: Watch, welcomed: Callable[[], None]
) -> None:
    """Report one thing after the other for ever, coming back after whatever happens."""
    random, number = Random(handset.who.device_id), 0
    while True:
        try:
            async with connected(port) as peer:
                await peer.greet(handset.who)
                welcomed()
                while number < len(handset.frames):
                    if handset.who.device_id not in watch.sent_at:
                        await asyncio.sleep(random.uniform(0, 2 * PAUSE_SECONDS))
                        watch.sent_at[handset.who.device_id] = time.perf_counter()
                    peer.writer.write(handset.frames[number])
                    await _until_acked(peer, number + 1)
                    number += 1
                    began = watch.sent_at.pop(handset.who.device_id)
                    watch.ack_ms.append((time.perf_counter() - began) * MILLISECONDS)
                return
        except RefusedError as error:
            watch.reconnections += 1
            await asyncio.sleep(max(RETRY_SECONDS, error.retry_after_seconds))
        except (OSError, EOFError, LeftError, TimeoutError):
            watch.reconnections += 1
            await asyncio.sleep(RETRY_SECONDS)


async def _until_acked(peer: Peer, number: int) -> None:
    async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
        while True:
            message = await peer.read()
            if isinstance(message, Ack) and message.through >= number:
                return
            if isinstance(message, Refusal):
                raise RefusedError(message.code, message.retry_after_seconds)
            if isinstance(message, Goodbye):
                raise LeftError("goodbye")


async def come_and_go(who: Who, port: int, watch: Watch) -> None:
    """Connect, be welcomed, leave, for ever."""
    random = Random(who.device_id)
    while True:
        await asyncio.sleep(random.uniform(0, 2 * NEWCOMER_PAUSE_SECONDS))
        began = time.perf_counter()
        while True:
            try:
                async with asyncio.timeout(ANSWER_WITHIN_SECONDS), connected(port) as peer:
                    await peer.greet(who)
                    peer.write(Goodbye(0))
                break
            except RefusedError as error:
                await asyncio.sleep(max(RETRY_SECONDS, error.retry_after_seconds))
            except (OSError, EOFError, LeftError, TimeoutError):
                await asyncio.sleep(RETRY_SECONDS)
        watch.welcome_ms.append((time.perf_counter() - began) * MILLISECONDS)


async def run(plan: FloodPlan, port: int) -> None:
    """All of them, until the input ends."""
    watch, missing = Watch(), len(plan.handsets)
    ready = asyncio.Event()

    def welcomed() -> None:
        nonlocal missing
        missing -= 1
        if not missing:
            ready.set()

    async with asyncio.TaskGroup() as tasks:
        all_of_them = [
            *(tasks.create_task(report(one, port, watch, welcomed)) for one in plan.handsets),
            *(tasks.create_task(come_and_go(who, port, watch)) for who in plan.newcomers),
        ]
        await ready.wait()
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            watch.take()
            await asyncio.sleep(float(line))
            print(msgspec.json.encode(watch.take()).decode(), flush=True)
        for task in all_of_them:
            task.cancel()


def main() -> None:
    """Read the command line."""
    _, file, port = sys.argv
    plan = msgspec.msgpack.decode(Path(file).read_bytes(), type=FloodPlan)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(plan, int(port)))


if __name__ == "__main__":
    main()
