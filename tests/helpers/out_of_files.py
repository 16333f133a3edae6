"""A listener that runs out of files, in a process of its own: how much of a processor it burns
then, and whether it accepts again afterwards. Run by `tests/gateway/test_open_files.py`.
"""

import asyncio
import resource
import socket
import sys
import time
from typing import Final

import uvloop

WITHOUT_FILES_SECONDS: Final = 0.5
CLIENTS: Final = 40
FILES_LEFT: Final = 5


def allow_files(count: int) -> None:
    """Set the limit of open files."""
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (count, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    )


async def main() -> None:
    """Print the share of a processor that was used without files, then end once it accepts."""
    accepted: list[asyncio.BaseTransport] = []

    class Taken(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            accepted.append(transport)

    loop = asyncio.get_running_loop()
    server = await loop.create_server(Taken, "127.0.0.1", 0)
    clients = [socket.socket() for _ in range(CLIENTS)]
    used = max(client.fileno() for client in clients) + 1
    allow_files(used + FILES_LEFT)
    for client in clients:
        client.setblocking(False)
        client.connect_ex(server.sockets[0].getsockname())
    while len(accepted) < FILES_LEFT - 1:  # noqa: ASYNC110 - a fact of the kernel
        await asyncio.sleep(0.01)
    began = time.process_time()
    await asyncio.sleep(WITHOUT_FILES_SECONDS)
    burnt = time.process_time() - began
    allow_files(used + 2 * CLIENTS)
    while len(accepted) <= FILES_LEFT:
        with socket.create_connection(server.sockets[0].getsockname()):
            await asyncio.sleep(0.01)
    sys.stdout.write(f"{burnt / WITHOUT_FILES_SECONDS}\n")


if __name__ == "__main__":
    factory = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}[sys.argv[1]]
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())
