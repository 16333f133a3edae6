"""`python -m bench.flood.attacker PLAN PORT FLOOD`: floods until its input ends."""

import asyncio
import resource
import sys
from pathlib import Path

import msgspec
import uvloop

from bench.flood.attacks import FLOODS, Tally
from bench.flood.plan import Attack, FloodPlan


async def run(plan: FloodPlan, port: int, name: str) -> Attack:
    """Flood until the input ends."""
    tally = Tally()
    async with asyncio.TaskGroup() as tasks:
        flooding = tasks.create_task(_flood(name, plan, port, tally))
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        tally.is_over = True
        flooding.cancel()
    return Attack(
        tally.connections,
        tally.open_at_most,
        tally.frames,
        tally.bytes / 1e6,
        tally.refused,
        tally.cut,
    )


async def _flood(name: str, plan: FloodPlan, port: int, tally: Tally) -> None:
    await FLOODS[name][1](plan, port, tally)


def main() -> None:
    """Read the command line."""
    _, file, port, name = sys.argv
    plan = msgspec.msgpack.decode(Path(file).read_bytes(), type=FloodPlan)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        seen = runner.run(run(plan, int(port), name))
    print(msgspec.json.encode(seen).decode(), flush=True)


if __name__ == "__main__":
    main()
