"""`deploy/gateway.example.toml` holds every setting with its default, and loads."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from gateway.settings import Settings
from gateway.settings_loader import load_settings

EXAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "gateway.example.toml"
SETTING = re.compile(r"^#(?=[a-z_]+ = )", re.MULTILINE)

NO_COMMON_DEFAULT = {
    "name",
    "mqtt.username",
    "mqtt.password",
    "cost.device_budget",
    "cost.total_budget",
}
"""Their example says something that is not the default: there is none, or it is the host's."""


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Settings by dotted name, in order."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def in_force() -> str:
    """The file with all its settings in force."""
    return SETTING.sub("", EXAMPLE.read_text(encoding="utf-8"))


def test_every_setting_stands_there_with_its_default() -> None:
    """No setting is missing, none is invented, and the order is that of the code."""
    example = dict(flat(tomllib.loads(in_force())))
    defaults = dict(flat(msgspec.to_builtins(Settings())))
    assert list(example) == list(defaults)
    common = example.keys() - NO_COMMON_DEFAULT
    assert {name: example[name] for name in common} == {name: defaults[name] for name in common}


def test_every_setting_is_commented_out() -> None:
    """Used as it is, the file changes nothing."""
    assert list(flat(tomllib.loads(EXAMPLE.read_text(encoding="utf-8")))) == []
    assert load_settings(EXAMPLE, {}) == Settings()


def test_it_loads_with_everything_in_force(tmp_path: Path) -> None:
    """Taking the marks away gives settings that the gateway accepts."""
    file = tmp_path / "gateway.toml"
    file.write_text(in_force(), encoding="utf-8")
    settings = load_settings(file, {})
    assert (settings.name, settings.mqtt.username) == ("gateway-1", "gateway")
