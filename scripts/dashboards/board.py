"""What a dashboard is made of: targets, panels, variables, rows. Grafana's JSON stands here alone.

To change a dashboard, change its definition beside this file and run
`python -m scripts.make_dashboards`. Titles are English and Chinese, units are Grafana's ids.
"""

from typing import Any, Final, Literal

import msgspec

PROMETHEUS: Final = {"type": "prometheus", "uid": "field-gateway-prometheus"}
POSTGRES: Final = {"type": "grafana-postgresql-datasource", "uid": "field-gateway-postgres"}

SCHEMA_VERSION: Final = 41
"""Of Grafana 11 and 12; newer ones migrate it when they load it."""

COLUMNS: Final = 24
"""Width of Grafana's grid."""

YUAN: Final = "currency:¥"
DAYS: Final = (
    "day BETWEEN ($__timeFrom()::timestamptz AT TIME ZONE 'Asia/Shanghai')::date"
    " AND ($__timeTo()::timestamptz AT TIME ZONE 'Asia/Shanghai')::date"
)
"""Whole days in China that the time range touches. Days are dates, so indexes serve it."""

MONTHS: Final = (
    "month BETWEEN date_trunc('month', $__timeFrom()::timestamptz AT TIME ZONE 'Asia/Shanghai')"
    " AND $__timeTo()::timestamptz AT TIME ZONE 'Asia/Shanghai'"
)
"""Calendar months that the time range touches."""

DAY_TIME: Final = "day::timestamp AT TIME ZONE 'Asia/Shanghai' AS time"
"""The beginning of a day in China, as Grafana's time column."""

Kind = Literal["timeseries", "stat", "table", "bargauge"]


