"""The shape of the source, held by reading it: imports, sizes, mirrored tests, addresses."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

MAX_FILE_LINES = 400
"""Longer, and nobody reads a file whole: split it by idea."""

MAX_FUNCTION_LINES = 60
"""Longer, and a function does not fit on a screen."""

PURE_LIBRARIES = {
    "__future__", "abc", "array", "base64", "binascii", "bisect", "calendar", "codecs",
    "collections", "copy", "dataclasses", "datetime", "decimal", "enum",
    "functools", "hashlib", "hmac", "itertools", "math", "msgpack", "msgspec", "operator",
    "re", "string", "struct", "tomllib", "types", "typing", "unicodedata", "zlib",
}  # fmt: skip
"""What protocol, handlers and cost may use: no event loop, database, MQTT, clock, log, file."""

OBSERVE = {
    "gateway/observe.py",
    "gateway/observe_bills.py",
    "gateway/observe_budgets.py",
    "gateway/observe_counting.py",
    "gateway/observe_door.py",
    "gateway/observe_events.py",
    "gateway/observe_health.py",
    "gateway/observe_limits.py",
    "gateway/observe_meter.py",
    "gateway/observe_page.py",
    "gateway/observe_readings.py",
    "gateway/observe_revocation.py",
    "gateway/observe_tasks.py",
    "gateway/observe_tls.py",
}

ONLY_IN = {
    "structlog": OBSERVE,
    "prometheus_client": OBSERVE,
}
"""Libraries with a single door: one happening, one named function."""

NOT_IN_SIMULATOR = {"asyncio", "aiohttp", "aiomqtt", "asyncpg", "paho", "uvloop"}
"""The simulator drives the same protocol under trio."""

WITHOUT_OWN_TEST: dict[str, str] = {
    "gateway/protocol/text_dictionary.py": "one constant, pinned by the test of the script that"
    " makes it",
    "gateway/tcp_host.py": "a protocol class without code; mypy holds both sides to it",
}
"""Source files that no test file mirrors, and why."""

FOREIGN = re.compile(
    r"https?://[\w.]*(?:pypi|pythonhosted|npmjs)\b"
    r"|--(?:extra-)?index-url[ =]\S*[:/]|--find-links"
    r"|(?<![\w.])/(?:work|root|home|Users)/"
    r"|(?<![\w.])/tmp/(?!\.)"
)
"""Addresses of package registries, and paths of the machine somebody worked on."""


def source_files(*folders: str) -> list[str]:
    """Python files under the folders, as paths from the root."""
    return sorted(
        path.relative_to(ROOT).as_posix()
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
    )


@cache
def tree(path: str) -> ast.Module:
    """The parsed file."""
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), path)


def imports(path: str) -> Iterator[str]:
    """Full dotted names a file imports, at its head or inside a function."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(name: str, package: str) -> bool:
    """Whether a dotted name is the package or lies in it."""
    return name == package or name.startswith(f"{package}.")


def may_import(path: str, name: str) -> bool:
    """The table of who may import what."""
    top = name.partition(".")[0]
    if path not in ONLY_IN.get(top, {path}):
        return False
    if path.startswith("gateway/protocol/"):
        return within(name, "gateway.protocol") or top in PURE_LIBRARIES
    if path.startswith("gateway/handlers/"):
        pure = within(name, "gateway.protocol") or within(name, "gateway.handlers")
        return pure or top in PURE_LIBRARIES
    if path.startswith("gateway/cost/"):
        pure = within(name, "gateway.protocol") or within(name, "gateway.cost")
        return pure or top in PURE_LIBRARIES
    if path.startswith("device_sim/"):
        foreign_part = top == "gateway" and not within(name, "gateway.protocol")
        return not foreign_part and top not in NOT_IN_SIMULATOR
    return top != "device_sim"


@pytest.mark.parametrize("path", source_files("gateway", "device_sim"))
def test_imports(path: str) -> None:
    """No file imports what its place in the design forbids."""
    assert [name for name in imports(path) if not may_import(path, name)] == []


