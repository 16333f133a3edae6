"""Settings from a file and the environment, and errors that name the setting and its origin."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given

from fuzz.seeds import SEEDS
from fuzz.targets.settings import check
from gateway.cost.period import Period
from gateway.settings import Settings
from gateway.settings_loader import SettingsError, load_settings
from tests.helpers.hostile import changed
from tests.helpers.strategies import UNHURRIED


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a test writes its settings."""
    return tmp_path / "gateway.toml"


def refusal(path: Path | None, environment: dict[str, str]) -> str:
    """The message with which these settings are refused."""
    with pytest.raises(SettingsError) as caught:
        load_settings(path, environment)
    return str(caught.value)


def test_a_file(file: Path) -> None:
    """Sections are tables; what does not stand there keeps its default."""
    file.write_text('name = "north"\n[tcp]\nport = 7441\n[mqtt]\nenabled = true\n')
    settings = load_settings(file, {})
    assert (settings.name, settings.tcp.port, settings.mqtt.enabled) == ("north", 7441, True)
    assert settings.tcp.host == Settings().tcp.host


def test_the_environment_wins(file: Path) -> None:
    """Values are read as what the setting is: number, switch, text."""
    file.write_text('name = "north"\n[tcp]\nport = 7441\nwindow_reports = 5\n')
    environment = {
        "GATEWAY_NAME": "0815",
        "GATEWAY_TCP__PORT": "7442",
        "GATEWAY_MQTT__ENABLED": "true",
        "GATEWAY_MQTT__PASSWORD": "12345",
        "GATEWAY_BATCH__LINGER_SECONDS": "0.25",
        "GATEWAY_DRAIN_TIMEOUT_SECONDS": "3",
        "PATH": "/usr/bin",
        "OTHER_GATEWAY_TCP__PORT": "1",
    }
    settings = load_settings(file, environment)
    assert (settings.name, settings.tcp.port, settings.tcp.window_reports) == ("0815", 7442, 5)
    assert (settings.mqtt.enabled, settings.mqtt.password) == (True, "12345")
    assert settings.batch.linger_seconds == 0.25
    assert settings.drain_timeout_seconds == 3


def test_the_variable_that_names_the_file_is_no_setting(file: Path) -> None:
    """The command line reads it, and passes the whole environment on."""
    file.write_text('name = "north"\n')
    assert load_settings(file, {"GATEWAY_SETTINGS": str(file)}).name == "north"


@pytest.mark.parametrize(
    "text, parts",
    [
        ("[tcp]\nport = 70000\n", ["tcp.port", "65535"]),
        ('[tcp]\nport = "many"\n', ["tcp.port"]),
        ("[tcp]\nprot = 1\n", ["tcp.prot", "no such setting"]),
        ("[tpc]\nport = 1\n", ["tpc", "no such setting"]),
        ("[mqtt]\nversion = '4'\n", ["mqtt.version", "'4'"]),
        ("[database]\nmax_connections = 3\n", ["database.max_connections", ">= 4"]),
        ("[batch]\nlinger_seconds = -1\n", ["batch.linger_seconds", ">= 0"]),
        ("drain_timeout_seconds = 0\n", ["drain_timeout_seconds", "> 0"]),
        ("drain_timeout_seconds = nan\n", ["drain_timeout_seconds"]),
        ("[tcp]\nidle_timeout_seconds = inf\n", ["tcp.idle_timeout_seconds"]),
        ("[relay]\npoll_seconds = 0.009\n", ["relay.poll_seconds", ">= 0.01"]),
        ("[relay]\npoll_seconds = 60.1\n", ["relay.poll_seconds", "<= 60"]),
        ("[relay]\nbusy_events_per_second = 0\n", ["relay.busy_events_per_second", ">= 1"]),
        ("[relay]\nkeep_days = 0\n", ["relay.keep_days", ">= 1"]),
        ("[relay]\nkeep_days = 3651\n", ["relay.keep_days", "<= 3650"]),
        ('[cost]\ntariff = "nonesuch"\n', ["cost.tariff", "nonesuch", "gprs-2006-plan-20"]),
        ('[cost]\ntariff = "sms-2006"\n', ["cost.tariff", "sms-2006 is for SMS"]),
        ('[cost]\ntariffs = "/nonexistent"\n', ["cost.tariffs", "/nonexistent", "No such file"]),
        ("[meter]\nsms_report = '{colour}'\n", ["meter.sms_report", "{colour}", "class_code"]),
        ("[meter]\nsms_confirmation = '{text}'\n", ["meter.sms_confirmation", "sequence"]),
        ("[meter]\nsms_task = '{number'\n", ["meter.sms_task", "brace"]),
        ("[meter]\nsms_answer = '{text:d}'\n", ["meter.sms_answer", "'d'"]),
        ("name = ''\n", ["name", ">= 1"]),
        ("tcp = 5\n", ["tcp", "object"]),
    ],
)
def test_a_wrong_setting_in_a_file(file: Path, text: str, parts: list[str]) -> None:
    """The message has the setting, the file and what is wrong."""
    file.write_text(text)
    message = refusal(file, {})
    for part in [*parts, f"file {file}"]:
        assert part in message


