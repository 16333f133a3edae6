"""`deploy/compose.yaml` as the real `docker-compose` understands it, without a container engine."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
DEPLOY: Final = ROOT / "deploy"
COMPOSE_FILE: Final = DEPLOY / "compose.yaml"
SECRETS: Final = re.findall(
    r"^(\w+)=", (DEPLOY / ".env.example").read_text(encoding="utf-8"), re.MULTILINE
)
"""Names that `.env.example` asks to be filled in."""

REQUIRE_TOOLS: Final = "FIELD_GATEWAY_REQUIRE_DEPLOY_TOOLS"
"""Environment variable: 1 makes a missing tool an error. Set where all tests have to run."""


@dataclass(frozen=True)
class Published:
    """A port that the host listens on for a service."""

    service: str
    host_ip: str
    host_port: int
    port: int


def secret_of(name: str) -> str:
    """What the tests fill in for a secret: each another."""
    return f"{name.lower().replace('_', '')}0123456789"


def need_tool(name: str) -> Path:
    """The program of a development package; skip the test, or fail it where it is demanded."""
    program = Path(sys.executable).with_name(name)
    if program.exists():
        return program
    reason = f"{name} is not installed (its package exists for Linux on x86_64)"
    if os.environ.get(REQUIRE_TOOLS) == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def run_compose(
    *arguments: str, environment: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    """`docker-compose` with the environment in place of `deploy/.env`."""
    return subprocess.run(
        [need_tool("docker-compose"), "--file", COMPOSE_FILE, "--env-file", os.devnull, *arguments],
        env={"PATH": os.defpath, "HOME": "/nonexistent", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@cache
def services() -> Mapping[str, Mapping[str, Any]]:
    """Every service with all its anchors and variables resolved; each secret is `secret_of`."""
    done = run_compose(
        "config", "--format", "json", environment={name: secret_of(name) for name in SECRETS}
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)["services"]
    return found


@cache
def networks() -> Mapping[str, Mapping[str, Any]]:
    """Every network."""
    done = run_compose(
        "config", "--format", "json", environment={name: secret_of(name) for name in SECRETS}
    )
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)["networks"]
    return found


def environment_of(service: str) -> dict[str, str]:
    """The environment that a service's program starts with."""
    return dict(services()[service].get("environment", {}))


def published() -> list[Published]:
    """All ports that the host listens on."""
    return [
        Published(name, port.get("host_ip", ""), int(port.get("published", 0)), int(port["target"]))
        for name, service in services().items()
        for port in service.get("ports", [])
    ]
