"""`deploy/compose.yaml`: understood by docker-compose, whole, shut where it has to be."""

import re
from pathlib import Path

import pytest
import yaml

from gateway import __version__
from gateway.__main__ import main
from gateway.app import longest_stop_seconds
from gateway.settings_loader import load_settings
from tests.helpers.compose import (
    COMPOSE_FILE,
    DEPLOY,
    ROOT,
    SECRETS,
    Published,
    environment_of,
    need_tool,
    networks,
    published,
    run_compose,
    secret_of,
    services,
)
from tests.helpers.compose import REQUIRE_TOOLS as REQUIRE
from tests.helpers.markdown import rows, section_of

OUR_IMAGE = f"field-gateway:{__version__}"
GATEWAYS = ["gateway-1", "gateway-2"]
SERVICES = sorted(yaml.safe_load(COMPOSE_FILE.read_text(encoding="utf-8"))["services"])
ONCE = {"broker-files", "migrate"}
"""Services that run to their end before others start."""
BINARY_UNITS = 1024 * 1024


def test_compose_takes_it() -> None:
    """docker-compose, which checks the file against its schema, has nothing to say."""
    done = run_compose("config", "--quiet", environment={name: secret_of(name) for name in SECRETS})
    assert (done.returncode, done.stderr) == (0, "")


def test_a_missing_tool_is_skipped_or_demanded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tests are skipped with the reason, unless the environment demands them."""
    monkeypatch.delenv(REQUIRE, raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-tool is not installed"):
        need_tool("no-such-tool")
    monkeypatch.setenv(REQUIRE, "1")
    with pytest.raises(pytest.fail.Exception, match="no-such-tool is not installed"):
        need_tool("no-such-tool")


@pytest.mark.parametrize("missing", SECRETS)
def test_no_secret_has_a_default(missing: str) -> None:
    """Each that is not filled in ends `up` with its name."""
    environment = {name: secret_of(name) for name in SECRETS if name != missing}
    done = run_compose("config", "--quiet", environment=environment)
    assert done.returncode != 0
    assert missing in done.stderr


def test_the_example_asks_for_what_the_file_uses() -> None:
    """`.env.example` names every variable once, and holds no value."""
    used = re.findall(r"(?<!\$)\$\{(\w+)", COMPOSE_FILE.read_text(encoding="utf-8"))
    assert sorted(set(used)) == sorted(SECRETS)
    example = (DEPLOY / ".env.example").read_text(encoding="utf-8")
    assert re.findall(r"^\w+=.+$", example, re.MULTILINE) == []
    assert "/deploy/.env\n" in (ROOT / ".gitignore").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SERVICES)
def test_every_mounted_file_is_in_the_tree(name: str) -> None:
    """And is read-only: nothing writes into the tree."""
    binds = [v for v in services()[name].get("volumes", []) if v["type"] == "bind"]
    missing = [bind["source"] for bind in binds if not Path(bind["source"]).exists()]
    assert missing == []
    assert all(bind.get("read_only") for bind in binds)


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned(name: str) -> None:
    """By a version of two parts at least: a restart brings no other program."""
    assert re.search(r":v?\d+\.\d+[\w.-]*$", services()[name]["image"])


def test_our_image_has_our_version() -> None:
    """Compose, and the Dockerfile's instructions, name the version that they build."""
    ours = {name for name, service in services().items() if service["image"] == OUR_IMAGE}
    assert ours == {*GATEWAYS, "migrate"}
    for name in ours:
        build = services()[name]["build"]
        assert (Path(build["context"]), build["dockerfile"]) == (ROOT, "deploy/Dockerfile")
    assert f"--tag {OUR_IMAGE} ." in (DEPLOY / "Dockerfile").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SERVICES)
def test_restart_health_and_order(name: str) -> None:
    """What runs on comes back and tells how it is; what runs once does neither."""
    service = services()[name]
    assert service["restart"] == ("no" if name in ONCE else "unless-stopped")
    if name in ONCE:
        assert service["healthcheck"] == {"disable": True}
    elif service["image"] != OUR_IMAGE:  # ours is in the image: test_dockerfile.py
        assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    for other, dependency in service.get("depends_on", {}).items():
        condition = "service_completed_successfully" if other in ONCE else "service_healthy"
        assert dependency["condition"] == condition