@pytest.mark.parametrize(
    "poll, busy, keep", [(0.01, 1, 1), (60, 10**6, 3_650)], ids=["least", "most"]
)
def test_the_relay_at_its_limits(file: Path, poll: float, busy: int, keep: int) -> None:
    """What is just allowed."""
    file.write_text(
        f"[relay]\npoll_seconds = {poll}\nbusy_events_per_second = {busy}\nkeep_days = {keep}\n"
    )
    relay = load_settings(file, {}).relay
    assert (relay.poll_seconds, relay.busy_events_per_second, relay.keep_days) == (poll, busy, keep)


@pytest.mark.parametrize(
    "variable, value, parts",
    [
        ("GATEWAY_TCP__PORT", "-1", ["tcp.port", ">= 0"]),
        ("GATEWAY_TCP__PORT", "", ["tcp.port"]),
        ("GATEWAY_TCP__PROT", "1", ["tcp.prot", "no such setting"]),
        ("GATEWAY_TPC__PORT", "1", ["tpc", "no such setting"]),
        ("GATEWAY_TCP__ENABLED", "maybe", ["tcp.enabled"]),
        ("GATEWAY_TCP", "x", ["tcp"]),
        ("GATEWAY_NAME__PORT", "1", ["name"]),
        ("GATEWAY_DATABASE__DSN", "localhost", ["database.dsn", "postgresql://"]),
        ("GATEWAY_DATABASE__DSN", "postgresql://u@h:port/d", ["database.dsn"]),
    ],
)
def test_a_wrong_variable(variable: str, value: str, parts: list[str]) -> None:
    """The message has the setting, the variable and what is wrong."""
    message = refusal(None, {variable: value})
    for part in [*parts, variable]:
        assert part in message


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql:///field_gateway",
        "postgres://h",
        "postgresql://u:p%40@h:5432/d?sslmode=require",
        "postgresql://u:p:q@[::1]:5432/d",
        "postgresql://u@h1:1,h2:2/d",
        "postgresql://u:p@h/d?host=/run/postgresql",
    ],
)
def test_addresses_that_are_taken(dsn: str) -> None:
    """Whatever the driver understands."""
    assert load_settings(None, {"GATEWAY_DATABASE__DSN": dsn}).database.dsn == dsn


def test_a_password_in_a_wrong_address_is_not_told() -> None:
    """Messages end up in logs."""
    assert "geheim" not in refusal(None, {"GATEWAY_DATABASE__DSN": "mysql://u:geheim@h/d"})


def test_a_file_that_is_not_there(file: Path) -> None:
    """The message names it."""
    assert refusal(file, {}) == f"settings file {file}: No such file or directory"


@pytest.mark.parametrize(
    "content", [b"[tcp\n", b"\xff\xfe", b"a = " + 5000 * b"9", b"a = " + 5000 * b"["]
)
def test_a_file_that_is_no_toml(file: Path, content: bytes) -> None:
    """The message names it."""
    file.write_bytes(content)
    assert f"settings file {file} is not valid TOML" in refusal(file, {})


