"""`python -m bench.load PLAN PORT`: prints "ready", waits for a line, prints the result as JSON."""

import asyncio
import gc
import sys
from pathlib import Path
from typing import Final

import msgspec

from bench.load.fleet import Device, Fleet, LoadError, run_fleet
from bench.load.mqtt import MqttDevice
from bench.load.plan import DevicePlan, LoadPlan, LoadResult
from bench.load.tcp import TcpDevice

CONNECTING_AT_ONCE: Final = 50
"""A storm of greetings is not what is measured here."""

DEVICES: Final[dict[str, type[Device]]] = {"tcp": TcpDevice, "mqtt": MqttDevice}


async def run(plan: LoadPlan, port: int) -> LoadResult:
    """Connect all devices, tell, wait for the word, send everything.

    Raises:
        LoadError: a device was refused or cut off.
        OSError: nobody listens.
    """
    loop = asyncio.get_running_loop()
    fleet = Fleet(plan)
    kind = DEVICES[plan.transport]
    turn = asyncio.Semaphore(CONNECTING_AT_ONCE)

    async def connect(device_plan: DevicePlan) -> Device:
        async with turn:
            make = lambda: kind(fleet, device_plan)  # noqa: E731 - it is what create_connection wants
            _, device = await loop.create_connection(make, "127.0.0.1", port)
            await device.ready
            return device

    devices = await asyncio.gather(*map(connect, plan.devices))
    # The plan is large and lives to the end: keep the collector from walking through it.
    gc.freeze()
    return await run_fleet(fleet, devices, _wait_for_word)


def _wait_for_word() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


def main() -> None:
    """Run the plan in the file named on the command line against a port of 127.0.0.1."""
    _, file, port = sys.argv
    plan = msgspec.msgpack.decode(Path(file).read_bytes(), type=LoadPlan)
    import uvloop  # noqa: PLC0415 - where it is missing nothing can be measured

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            result = runner.run(run(plan, int(port)))
    except (LoadError, OSError) as error:
        sys.exit(f"load: {error}")
    print(msgspec.json.encode(result).decode(), flush=True)


if __name__ == "__main__":
    main()