def test_the_gateways_wait_for_the_schema() -> None:
    """Migration first, when the database is there; then the gateways."""
    assert set(services()["migrate"]["depends_on"]) == {"postgres"}
    for name in GATEWAYS:
        assert set(services()[name]["depends_on"]) == {"postgres", "mosquitto", "migrate"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_limits(name: str) -> None:
    """Memory, processors, logs; no right that it does not need."""
    service = services()[name]
    limits = service["deploy"]["resources"]["limits"]
    assert int(limits["memory"]) >= 64 * BINARY_UNITS
    assert float(limits["cpus"]) >= 1
    options = service["logging"]["options"]
    assert options["max-size"].endswith("m")
    assert int(options["max-file"]) > 1
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("read_only") or name == "postgres"


def test_what_is_published() -> None:
    """To the outside what handsets and workflow services need; pages on loopback; no more."""
    outside = [port for port in published() if port.host_ip != "127.0.0.1"]
    assert sorted(outside, key=lambda port: port.host_port) == [
        Published("mosquitto", "", 1883, 1883),
        Published("gateway-1", "", 7440, 7440),
        Published("gateway-2", "", 7441, 7440),
    ]
    inside = [port for port in published() if port.host_ip == "127.0.0.1"]
    assert {(port.service, port.port) for port in inside} == {
        ("gateway-1", 9440),
        ("gateway-2", 9440),
        ("grafana", 3000),
    }
    assert len({port.host_port for port in published()}) == len(published())


def test_networks() -> None:
    """Database, metrics and the gateways' side of the broker have no way in or out."""
    shut = {name for name, network in networks().items() if network.get("internal")}
    assert shut == {"database", "broker", "metrics"}
    members = {
        network: {n for n, s in services().items() if network in s.get("networks", {})}
        for network in networks()
    }
    assert members["database"] == {"postgres", "migrate", "grafana", *GATEWAYS}
    assert members["broker"] == {"mosquitto", *GATEWAYS}
    assert members["metrics"] == {"prometheus", "grafana", *GATEWAYS}
    assert members["handsets"] == {"mosquitto", *GATEWAYS}
    for name in ("postgres", "prometheus", "migrate"):
        assert set(services()[name]["networks"]) <= shut


def test_commands_exist() -> None:
    """What compose runs of our image is a command of the gateway; without one the image serves."""
    for name, service in services().items():
        if service["image"] == OUR_IMAGE and service.get("command"):
            assert service["command"][0] in main.commands, name
    assert "serve" in main.commands


def test_the_gateways_settings() -> None:
    """Their environment loads; they differ in their names alone and share the work."""
    first, second = (load_settings(None, environment_of(name)) for name in GATEWAYS)
    assert (first.name, second.name) == ("gateway-1", "gateway-2")
    assert environment_of("gateway-1") | {"GATEWAY_NAME": "gateway-2"} == environment_of(
        "gateway-2"
    )
    assert load_settings(None, environment_of("migrate")).database == first.database
    assert first.mqtt.enabled
    assert (first.mqtt.version, first.mqtt.shared_group) == ("5", "auto")
    assert (first.mqtt.host, first.mqtt.port, first.mqtt.username) == ("mosquitto", 1884, "gateway")
    assert first.http.host == "0.0.0.0"  # noqa: S104 -- within the network of the metrics
    assert f":{secret_of('FIELD_GATEWAY_PASSWORD')}@postgres:5432/" in first.database.dsn


def test_time_and_files_of_the_gateways() -> None:
    """More time to stop than the longest stop takes, and a file for each session."""
    settings = load_settings(None, environment_of("gateway-1"))
    for name in GATEWAYS:
        service = services()[name]
        grace = re.fullmatch(r"(\d+)m(\d+)s", service["stop_grace_period"])
        assert grace
        assert int(grace[1]) * 60 + int(grace[2]) > longest_stop_seconds(settings)
        assert service["ulimits"]["nofile"]["soft"] >= settings.tcp.max_sessions + 1_000
        assert service["init"] is True


def bounds_of_memory_mb() -> int:
    """All of what docs/operations.md says that memory is bounded by, full at the same time."""
    document = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    table = rows(section_of(document, "Capacity and memory"), "what")
    return sum(
        max((int(size) for size in re.findall(r"(\d+) MB", at_the_defaults)), default=1)
        for *_, at_the_defaults in table
    )


def test_memory_of_the_gateways() -> None:
    """The limit lies above everything full at once, and the interpreter."""
    interpreter_mb = 128
    for name in GATEWAYS:
        limit = int(services()[name]["deploy"]["resources"]["limits"]["memory"])
        assert limit / BINARY_UNITS > bounds_of_memory_mb() + interpreter_mb


def test_the_database_keeps_its_promises() -> None:
    """Checksums, and the three settings that an ack is worth."""
    service = services()["postgres"]
    assert "--data-checksums" in service["environment"]["POSTGRES_INITDB_ARGS"].split()
    for setting in ("fsync", "full_page_writes", "synchronous_commit"):
        assert f"-c{setting}=on" in service["command"]


def test_prometheus_scrapes_the_gateways() -> None:
    """All of them, at the names and the port that they have here, in a network that both are in."""
    text = (DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    jobs = {job["job_name"]: job for job in yaml.safe_load(text)["scrape_configs"]}
    (targets,) = (static["targets"] for static in jobs["field-gateway"]["static_configs"])
    port = load_settings(None, environment_of("gateway-1")).http.port
    assert targets == [f"{name}:{port}" for name in GATEWAYS]


def test_grafana_finds_its_data_and_dashboards() -> None:
    """Each data source is a service that it can reach; passwords and folders are given."""
    grafana = services()["grafana"]
    places = {mount["target"]: mount["source"] for mount in grafana["volumes"]}
    provisioning = Path(places["/etc/grafana/provisioning"])
    (sources_file,) = (provisioning / "datasources").glob("*.yaml")
    for source in yaml.safe_load(sources_file.read_text(encoding="utf-8"))["datasources"]:
        host = source["url"].removeprefix("http://").partition(":")[0]
        assert set(services()[host]["networks"]) & set(grafana["networks"])
        for value in source.get("secureJsonData", {}).values():
            assert value.removeprefix("$") in grafana["environment"]
    (dashboards_file,) = (provisioning / "dashboards").glob("*.yaml")
    for provider in yaml.safe_load(dashboards_file.read_text(encoding="utf-8"))["providers"]:
        assert provider["options"]["path"] in places