def test_a_section_that_the_file_has_as_a_value(file: Path) -> None:
    """A variable of the section cannot be put into it."""
    file.write_text("tcp = 5\n")
    message = refusal(file, {"GATEWAY_TCP__PORT": "1"})
    assert "GATEWAY_TCP__PORT" in message
    assert "tcp" in message


@pytest.mark.parametrize(
    "variable, value", [("GATEWAY_NAME", "caf\udce9"), ("GATEWAY_\udce9", "x")]
)
def test_a_variable_that_is_not_utf_8(variable: str, value: str) -> None:
    """Python reads its bytes as halves of characters, which nothing else takes."""
    message = refusal(None, {variable: value})
    assert message.startswith("environment variable 'GATEWAY_")
    assert message.endswith("it is not UTF-8")
    message.encode()


@pytest.mark.parametrize("name", ["tariff", "tariffs"])
def test_a_path_that_cannot_be(file: Path, name: str) -> None:
    """TOML can write NUL; the system takes it in no path."""
    file.write_text(f'[cost]\n{name} = "\\u0000/x.toml"\n')
    assert refusal(file, {}).startswith(f"setting cost.{name} (file {file}): ")


def test_nothing_to_listen_to() -> None:
    """A gateway without a transport is a mistake."""
    message = refusal(None, {"GATEWAY_TCP__ENABLED": "false"})
    assert "tcp.enabled" in message
    assert "mqtt.enabled" in message


def test_too_few_connections_for_the_writers() -> None:
    """What may not wait needs two, and greetings one, beside those of the ordinary writers."""
    enough = {"GATEWAY_BATCH__WRITERS": "5", "GATEWAY_DATABASE__MAX_CONNECTIONS": "8"}
    assert load_settings(None, enough).batch.writers == 5
    message = refusal(None, {**enough, "GATEWAY_BATCH__WRITERS": "6"})
    assert "database.max_connections" in message
    assert "batch.writers" in message


@pytest.mark.parametrize("days", ["2008-03-31/2008-01-01", "2008-02-30/2008-03-31"])
def test_days_that_nobody_can_play(days: str) -> None:
    """Of the right form, and still no period."""
    with pytest.raises(SettingsError, match=r"cost\.played_as .*GATEWAY_COST__PLAYED_AS"):
        load_settings(None, {"GATEWAY_COST__PLAYED_AS": days})


def test_days_that_are_played() -> None:
    """As a period; none when nothing is played."""
    played = load_settings(None, {"GATEWAY_COST__PLAYED_AS": "2008-01-01/2008-03-31"})
    assert played.cost.played_period() == Period(date(2008, 1, 1), date(2008, 3, 31))
    assert load_settings(None, {}).cost.played_period() is None


@pytest.mark.parametrize("name", ["DEVICE_BUDGET", "TOTAL_BUDGET"])
@pytest.mark.parametrize("budget", ["0.01", "30", "1000000000", "30.10"])
def test_budgets_that_are_kept(name: str, budget: str) -> None:
    """Exact decimals, from a cent up."""
    cost = load_settings(None, {f"GATEWAY_COST__{name}": budget}).cost
    assert getattr(cost, name.lower()) == Decimal(budget)


@pytest.mark.parametrize("name", ["DEVICE_BUDGET", "TOTAL_BUDGET"])
@pytest.mark.parametrize(
    "budget", ["0", "-0.01", "0.001", "30.005", "1000000000.01", "1e400", "1e-400", "NaN", "inf"]
)
def test_budgets_that_nobody_can_keep(name: str, budget: str) -> None:
    """A warning tells the budget to the cent: it must be the one that was set."""
    message = refusal(None, {f"GATEWAY_COST__{name}": budget})
    assert f"GATEWAY_COST__{name}" in message
    assert "above 0 and at most 1,000,000,000, in whole cents" in message


@UNHURRIED
@given(changed(SEEDS["settings"]()))
def test_hostile_bytes(data: bytes) -> None:
    """A slip in a file or a variable is named, and nothing else happens."""
    check(data)