class Target(msgspec.Struct, frozen=True):
    """One query."""

    query: str
    legend: str = ""
    is_sql: bool = False
    is_series: bool = False
    """Of SQL: whether the answer has a column `time` and one row for each point."""

    def json(self, ref: str) -> dict[str, Any]:
        """As Grafana has it."""
        if not self.is_sql:
            return {
                "datasource": PROMETHEUS,
                "editorMode": "code",
                "expr": self.query,
                "legendFormat": self.legend or "__auto",
                "range": True,
                "refId": ref,
            }
        return {
            "datasource": POSTGRES,
            "editorMode": "code",
            "format": "time_series" if self.is_series else "table",
            "rawQuery": True,
            "rawSql": self.query,
            "refId": ref,
        }


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """One picture."""

    title: str
    kind: Kind
    targets: list[Target]
    unit: str = "short"
    description: str = ""
    width: int = 8
    height: int = 8
    decimals: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    stacked: bool = False
    bars: bool = False
    thresholds: tuple[tuple[float, str], ...] = ()
    """From which value on which colour; below the first it is green. Empty: one calm colour."""
    column_units: dict[str, str] = msgspec.field(default_factory=dict)
    """Of a table: the unit of each column that has one of its own."""

    def json(self, number: int, x: int, y: int) -> dict[str, Any]:
        """As Grafana has it, at a place."""
        defaults: dict[str, Any] = {
            "unit": self.unit,
            "color": {"mode": "thresholds" if self.thresholds else "palette-classic"},
            "thresholds": {
                "mode": "absolute",
                "steps": [
                    {"color": "green", "value": None},
                    *({"color": color, "value": value} for value, color in self.thresholds),
                ],
            },
            "custom": self._custom(),
        }
        if self.kind == "stat" and not self.thresholds:
            defaults["color"] = {"mode": "fixed", "fixedColor": "text"}
        bounds = {"decimals": self.decimals, "min": self.minimum, "max": self.maximum}
        defaults |= {name: value for name, value in bounds.items() if value is not None}
        overrides = [
            {
                "matcher": {"id": "byName", "options": column},
                "properties": [{"id": "unit", "value": unit}],
            }
            for column, unit in self.column_units.items()
        ]
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": POSTGRES if self.targets[0].is_sql else PROMETHEUS,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "fieldConfig": {"defaults": defaults, "overrides": overrides},
            "options": self._options(),
            "targets": [
                target.json(chr(ord("A") + place)) for place, target in enumerate(self.targets)
            ],
        }

    def _custom(self) -> dict[str, Any]:
        if self.kind == "timeseries":
            return {
                "drawStyle": "bars" if self.bars else "line",
                "lineWidth": 1,
                "fillOpacity": 60 if self.bars else 10,
                "showPoints": "never",
                "spanNulls": False,
                "stacking": {"mode": "normal" if self.stacked else "none", "group": "A"},
            }
        if self.kind == "table":
            return {"align": "auto", "filterable": False}
        return {}

    def _options(self) -> dict[str, Any]:
        reduce = {"values": False, "calcs": ["lastNotNull"], "fields": ""}
        match self.kind:
            case "timeseries":
                return {
                    "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
                    "tooltip": {"mode": "multi", "sort": "desc"},
                }
            case "stat":
                return {
                    "colorMode": "value",
                    "graphMode": "none",
                    "textMode": "auto",
                    "reduceOptions": reduce,
                }
            case "bargauge":
                rows = {**reduce, "values": True}
                sql = self.targets[0].is_sql
                return {
                    "orientation": "horizontal",
                    "displayMode": "basic",
                    "showUnfilled": True,
                    "reduceOptions": rows if sql else reduce,
                }
            case "table":
                return {"showHeader": True, "cellHeight": "sm"}


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """What the reader may choose at the top."""

    name: str
    label: str
    query: str
    is_sql: bool = False
    multi: bool = True
    text: str = ""
    """Of a text box: what stands in it at first. Then there is no query."""
    default: str = ""
    """What is chosen at first, where one is to be chosen."""

    def json(self) -> dict[str, Any]:
        """As Grafana has it."""
        made: dict[str, Any] = {"name": self.name, "label": self.label, "hide": 0}
        if self.text:
            chosen = {"text": self.text, "value": self.text}
            return made | {"type": "textbox", "query": self.text, "current": chosen}
        made |= {
            "type": "query",
            "datasource": POSTGRES if self.is_sql else PROMETHEUS,
            "query": self.query
            if self.is_sql
            else {"query": self.query, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
            "definition": self.query,
            "refresh": 2,
            "sort": 1,
            "multi": self.multi,
            "includeAll": self.multi,
        }
        if self.multi and not self.is_sql:
            made["allValue"] = ".+"
        if self.multi:
            made["current"] = {"text": ["All"], "value": ["$__all"]}
        else:
            made["current"] = {"text": self.default, "value": self.default}
        return made


class Row(msgspec.Struct, frozen=True):
    """A heading and its panels, from left to right."""

    title: str
    panels: list[Panel]


class Board(msgspec.Struct, frozen=True, kw_only=True):
    """A dashboard."""

    uid: str
    title: str
    description: str
    since: str
    """Beginning of the time range, as `now-6h`."""
    refresh: str
    variables: list[Variable]
    rows: list[Row]

    def json(self) -> dict[str, Any]:
        """As Grafana has it."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": ["field-gateway"],
            "schemaVersion": SCHEMA_VERSION,
            "version": 1,
            "editable": True,
            "graphTooltip": 1,
            "timezone": "Asia/Shanghai",
            "refresh": self.refresh,
            "time": {"from": self.since, "to": "now"},
            "links": [
                {
                    "type": "dashboards",
                    "title": "Field gateway",
                    "tags": ["field-gateway"],
                    "asDropdown": False,
                    "includeVars": True,
                    "keepTime": False,
                }
            ],
            "annotations": {"list": []},
            "templating": {"list": [variable.json() for variable in self.variables]},
            "panels": self._panels(),
        }

    def _panels(self) -> list[dict[str, Any]]:
        panels: list[dict[str, Any]] = []
        y = 0
        for row in self.rows:
            heading = {"x": 0, "y": y, "w": COLUMNS, "h": 1}
            panels.append(
                {
                    "id": len(panels) + 1,
                    "type": "row",
                    "title": row.title,
                    "collapsed": False,
                    "gridPos": heading,
                    "panels": [],
                }
            )
            x, y, tallest = 0, y + 1, 0
            for panel in row.panels:
                if x + panel.width > COLUMNS:
                    x, y, tallest = 0, y + tallest, 0
                panels.append(panel.json(len(panels) + 1, x, y))
                x, tallest = x + panel.width, max(tallest, panel.height)
            y += tallest
        return panels


# Short ways to write them.


def prom(query: str, legend: str = "") -> Target:
    """A question to Prometheus."""
    return Target(query, legend)


def sql(query: str) -> Target:
    """A question to PostgreSQL whose answer is a table."""
    return Target(" ".join(query.split()), is_sql=True)


def sql_series(query: str) -> Target:
    """A question to PostgreSQL whose answer is points in time."""
    return Target(" ".join(query.split()), is_sql=True, is_series=True)


def stat(title: str, target: Target, unit: str = "short", **more: Any) -> Panel:
    """One number."""
    return Panel(**{"width": 4, "height": 4, **_of(title, "stat", [target], unit), **more})


def lines(title: str, targets: list[Target], unit: str = "short", **more: Any) -> Panel:
    """Curves over time."""
    return Panel(**{**_of(title, "timeseries", targets, unit), **more})


def daily(title: str, target: Target, unit: str = "short", **more: Any) -> Panel:
    """Bars, one for each day."""
    return Panel(**{"width": 12, "bars": True, **_of(title, "timeseries", [target], unit), **more})


def table(title: str, query: str, **more: Any) -> Panel:
    """Rows of PostgreSQL."""
    return Panel(**{"width": 12, **_of(title, "table", [sql(query)], "short"), **more})


def bar_gauge(title: str, target: Target, unit: str = "short", **more: Any) -> Panel:
    """A bar for each of a few things."""
    return Panel(**{**_of(title, "bargauge", [target], unit), **more})


def _of(title: str, kind: Kind, targets: list[Target], unit: str) -> dict[str, Any]:
    return {"title": title, "kind": kind, "targets": targets, "unit": unit}
