"""`docs/operations.md` holds every setting, metric, log event, check and exit code, and no more."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

import gateway.observe
import gateway.observe_bills
import gateway.observe_budgets
import gateway.observe_counting
import gateway.observe_door
import gateway.observe_events
import gateway.observe_health
import gateway.observe_limits
import gateway.observe_meter
import gateway.observe_revocation
import gateway.observe_tasks
import gateway.observe_tls  # noqa: F401 - all of them register metrics
from gateway import command
from gateway.app import longest_stop_seconds
from gateway.cost.period import Period
from gateway.page_figures import Figures, Ledger, OpenTasks, ShownReport, StreetFigures
from gateway.pulse import Sample
from gateway.settings import Settings
from tests.helpers.markdown import code, number, rows, section_of

ROOT = Path(__file__).resolve().parents[2]
PARTS = (
    "",
    "_bills",
    "_budgets",
    "_counting",
    "_door",
    "_events",
    "_limits",
    "_meter",
    "_page",
    "_revocation",
    "_tasks",
    "_tls",
)
"""Of the source of log lines."""

DOCUMENT = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def source(path: str) -> str:
    """The text of a source file."""
    return (ROOT / path).read_text(encoding="utf-8")


def settings_of(section: type[msgspec.Struct], prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Every setting: dotted name, type, default."""
    for field in inspect.type_info(section).fields:  # type: ignore[attr-defined]
        if isinstance(field.type, inspect.StructType):
            yield from settings_of(field.type.cls, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name, field.type, field.default


def written_default(value: object) -> str:
    """How the document writes a default."""
    if value is msgspec.NODEFAULT:
        return "the host's name"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"`{value}`" if value else "empty"
    return f"{value:g}" if isinstance(value, float) else str(value)


def written_range(kind: object) -> str:  # noqa: PLR0911 - a table of types
    """How the document writes what a setting may be."""
    match kind:
        case inspect.BoolType():
            return "true, false"
        case inspect.LiteralType(values=values):
            return ", ".join(f"`{value}`" for value in values)
        case inspect.StrType(min_length=int(low), max_length=int(high)):
            return f"{low} to {high} characters"
        case inspect.StrType() | inspect.UnionType():
            return "text"
        case inspect.FloatType(gt=int(low), le=high):
            return f"above {low}, up to {high}"
        case inspect.IntType(ge=low, le=None) | inspect.FloatType(ge=low, le=None):
            return f"{low} or more"
        case inspect.IntType(ge=low, le=high) | inspect.FloatType(ge=low, le=high):
            return f"{low} to {high}"
    raise AssertionError(kind)


def test_settings() -> None:
    """Each setting stands there with its default and range, in the order of the code."""
    written = [
        (code(name), default, ", ".join(sorted(allowed.split(", "))))
        for name, default, allowed, _ in rows(section_of(DOCUMENT, "Settings"), "setting")
    ]
    assert written == [
        (name, written_default(default), ", ".join(sorted(written_range(kind).split(", "))))
        for name, kind, default in settings_of(Settings)
    ]


def test_metrics() -> None:
    """Each metric that the gateway registers stands there with its type and labels."""
    written = {
        code(name): (kind, tuple(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels, *_ in rows(section_of(DOCUMENT, "Metrics"), "metric")
    }
    registered = {}
    for metric in REGISTRY._collector_to_names:
        if isinstance(metric, MetricWrapperBase) and metric._name.startswith("gateway_"):
            suffix = "_total" if metric._type == "counter" else ""
            registered[metric._name + suffix] = metric._type, tuple(metric._labelnames)
    assert written == registered


def test_queues() -> None:
    """Each value of the label `queue` stands there, in the order of the code."""
    written = [code(name) for name, *_ in rows(section_of(DOCUMENT, "Metrics"), "queue")]
    stations = ("app", "publishing", "metering")
    code_of_queues = "".join(source(f"gateway/{name}.py") for name in stations)
    assert written == re.findall(r'watch_queue\(\s*"(\w+)"', code_of_queues)


def test_log_events() -> None:
    """Each event that is logged stands there with its level."""
    written = {
        code(event): level for event, level, _ in rows(section_of(DOCUMENT, "Logs"), "event")
    }
    sources = "".join(source(f"gateway/observe{part}.py") for part in PARTS)
    logged = re.findall(r'(_log\.\w+|write)\(\s*"(\w+)"', sources)
    expected = {event: call.removeprefix("_log.") for call, event in logged}
    assert written == expected | {"session_closed": "info", "not_admitted": "warning"}


def test_figures_of_the_page() -> None:
    """Each field of the answer, and of the lists in it."""
    lines = {
        tuple(re.findall(r"`(\w+)`", names)): set(re.findall(r"`(\w+)`", what))
        for names, what in rows(section_of(DOCUMENT, "The page"), "field")
    }
    named = [name for names in lines for name in names]
    assert sorted(named) == sorted(Figures.__struct_fields__)
    inner = {
        ("period",): Period, ("ledger",): Ledger, ("tasks",): OpenTasks, ("pulse",): Sample,
        ("streets",): StreetFigures, ("newest", "emergencies"): ShownReport,
    }  # fmt: skip
    for names, struct in inner.items():
        assert lines[names] >= set(struct.__struct_fields__), names


def test_exit_codes() -> None:
    """Success and each code of the commands."""
    written = [number(value) for value, _ in rows(section_of(DOCUMENT, "Exit codes"), "code")]
    codes = (command.EXIT_FAILED, command.EXIT_USAGE, command.EXIT_UNREACHABLE)
    assert written == [0, *codes]


def test_the_longest_stop() -> None:
    """The sum that is told is the sum of the waits that are told, and of those in the code."""
    settings, text = Settings(), section_of(DOCUMENT, "Start and stop")
    drain = settings.drain_timeout_seconds
    waits = [seconds for seconds, _ in rows(text, "seconds")]
    assert waits[:2] == ["`drain_timeout_seconds`, at most 5", "`drain_timeout_seconds`"]
    told = 5 + drain + sum(float(part) for wait in waits[2:] for part in wait.split(","))
    assert told == longest_stop_seconds(settings)
    assert f"That is {told:g} s with `drain_timeout_seconds = {drain:g}`" in text


def test_readiness_checks() -> None:
    """Each check of `/readyz`."""
    written = {code(name) for name, _ in rows(section_of(DOCUMENT, "Health"), "check")}
    body = source("gateway/app.py").partition("async def checks")[2].partition("return results")[0]
    named = set(re.findall(r'"(\w+)": ', body)) | set(re.findall(r'results\["(\w+)"\]', body))
    assert written == named


def test_views_and_tables_exist() -> None:
    """Each table and view that is named is made by a migration."""
    migrations = "".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "gateway" / "sql" / "migrations").glob("*.sql")
    )
    made = set(re.findall(r"CREATE (?:TABLE|VIEW) (\w+)", migrations))
    written = rows(section_of(DOCUMENT, "Database"), "table or view")
    assert {name for cell, _ in written for name in re.findall(r"`(\w+)`", cell)} == made


def test_headings_are_in_the_contents() -> None:
    """The list at the beginning leads to every section."""
    listed = re.findall(r"^- \[(.+)\]\(#", DOCUMENT, re.MULTILINE)
    assert listed == re.findall(r"^## (.+)$", DOCUMENT, re.MULTILINE)


def test_what_is_said_of_mosquitto_stands_in_its_configuration() -> None:
    """Options that are explained have the values that are deployed."""
    deployed = source("deploy/mosquitto/mosquitto.conf").splitlines()
    explained = re.findall(r"^- `(max_\w+ \d+)`", DOCUMENT, re.MULTILINE)
    assert explained
    assert set(explained) <= set(deployed)
