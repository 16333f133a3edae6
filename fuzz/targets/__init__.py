"""What is fuzzed: each parser that reads bytes from outside this process has a target.

A target is a module with a function `check(data)`. It feeds the real parser and asserts what must
hold for all bytes: only documented errors come out, what is read stays within its limits, and what
is understood means the same when it is written and read again. What it raises is a finding.

Left out, because others wrote and fuzz them: HTTP (aiohttp), MQTT packets at the gateway (paho),
PostgreSQL's protocol (asyncpg). Left out, because nobody outside writes them: the reference data,
price lists and SQL of the package, `TCP_INFO` of the kernel, and rows of our own tables.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Final, cast

Check = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Target:
    """One parser and how to fuzz it."""

    parses: str
    """What it reads and from whom, for people."""
    instrumented: tuple[str, ...]
    """Packages whose branches guide the fuzzer. Where much of it is C, the little that is Python
    has to do."""
    max_bytes: int
    """Longest input: room for what has structure. Longer ones only make each run slower; the
    limits themselves have tests at and just past them."""


_PROTOCOL: Final = ("gateway.protocol",)
_ITEMS: Final = ("gateway.protocol", "gateway.handlers", "gateway.copy_format")

TARGETS: Final = {
    "frames": Target("the byte stream of TCP, in both roles, cut anywhere", _PROTOCOL, 128),
    "bodies": Target("payloads of MQTT, every message, and what handlers say of it", _ITEMS, 512),
    "columns": Target("backlogs and tracks whose columns have any numbers", _ITEMS, 256),
    "texts": Target("texts in all forms, deflated ones that expand too", _PROTOCOL, 512),
    "acks": Target("acks, and which numbers they cover", _PROTOCOL, 24),
    "topics": Target("topics that devices publish to", _PROTOCOL, 128),
    "requests": Target("task requests and cancellations (JSON)", ("gateway.task_request",), 768),
    "settings": Target(
        "the settings file (TOML) and environment variables",
        ("gateway.settings_loader", "gateway.price_lists", "gateway.cost"),
        256,
    ),
    "tariffs": Target("price lists (TOML)", ("gateway.cost",), 256),
    "templates": Target("templates of the old system's texts", ("gateway.cost",), 256),
    "devices": Target("files of devices (CSV)", ("gateway.devices",), 512),
    "arguments": Target(
        "days, periods, moments, addresses and speeds of command lines",
        ("gateway.cost", "gateway.cost_command", "gateway.events_command", "device_sim.options"),
        64,
    ),
    "fleet": Target("the simulator's file of credentials (CSV)", ("device_sim.credentials",), 512),
    "packets": Target("the simulator's MQTT packets", ("device_sim.mqtt_codec",), 512),
    "centre": Target("events that the simulated centre reads (JSON)", ("device_sim.centre",), 512),
}
"""All of them, by name; the module of the same name lies beside this file."""


def load_check(name: str) -> Check:
    """The function of a target. Importing it imports the parser: instrument before."""
    return cast("Check", import_module(f"fuzz.targets.{name}").check)
