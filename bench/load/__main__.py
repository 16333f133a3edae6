"""`python -m bench.load PLAN PORT [SUBSCRIBER]`: prints "ready", waits for a line, then prints the
result as JSON. The subscriber, if any, is a `plan.Subscriber` as JSON.
"""

import asyncio
import gc
import sys
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from bench.load.caller import TcpCaller
from bench.load.emergencies import with_emergencies
from bench.load.fleet import Device, Fleet, LoadError, run_fleet
from bench.load.mqtt import MqttDevice
from bench.load.plan import DevicePlan, LoadPlan, LoadResult, Subscriber
from bench.load.subscriber import EmergencyReader
from bench.load.tcp import TcpDevice

CONNECTING_AT_ONCE: Final = 50
"""A storm of greetings is not what is measured here."""

DEVICES: Final[dict[str, type[Device]]] = {"tcp": TcpDevice, "mqtt": MqttDevice}


SomeDevice = TypeVar("SomeDevice", bound=Device)


async def run(plan: LoadPlan, port: int, subscriber: Subscriber | None = None) -> LoadResult:
    """Connect all devices, tell, wait for the word, send everything.

    Raises:
        LoadError: a device was refused or cut off.
        OSError: nobody listens.
    """
    loop = asyncio.get_running_loop()
    fleet = Fleet(plan)
    turn = asyncio.Semaphore(CONNECTING_AT_ONCE)

    async def connect(kind: type[SomeDevice], device_plan: DevicePlan) -> SomeDevice:
        async with turn:
            make = lambda: kind(fleet, device_plan)  # noqa: E731 - it is what create_connection wants
            _, device = await loop.create_connection(make, "127.0.0.1", port)
            await device.ready
            return device

    kind = DEVICES[plan.transport]
    devices = await asyncio.gather(*(connect(kind, device) for device in plan.devices))
    callers = await asyncio.gather(*(connect(TcpCaller, device) for device in plan.callers))
    reader = None
    if subscriber is not None:
        _, reader = await loop.create_connection(
            lambda: EmergencyReader(subscriber), "127.0.0.1", subscriber.port
        )
        await reader.ready
    # The plan is large and lives to the end: keep the collector from walking through it.
    gc.freeze()
    result = await run_fleet(fleet, [*devices, *callers], _wait_for_word)
    return await with_emergencies(result, fleet, callers, reader) if callers else result


def _wait_for_word() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


def main() -> None:
    """Run the plan in the file named on the command line against a port of 127.0.0.1."""
    _, file, port, *more = sys.argv
    plan = msgspec.msgpack.decode(Path(file).read_bytes(), type=LoadPlan)
    subscriber = msgspec.json.decode(more[0], type=Subscriber) if more else None
    import uvloop  # noqa: PLC0415 - where it is missing nothing can be measured

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            result = runner.run(run(plan, int(port), subscriber))
    except (LoadError, OSError) as error:
        sys.exit(f"load: {error}")
    print(msgspec.json.encode(result).decode(), flush=True)


if __name__ == "__main__":
    main()
