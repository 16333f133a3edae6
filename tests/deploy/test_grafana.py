"""`deploy/grafana`: provisioned data sources, and dashboards that Grafana can load."""

import itertools
import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from scripts.dashboards.board import COLUMNS
from tests.helpers import dashboards
from tests.helpers.dashboards import FILES, dashboard

ROOT: Final = Path(__file__).parents[2] / "deploy" / "grafana" / "provisioning"

MIN_SCHEMA_VERSION: Final = 36
"""Since Grafana 9: data sources by uid."""

PANEL_TYPES: Final = {"row", "timeseries", "stat", "table", "bargauge"}
"""What Grafana brings without a plugin."""

UNITS: Final = {
    "short", "s", "bytes", "Bps", "cps", "percent", "percentunit", "bool_yes_no", "currency:¥",
}  # fmt: skip

HOST: Final = re.compile(r"https?://|localhost|\d+\.\d+\.\d+\.\d+|gateway-\d|:9090|:9440|:5432")

every_dashboard = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def provisioned(path: str) -> Any:
    """What a file of the provisioning says."""
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


SOURCES: Final = {
    source["uid"]: source["type"]
    for source in provisioned("datasources/field-gateway.yaml")["datasources"]
}


def panels(file: Path) -> list[dict[str, Any]]:
    """All panels, headings too."""
    found: list[dict[str, Any]] = dashboard(file)["panels"]
    return found


def sources_in(value: Any) -> list[dict[str, str]]:
    """Every reference to a data source, however deep."""
    if isinstance(value, list):
        return [found for part in value for found in sources_in(part)]
    if not isinstance(value, dict):
        return []
    own = [value["datasource"]] if "datasource" in value else []
    return own + [found for part in value.values() for found in sources_in(part)]


def test_there_are_three() -> None:
    """Operations, cost, field work, each with a uid of its own."""
    assert [file.stem for file in FILES] == ["cost", "field-work", "operations"]
    assert len({dashboard(file)["uid"] for file in FILES}) == len(FILES)


@every_dashboard
def test_the_head(file: Path) -> None:
    """What Grafana asks of a file, a time range that ends now, times in China."""
    made = dashboard(file)
    assert made["schemaVersion"] >= MIN_SCHEMA_VERSION
    assert "id" not in made
    assert made["title"].startswith("Field gateway: ")
    assert made["timezone"] == "Asia/Shanghai"
    assert re.fullmatch(r"now-\d+[hd]", made["time"]["from"])
    assert made["time"]["to"] == "now"


@every_dashboard
def test_panels_have_numbers_and_names_of_their_own(file: Path) -> None:
    """And kinds that Grafana has, units, and titles in both languages."""
    ids = [panel["id"] for panel in panels(file)]
    titles = [panel["title"] for panel in panels(file)]
    assert len(set(ids)) == len(ids)
    assert len(set(titles)) == len(titles)
    assert {panel["type"] for panel in panels(file)} <= PANEL_TYPES
    assert all(re.fullmatch(r"[ -~]+ · .*[一-鿿]+.*", title) for title in titles)
    for panel in panels(file):
        if panel["type"] != "row":
            assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
            units = [o["properties"][0]["value"] for o in panel["fieldConfig"]["overrides"]]
            assert set(units) <= UNITS


@every_dashboard
def test_panels_do_not_overlap(file: Path) -> None:
    """Each lies within the grid and on no other."""
    cells: dict[tuple[int, int], int] = {}
    for panel in panels(file):
        place = panel["gridPos"]
        columns = range(place["x"], place["x"] + place["w"])
        assert columns[-1] < COLUMNS
        for cell in itertools.product(columns, range(place["y"], place["y"] + place["h"])):
            assert cells.setdefault(cell, panel["id"]) == panel["id"], panel["title"]


@every_dashboard
def test_data_sources_are_provisioned(file: Path) -> None:
    """Every reference names one by uid, with its type."""
    found = sources_in(dashboard(file))
    assert found
    assert {source["uid"]: source["type"] for source in found}.items() <= SOURCES.items()


@every_dashboard
def test_no_host_is_named(file: Path) -> None:
    """A dashboard works wherever its data sources lead."""
    assert not HOST.search(file.read_text(encoding="utf-8"))


@every_dashboard
def test_variables_are_used(file: Path) -> None:
    """Whatever the reader may choose changes something, and nothing else is asked for."""
    names = {variable["name"] for variable in dashboards.variables(file)}
    texts = [query.text for query in dashboards.queries(file)]
    asked = set(re.findall(r"\$\{?(?!__)(\w+)", " ".join(texts)))
    assert asked == names


@every_dashboard
def test_no_query_reads_reports(file: Path) -> None:
    """PostgreSQL is asked for views that were made for it."""
    for query in dashboards.queries(file):
        if query.is_sql:
            relations = set(re.findall(r"(?:FROM|JOIN) (\w+)", query.text))
            assert relations
            assert all(
                name.startswith("dashboard_") or name == "ledger_by_day" for name in relations
            ), relations


def test_the_database_is_only_read() -> None:
    """By a role of its own, whose password does not stand in the file."""
    sources = provisioned("datasources/field-gateway.yaml")["datasources"]
    (postgres,) = [source for source in sources if "postgres" in source["type"]]
    assert postgres["user"] == "grafana"
    assert postgres["secureJsonData"] == {"password": "$GRAFANA_DATABASE_PASSWORD"}


def test_dashboards_are_read_from_a_folder() -> None:
    """Where the compose file puts them."""
    (provider,) = provisioned("dashboards/field-gateway.yaml")["providers"]
    assert provider["options"]["path"] == "/etc/grafana/dashboards"
    assert provider["type"] == "file"
