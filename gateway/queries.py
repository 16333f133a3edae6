"""SQL is source code: it stands in `gateway/sql/*.sql`, each statement named and described."""

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType

_NAME = re.compile(r"^-- name: (?P<name>[a-z0-9_]+)\n", re.MULTILINE)


@cache
def load_queries(file_name: str) -> Mapping[str, str]:
    """The statements of one file under `gateway/sql/`, by name.

    A statement begins with a line `-- name: <name>`; the comment lines below it say which index
    serves it and what makes running it twice harmless, and are not sent to the server.
    """
    text = resources.files("gateway").joinpath("sql", file_name).read_text(encoding="utf-8")
    _, *parts = _NAME.split(text)
    names, bodies = parts[::2], parts[1::2]
    return MappingProxyType(
        {name: _without_comments(body) for name, body in zip(names, bodies, strict=True)}
    )


def _without_comments(body: str) -> str:
    lines = (line for line in body.splitlines() if not line.lstrip().startswith("--"))
    return "\n".join(lines).strip()
