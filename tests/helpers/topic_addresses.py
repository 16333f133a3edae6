"""The topics of the code as addresses, with names in braces for what varies."""

import inspect
from typing import Any

from gateway.protocol import topics


def address_of(function: Any) -> str:
    """A topic with the names of the function's parameters in place of values."""
    names = inspect.signature(function).parameters
    return str(function(*(f"{{{name}}}" for name in names)))


def addresses() -> set[str]:
    """Of all topics, both ways."""
    functions = [
        function
        for name, function in inspect.getmembers(topics, inspect.isfunction)
        if name.endswith("_topic") and not name.startswith("parse_")
    ]
    return {topics.TASK_REQUEST, topics.TASK_CANCEL, *map(address_of, functions)}
