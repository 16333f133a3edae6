"""The commands of docs/operations.md for Mosquitto and systemd, run as they are printed.

They change /etc and use fixed ports, so they run in namespaces of their own: what they write is
gone afterwards, and their ports are nobody else's. `systemctl` is a stand-in: no systemd is there.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.protocol.proof import mqtt_password
from tests.helpers.brokers import need_mosquitto
from tests.helpers.compose import REQUIRE_TOOLS, ROOT
from tests.helpers.markdown import section_of
from tests.helpers.mosquitto import PATH

DOCUMENT = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
WITHIN_SECONDS = 60.0
APART = ("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "bash", "-c")
SECRET = bytes(range(16))


def printed(section: str) -> list[str]:
    """The blocks of shell commands in a section."""
    return re.findall(r"^```sh\n(.*?)^```", section_of(DOCUMENT, section), re.MULTILINE | re.DOTALL)


def need_namespaces() -> None:
    """Skip the test, or fail it where tools are demanded, unless /etc can be had for oneself."""
    tried = shutil.which(APART[0]) and subprocess.run(
        [*APART, "mount -t tmpfs none /srv && ip link set lo up"],
        capture_output=True,
        check=False,
    )
    if tried and tried.returncode == 0:
        return
    reason = "needs root and namespaces: unshare --mount --net"
    if os.environ.get(REQUIRE_TOOLS) == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def run_apart(script: str, shadow: Path, **environment: str) -> str:
    """Run a script with a copy of /etc, an empty /srv and loopback of its own; what it printed."""
    head = f"""
        set -euo pipefail
        ip link set lo up
        mount -t tmpfs none {shadow}
        cp -a /etc {shadow}/etc
        mount --bind {shadow}/etc /etc
        mount -t tmpfs none /srv
    """
    done = subprocess.run(
        [*APART, f"{head}\n{script}"],
        cwd=ROOT,
        env={"PATH": PATH, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=WITHIN_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


LOGINS = """
    lets_in() { # PORT USER PASSWORD TOPIC
        mosquitto_sub -E -h 127.0.0.1 -p "$1" -u "$2" -P "$3" -t "$4" 2>/dev/null
    }
    until lets_in 1884 gateway "$GATEWAY_PASSWORD" 'fg/1/#'; do
        kill -0 "$BROKER" || { cat /etc/mosquitto.log; exit 1; }
    done
    lets_in 1883 4403070001 "$MQTT_PASSWORD" fg/1/4403070001/down/1
    lets_in 1883 workflow "$WORKFLOW_PASSWORD" 'fg/1/event/#'
    if lets_in 1883 4403070001 guessed fg/1/4403070001/down/1; then exit 1; fi
    # Another handset, later.
    mosquitto_passwd -b /etc/mosquitto/field-gateway.passwords 4403070002 another
    kill -HUP "$BROKER"
    until lets_in 1883 4403070002 another fg/1/4403070002/down/1; do kill -0 "$BROKER"; done
    stat --format='%U %a %n' /etc/mosquitto/field-gateway.*
    if grep -i 'warning' /etc/mosquitto.log; then exit 1; fi
"""


@pytest.mark.mosquitto
def test_mosquitto_as_printed(tmp_path: Path) -> None:
    """Our files in /etc/mosquitto, users, rights; then each user gets in, and nobody else."""
    need_mosquitto()
    need_mosquitto("mosquitto_sub", "mosquitto-clients")
    need_namespaces()
    (block,) = printed("Broker")
    assert "systemctl restart mosquitto" in block
    stand_in = """
        mount -t tmpfs none /var/lib/mosquitto
        chown mosquitto: /var/lib/mosquitto
        systemctl() {
            [ "$*" = 'restart mosquitto' ]
            mosquitto -c /etc/mosquitto/mosquitto.conf 2>/etc/mosquitto.log & BROKER=$!
        }
    """
    passwords = {
        "GATEWAY_PASSWORD": "of the gateway",
        "MQTT_PASSWORD": mqtt_password(SECRET),
        "WORKFLOW_PASSWORD": "of the workflow",
    }
    output = run_apart(f"{stand_in}\n{block}\n{LOGINS}", tmp_path, **passwords)
    assert output.split("\n")[-3:-1] == [
        "mosquitto 600 /etc/mosquitto/field-gateway.acl",
        "mosquitto 600 /etc/mosquitto/field-gateway.passwords",
    ]


def test_systemd_as_printed(tmp_path: Path) -> None:
    """The account, the files and their rights; then its user, and no other, reads the settings and
    starts the program with what the unit gives it.
    """
    need_namespaces()
    install, start = printed("systemd")
    program = "/srv/field-gateway/bin/gateway"
    settings = "/etc/field-gateway/gateway.toml"
    script = f"""
        mkdir -p /srv/field-gateway/bin
        printf '#!/bin/sh -e\\nid -un; head -c 0 {settings}; echo "$@"\\n' > {program}
        chmod 755 {program}
        systemctl() {{ echo "systemctl $*"; }}
        journalctl() {{ echo "journalctl $*"; }}
        {install}
        {start}
        if runuser -u nobody -- cat /etc/field-gateway/gateway.toml 2>/dev/null; then exit 1; fi
        stat --format='%U:%G %a %n' /etc/field-gateway/*
        cmp deploy/systemd/gateway@.service /etc/systemd/system/gateway@.service
        cat /etc/field-gateway/1.env /etc/field-gateway/2.env
    """
    lines = run_apart(script, tmp_path).splitlines()
    assert lines == [
        "systemctl daemon-reload",
        "field-gateway",
        f"--settings {settings} migrate",
        "systemctl enable --now gateway@1 gateway@2",
        "journalctl --unit gateway@* --follow",
        "root:root 644 /etc/field-gateway/1.env",
        "root:root 644 /etc/field-gateway/2.env",
        f"root:field-gateway 640 {settings}",
        "GATEWAY_TCP__PORT=7440",
        "GATEWAY_HTTP__PORT=9440",
        "GATEWAY_TCP__PORT=7441",
        "GATEWAY_HTTP__PORT=9441",
    ]


def test_the_mqtt_password_as_printed() -> None:
    """The command of "Devices" makes of a secret the password that the gateway prints."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    *_, block = printed("Devices")
    done = subprocess.run(
        ["/bin/sh", "-c", block],
        env={"PATH": PATH, "SECRET": SECRET.hex()},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == mqtt_password(SECRET)
