"""Every panel, variable, rule and alert, asked of a real Prometheus and a real PostgreSQL after a
small run: nothing is an error, and nothing is empty.
"""

from __future__ import annotations

import math
import re
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
import pytest_asyncio
import yaml

from gateway.embedded_postgres import EmbeddedPostgres
from tests.helpers import dashboards
from tests.helpers.brokers import Broker
from tests.helpers.dashboards import Query
from tests.helpers.databases import fresh_database
from tests.helpers.prometheus import DEPLOYED, Prometheus, need_prometheus, promtool
from tests.helpers.small_run import STORED, small_run, two_gateways

SCRAPED_WITHIN_SECONDS: Final = 30.0
"""A broken test ends with an error instead of hanging."""

READER: Final = "dashboards_reader"

LABELS: Final = {
    "transport", "reason", "code", "queue", "lane", "verdict", "fate", "version", "way",
    "direction", "le", "limit", "result",
}  # fmt: skip
"""All labels there are. None can hold a device: their values are few, and words of the code."""

QUERIES: Final = [query for file in dashboards.FILES for query in dashboards.queries(file)]


class Watched:
    """What a run has left behind, and what looks at it."""

    def __init__(self, prometheus: Prometheus, reader_dsn: str, metrics: str) -> None:
        self.prometheus = prometheus
        self.metrics = metrics
        self._dsn = reader_dsn

    def rows(self, query: str) -> list[dict[str, Any]]:
        """What PostgreSQL answers to somebody who may read the views and nothing else."""
        with psycopg.connect(self._dsn, row_factory=psycopg.rows.dict_row) as connection:
            return connection.execute(query.encode()).fetchall()

    def chosen(self) -> dict[str, list[str]]:
        """The values of all variables, with everything chosen that may be."""
        found: dict[str, list[str]] = {}
        for file in dashboards.FILES:
            for variable in dashboards.variables(file):
                if variable["type"] == "textbox":
                    found[variable["name"]] = [variable["query"]]
                elif isinstance(variable["query"], str):
                    values = [next(iter(row.values())) for row in self.rows(variable["query"])]
                    found[variable["name"]] = values if variable["multi"] else values[:1]
        return found


@pytest.fixture(scope="module")
def reader(postgres: EmbeddedPostgres, migrated_template: str) -> Iterator[tuple[str, str]]:
    """A database, by its owner's address and by that of a role that may read the views."""
    with fresh_database(postgres, migrated_template) as dsn:
        with psycopg.connect(dsn, autocommit=True) as owner:
            owner.execute(f"CREATE ROLE {READER} LOGIN PASSWORD 'reader'".encode())
            views = owner.execute(
                "SELECT viewname FROM pg_views WHERE viewname LIKE 'dashboard\\_%'"
                " OR viewname = 'ledger_by_day'"
            ).fetchall()
            for (view,) in views:
                owner.execute(f"GRANT SELECT ON {view} TO {READER}".encode())
        yield dsn, re.sub(r"//[^@]*@", f"//{READER}:reader@", dsn)
        with psycopg.connect(dsn, autocommit=True) as owner:
            owner.execute(f"DROP OWNED BY {READER}".encode())
            owner.execute(f"DROP ROLE {READER}".encode())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched(reader: tuple[str, str], nats_broker: Broker) -> AsyncIterator[Watched]:
    """A small run has been played under the eyes of Prometheus; the handsets are still there."""
    need_prometheus()
    dsn, reader_dsn = reader
    with tempfile.TemporaryDirectory() as name:
        async with two_gateways(dsn, nats_broker, Path(name)) as gateways:
            targets = [f"127.0.0.1:{gateway.http_port}" for gateway in gateways]
            prometheus = Prometheus(Path(name), targets)
            prometheus.start()
            try:
                until_answer(prometheus, 'sum(up{job="field-gateway"})', 2)
                async with small_run(dsn, nats_broker, gateways):
                    until_answer(prometheus, "sum(gateway_stored_total)", STORED)
                    seen = "sum(transport:gateway_stored:rate5m) > bool 0"
                    until_answer(prometheus, seen, 1)
                    yield Watched(prometheus, reader_dsn, metrics_of(targets[0]))
            finally:
                prometheus.stop()


