"""The demo's servers: their addresses for a shell, the options that scale the quarter."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.demo_process import program
from gateway.demo_servers import Options, Servers, _until_ready, _write_environment, played_as
from gateway.embedded_broker import BrokerUser
from gateway.server_process import ServerFailedError, free_port
from gateway.settings_loader import load_settings


def test_the_addresses_for_a_shell(tmp_path: Path) -> None:
    """A shell reads them as they are, and nobody else may: a password is among them."""
    file = tmp_path / "environment"
    user = BrokerUser("workflow", "secret", is_workflow=True)
    dsn = "postgresql://gateway@127.0.0.1:5432/quarter?application_name=a b"
    _write_environment(Servers(dsn, "http://x", "127.0.0.1:1", "127.0.0.1:2", user, file))
    echo = 'set -a; . "$0"; env'
    read = subprocess.run(
        ["/bin/sh", "-c", echo, file], capture_output=True, text=True, check=True, env={}
    ).stdout.splitlines()
    assert {
        f"GATEWAY_DATABASE__DSN={dsn}",
        "TCP_GATEWAY=127.0.0.1:1",
        "BROKER=127.0.0.1:2",
        "BROKER_USER=workflow",
        "BROKER_PASSWORD=secret",
        "GATEWAY_COST__PLAYED_AS=2008-01-01/2008-03-31",
    } <= set(read)
    assert file.stat().st_mode & 0o077 == 0


def test_the_days_of_the_quarter_are_a_setting() -> None:
    """`gateway serve` and `gateway cost` take them as they are written."""
    settings = load_settings(None, {"GATEWAY_COST__PLAYED_AS": played_as()})
    assert settings.cost.played_as == "2008-01-01/2008-03-31"


@pytest.mark.parametrize(
    "reports, devices, expected",
    [
        (None, None, ()),
        (500, None, ("--reports", "500")),
        (500, 20, ("--reports", "500", "--devices", "20")),
    ],
)
def test_the_scale_of_the_quarter(
    tmp_path: Path, reports: int | None, devices: int | None, expected: Sequence[str]
) -> None:
    """Only what was asked for; the simulator knows the rest."""
    options = Options(tmp_path, reports, devices, "tcp", "perfect", "max", 1)
    assert options.scale == list(expected)


@pytest.mark.asyncio
async def test_a_gateway_that_ends_before_it_is_ready(tmp_path: Path) -> None:
    """The error tells the end of its log; nobody waits for a program that is gone."""
    log = tmp_path / "gateway.log"
    async with program(["-c", "raise SystemExit('no such setting')"], log, {}) as process:
        with pytest.raises(ServerFailedError, match=r"(?s)not ready.*no such setting"):
            await _until_ready(f"http://127.0.0.1:{free_port()}/readyz", process, log)
