"""The dashboards as Grafana would read them: panels, queries, and its macros and variables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

FOLDER: Final = Path(__file__).parents[2] / "deploy" / "grafana" / "dashboards"

FILES: Final = sorted(FOLDER.glob("*.json"))


class Query(msgspec.Struct, frozen=True):
    """One query of one panel."""

    dashboard: str
    panel: str
    kind: str
    text: str
    is_sql: bool
    is_series: bool

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.dashboard}: {self.panel}"


def dashboard(file: Path) -> dict[str, Any]:
    """The content of a file."""
    made: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return made


def queries(file: Path) -> Iterator[Query]:
    """All queries of a dashboard's panels."""
    for panel in dashboard(file)["panels"]:
        for target in panel.get("targets", ()):
            is_sql = "rawSql" in target
            yield Query(
                dashboard=file.stem,
                panel=panel["title"],
                kind=panel["type"],
                text=target["rawSql"] if is_sql else target["expr"],
                is_sql=is_sql,
                is_series=target.get("format") == "time_series",
            )


def variables(file: Path) -> list[dict[str, Any]]:
    """What the reader may choose."""
    found: list[dict[str, Any]] = dashboard(file)["templating"]["list"]
    return found


def promql(text: str) -> str:
    """A query to Prometheus with all chosen and a rate interval of a minute."""
    return _complete(
        text.replace("$__rate_interval", "1m")
        .replace("$__interval", "5s")
        .replace("$gateway", ".+")
    )


def sql(text: str, since: datetime, until: datetime, chosen: Mapping[str, Sequence[str]]) -> str:
    """A query to PostgreSQL with a time range and the values of variables."""
    text = text.replace("$__timeFrom()", f"'{since.isoformat()}'")
    text = text.replace("$__timeTo()", f"'{until.isoformat()}'")
    for name, values in chosen.items():
        quoted = ",".join("'" + value.replace("'", "''") + "'" for value in values)
        text = text.replace(f"${{{name}:sqlstring}}", quoted)
    return _complete(text)


def _complete(text: str) -> str:
    """Nothing is left that only Grafana understands."""
    assert not re.search(r"\$\w|\$\{", text), text
    return text


METRIC_NAME: Final = re.compile(
    r"(?<![\w:\"])((?:gateway_|process_)\w+|\w+:gateway_\w+:\w+)(?![\w:(\"])"
)


def metric_names(expression: str) -> set[str]:
    """The metrics, ours and of the process, that an expression refers to."""
    without_strings = re.sub(r'"[^"]*"', '""', expression)
    return set(METRIC_NAME.findall(without_strings))
