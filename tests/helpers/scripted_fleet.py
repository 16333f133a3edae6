"""A gateway for a whole fleet on a real port, under trio, that keeps nothing but numbers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from device_sim.plan import Address
from gateway.protocol.acks import AckTracker
from tests.helpers.scripted_gateway import ScriptedGateway

Trackers = dict[tuple[int, int], AckTracker]
"""What was settled, by device and installation."""


@asynccontextmanager
async def listening_gateway(trackers: Trackers) -> AsyncIterator[Address]:
    """Serve TCP handsets; every device has the secret of the tests."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")

    async def serve(stream: trio.SocketStream) -> None:
        try:
            await ScriptedGateway(stream, trackers=trackers).run()
        except trio.BrokenResourceError:
            return  # cut by a fault of the handset

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        host, port, *_ = listener.socket.getsockname()
        yield host, port
        nursery.cancel_scope.cancel()
