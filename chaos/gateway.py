"""One gateway process of the run: its addresses, its clock, what it holds in memory and open."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from chaos.clocked_gateway import set_offset
from chaos.processes import ChaosError, Program
from gateway.server_process import free_port

READY_WITHIN_SECONDS: Final = 60.0
"""It is ready within a second; a loaded machine takes longer."""

POLL_SECONDS: Final = 0.1
"""Between two looks at a process that tells nobody."""

_BYTES_PER_KILOBYTE: Final = 1_024


@dataclass(frozen=True, slots=True)
class Residue:
    """What a process holds.

    Attributes:
        resident_bytes: memory that is its own or shared, as the kernel counts it.
        descriptors: open files and sockets.
    """

    resident_bytes: int
    descriptors: int


class Gateway:
    """`gateway serve` with addresses that stay the same when it is started again.

    Args:
        name: of the gateway.
        directory: for its log and the file of its clock.
        settings: on top of name and addresses, as environment variables.
    """

    def __init__(self, name: str, directory: Path, settings: Mapping[str, str]) -> None:
        self.name = name
        self.tcp_port, self.http_port = free_port(), free_port()
        self.starts = 0
        self._clock = directory / f"clock-{name}"
        self.set_clock(0)
        environment = {
            "GATEWAY_NAME": name,
            "GATEWAY_TCP__HOST": "127.0.0.1",
            "GATEWAY_TCP__PORT": str(self.tcp_port),
            "GATEWAY_HTTP__PORT": str(self.http_port),
            "GATEWAY_LOG__FORMAT": "json",
            **settings,
        }
        arguments = ["-m", "chaos.clocked_gateway", str(self._clock), "serve"]
        log = directory / f"gateway-{name}.log"
        self.program = Program(f"gateway {name}", arguments, log, environment)

    def set_clock(self, seconds_ahead: float) -> None:
        """Make its clock jump."""
        set_offset(self._clock, seconds_ahead)

    async def start(self) -> None:
        """Start it; it may wait for the database."""
        await self.program.start()
        self.starts += 1

    async def until_ready(self) -> None:
        """Wait until it takes reports. Raises `ChaosError` when it does not."""
        try:
            async with asyncio.timeout(READY_WITHIN_SECONDS), aiohttp.ClientSession() as http:
                while not await self._is_ready(http):
                    if not self.program.is_running:
                        break
                    await asyncio.sleep(POLL_SECONDS)
                else:
                    return
        except TimeoutError:
            pass
        raise ChaosError(f"{self.program.name} is not ready:\n{self.program.tail()}")

    async def _is_ready(self, http: aiohttp.ClientSession) -> bool:
        try:
            async with http.get(f"http://127.0.0.1:{self.http_port}/readyz") as response:
                return response.ok
        except (OSError, aiohttp.ClientError):
            return False

    def residue(self) -> Residue:
        """What it holds now."""
        process = Path("/proc") / str(self.program.pid)
        lines = (process / "status").read_text(encoding="ascii").splitlines()
        values = dict(line.split(":", 1) for line in lines)
        resident = int(values["VmRSS"].split()[0]) * _BYTES_PER_KILOBYTE
        return Residue(resident, sum(1 for _ in (process / "fd").iterdir()))