@pytest.mark.parametrize(
    "path, name, allowed",
    [
        ("gateway/protocol/x.py", "gateway.protocol.limits", True),
        ("gateway/protocol/x.py", "gateway.handlers.report", False),
        ("gateway/protocol/x.py", "gateway.protocols", False),
        ("gateway/protocol/x.py", "time", False),
        ("gateway/handlers/x.py", "gateway.protocol.report", True),
        ("gateway/handlers/x.py", "gateway.store", False),
        ("gateway/handlers/x.py", "logging", False),
        ("gateway/cost/x.py", "gateway.protocol.report", True),
        ("gateway/cost/x.py", "gateway.metered", False),
        ("gateway/cost/x.py", "asyncpg", False),
        ("gateway/store.py", "asyncpg", True),
        ("gateway/store.py", "structlog", False),
        ("gateway/store.py", "device_sim.fleet", False),
        ("gateway/observe.py", "structlog", True),
        ("device_sim/x.py", "trio", True),
        ("device_sim/x.py", "asyncio", False),
        ("device_sim/x.py", "gateway.protocol.report", True),
        ("device_sim/x.py", "gateway.store", False),
    ],
)
def test_the_rule_itself(path: str, name: str, allowed: bool) -> None:  # noqa: FBT001 -- a table
    """The table says what the design says."""
    assert may_import(path, name) is allowed


def mirror(path: str) -> str:
    """The test file of a source file."""
    place, _, name = path.rpartition("/")
    return f"tests/{place}/test_{'main' if name == '__main__.py' else name[:-3]}.py"


@pytest.mark.parametrize(
    "path",
    [p for p in source_files("gateway", "device_sim") if not p.endswith("__init__.py")],
)
def test_every_source_file_has_its_test(path: str) -> None:
    """A test file mirrors it, or a reason stands above; never both."""
    mirrored, excepted = (ROOT / mirror(path)).exists(), path in WITHOUT_OWN_TEST
    assert mirrored != excepted, mirror(path)


def test_connections_are_let_go_at_once() -> None:
    """Who takes a connection of the pool or begins a transaction does it through
    `gateway/database.py`; only `migrate`, which nobody stops, may begin its own.
    """
    own = {
        path.name
        for path in (ROOT / "gateway").rglob("*.py")
        if re.search(r"pool\.acquire\(|\w\.transaction\(", path.read_text(encoding="utf-8"))
    }
    assert own == {"database.py", "migrate.py"}


def test_exceptions_are_of_this_tree() -> None:
    """Nobody keeps an exception for a file that is gone."""
    assert set(source_files("gateway", "device_sim")) >= set(WITHOUT_OWN_TEST)


@pytest.mark.parametrize(
    "path", source_files("gateway", "device_sim", "bench", "chaos", "fuzz", "scripts", "tests")
)
def test_sizes(path: str) -> None:
    """Files and functions stay short enough to be read whole."""
    assert len((ROOT / path).read_text(encoding="utf-8").splitlines()) <= MAX_FILE_LINES
    functions = [
        node
        for node in ast.walk(tree(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    spans = {f.name: (f.end_lineno or f.lineno) - f.lineno + 1 for f in functions}
    assert {name: span for name, span in spans.items() if span > MAX_FUNCTION_LINES} == {}


def tracked_files() -> list[str]:
    """What git keeps."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: nothing says which files belong to the tree")
    listed = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    return [name for name in listed.stdout.decode().split("\0") if name]


def test_no_foreign_addresses() -> None:
    """Nothing in the tree names a package registry or a path of the machine it was made on."""
    this_file = Path(__file__).relative_to(ROOT).as_posix()
    found = []
    for name in tracked_files():
        path = ROOT / name
        if name == this_file or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [f"{name}: {match[0]}" for match in FOREIGN.finditer(text)]
    assert found == []


def test_what_counts_as_foreign() -> None:
    """The pattern finds what it is for and leaves the options of the lock target alone."""
    assert FOREIGN.search("https://" + "files.pythonhosted" + ".example/x")
    assert FOREIGN.search("see /home/somebody/notes")
    assert FOREIGN.search("--index-url https://mirror/simple")
    assert not FOREIGN.search("--no-emit-index-url --quiet")
    assert not FOREIGN.search("/var/lib/field-gateway and tests/tmp/x")
