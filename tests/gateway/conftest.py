"""Event loops: what depends on the transport's behaviour is tested on both that we support."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

Factories = Mapping[str, Callable[[], asyncio.AbstractEventLoop]]


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Factories:
    """Run the tests of the TCP server once on asyncio's own loop and once on uvloop."""
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
        "asyncio": asyncio.new_event_loop
    }
    if item.path.name.startswith("test_tcp_"):
        factories["uvloop"] = uvloop.new_event_loop
    return factories