def metrics_of(target: str) -> str:
    """What a gateway tells, as Prometheus reads it."""
    with urllib.request.urlopen(f"http://{target}/metrics") as response:
        text: str = response.read().decode()
        return text


def until_answer(prometheus: Prometheus, expression: str, expected: float) -> None:
    """Wait until Prometheus answers this."""
    deadline, found = time.monotonic() + SCRAPED_WITHIN_SECONDS, []
    while time.monotonic() < deadline:
        found = prometheus.query(expression)
        if found and float(found[0]["value"][1]) == expected:
            return
        time.sleep(0.2)
    raise AssertionError(f"{expression}: {found}, not {expected}")


def numbers(series: list[dict[str, Any]]) -> list[float]:
    """All values of an answer that are numbers."""
    values = (float(value) for one in series for _, value in one["values"])
    return [value for value in values if not math.isnan(value)]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
def test_every_panel_is_answered(watched: Watched, query: Query) -> None:
    """Without an error, and with values; each column of a table has one in some row."""
    if not query.is_sql:
        assert numbers(watched.prometheus.query_range(dashboards.promql(query.text), 30))
        return
    until = datetime.now(UTC)
    text = dashboards.sql(query.text, until - timedelta(days=7), until, watched.chosen())
    rows = watched.rows(text)
    assert rows
    assert [name for name in rows[0] if all(row[name] is None for row in rows)] == []
    if query.is_series:
        times = [row["time"] for row in rows]
        assert times == sorted(times)


@pytest.mark.parametrize("file", dashboards.FILES, ids=lambda file: file.stem)
def test_every_variable_has_values(watched: Watched, file: Path) -> None:
    """What the reader may choose is there, and what is chosen at first is among it."""
    for variable in dashboards.variables(file):
        if variable["type"] == "textbox":
            continue
        if isinstance(variable["query"], dict):
            metric, label = re.findall(r"\w+", variable["query"]["query"])[1:]
            series = watched.prometheus.query(metric)
            values = {one["metric"][label] for one in series}
        else:
            values = {next(iter(row.values())) for row in watched.rows(variable["query"])}
            if not variable["multi"]:
                assert variable["current"]["value"] in values
        assert values


def test_rules_are_healthy(watched: Watched) -> None:
    """Prometheus evaluates each of them without an error."""
    groups = watched.prometheus.get("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) == len(rules_of("recording.yml")) + len(rules_of("alerts.yml"))
    assert [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"] == []


def test_what_is_referred_to_exists(watched: Watched) -> None:
    """Each metric that a panel, a rule or an alert names is there after the run."""
    expressions = [query.text for query in QUERIES if not query.is_sql]
    expressions += [rule["expr"] for rule in rules_of("recording.yml") + rules_of("alerts.yml")]
    named = set().union(*map(dashboards.metric_names, expressions))
    there = set(watched.prometheus.get("label/__name__/values"))
    assert named
    assert named - there == set()


def test_metrics_follow_the_conventions(watched: Watched) -> None:
    """The official tool has nothing to say of what a gateway tells."""
    assert promtool("check", "metrics", text=watched.metrics) == ""


def test_labels_are_bounded(watched: Watched) -> None:
    """No label that is not on the list, hence none that could hold a device."""
    ours = [line for line in watched.metrics.splitlines() if line.startswith("gateway_")]
    found = {label for line in ours for label in re.findall(r'(\w+)="', line)}
    assert found <= LABELS


def test_a_reader_of_the_views_reads_nothing_else(watched: Watched) -> None:
    """Neither reports nor keys of handsets."""
    for table in ("report", "device", "traffic"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            watched.rows(f"SELECT * FROM {table}")


def rules_of(file: str) -> list[dict[str, Any]]:
    """The rules of a file."""
    content = yaml.safe_load((DEPLOYED / "rules" / file).read_text(encoding="utf-8"))
    return [rule for group in content["groups"] for rule in group["rules"]]
