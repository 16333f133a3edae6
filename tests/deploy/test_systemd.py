"""`deploy/systemd/gateway@.service`, checked by systemd itself, without running it."""

import configparser
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.app import longest_stop_seconds
from gateway.settings import Settings
from tests.helpers.compose import DEPLOY, REQUIRE_TOOLS, ROOT
from tests.helpers.markdown import section_of

UNIT = DEPLOY / "systemd" / "gateway@.service"
PROGRAM = "/srv/field-gateway/bin/gateway"
"""Where docs/operations.md installs it."""

MAX_EXPOSURE = 15
"""Of 100, as `systemd-analyze security` counts: 100 is a unit that shuts nothing."""


class Unit(configparser.RawConfigParser):
    """A unit file: keys keep their case, and may stand there several times."""

    def optionxform(self, optionstr: str) -> str:
        """As written."""
        return optionstr


@pytest.fixture
def unit() -> configparser.RawConfigParser:
    """The unit, the last of several equal keys winning."""
    parser = Unit(strict=False, interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    parser.read(UNIT, encoding="utf-8")
    return parser


@pytest.fixture
def analyze() -> str:
    """systemd-analyze; without it the test is skipped, or fails where it is demanded."""
    program = shutil.which("systemd-analyze")
    if program is None:
        reason = "systemd-analyze is not installed (apt-get install systemd)"
        if os.environ.get(REQUIRE_TOOLS) == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return program


def installed(directory: Path, text: str) -> Path:
    """The unit as an instance, with a program that exists on this machine."""
    program = shutil.which("true")
    assert program
    assert PROGRAM in text
    path = directory / "gateway@1.service"
    path.write_text(text.replace(PROGRAM, program), encoding="utf-8")
    return path


def verify(analyze: str, path: Path) -> str:
    """What `systemd-analyze verify` says of our unit; it also speaks of others on the machine."""
    done = subprocess.run(
        [analyze, "verify", "--recursive-errors=no", "--man=no", path],
        capture_output=True,
        text=True,
        check=False,
    )
    return "\n".join(line for line in done.stderr.splitlines() if path.name in line)


def test_systemd_takes_it(analyze: str, tmp_path: Path) -> None:
    """No unknown key, no value that it would ignore; and a slip would be found."""
    text = UNIT.read_text(encoding="utf-8")
    assert verify(analyze, installed(tmp_path, text)) == ""
    slipped = installed(tmp_path, text.replace("ProtectHome=", "ProtectHomes="))
    assert "'ProtectHomes'" in verify(analyze, slipped)


def test_it_is_shut(analyze: str, tmp_path: Path) -> None:
    """By systemd's own measure; a unit without the options does not pass."""
    text = UNIT.read_text(encoding="utf-8")
    open_text = re.sub(r"(?m)^(Protect|Private|Restrict|SystemCall|Capability).*\n", "", text)
    results: list[int] = []
    for content in (text, open_text):
        path = installed(tmp_path, content)
        command = [analyze, "security", "--offline=yes", f"--threshold={MAX_EXPOSURE}", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "Overall exposure level" in done.stdout, done.stderr
        results.append(done.returncode)
    assert results[0] == 0
    assert results[1] != 0


def test_its_program(unit: configparser.RawConfigParser) -> None:
    """Starts the command of the package, where the documentation installs it, under a name that
    each instance has to itself.
    """
    command = unit["Service"]["ExecStart"].split()
    assert command == [PROGRAM, "serve"]
    assert "serve" in main.commands
    document = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert PROGRAM.removesuffix("/bin/gateway") in section_of(document, "Install")
    assert "Environment=GATEWAY_NAME=gateway-%i" in UNIT.read_text(encoding="utf-8")


def test_its_limits(unit: configparser.RawConfigParser) -> None:
    """More time to stop than the longest stop takes; a file for each session."""
    service, settings = unit["Service"], Settings()
    assert float(service["TimeoutStopSec"]) > longest_stop_seconds(settings)
    assert int(service["LimitNOFILE"]) >= settings.tcp.max_sessions + 1_000
    assert service["Restart"] == "always"
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"


def test_its_order(unit: configparser.RawConfigParser) -> None:
    """After the servers of the same machine, so that it also stops before them."""
    after = unit["Unit"]["After"].split()
    assert {"postgresql.service", "mosquitto.service", "network-online.target"} <= set(after)
