"""A fleet over TLS, with all that goes wrong in the field, against a real gateway."""

import re
import urllib.request
from pathlib import Path

import asyncpg
import pytest

from gateway.devices import Devices, read_device_file
from tests.helpers.certificates import NAME, make_certificate
from tests.helpers.processes import gateway_process, run_fleet_command

pytestmark = pytest.mark.asyncio

DEVICES, REPORTS = "12", "2000"


async def test_a_fleet_with_faults(database_dsn: str, tmp_path: Path) -> None:
    """Every row is what was sent; handsets that come again resume their session."""
    files = make_certificate(tmp_path)
    fleet = tmp_path / "fleet.csv"
    scale = ("--devices", DEVICES, "--reports", REPORTS, "--transport", "tcp")
    run_fleet_command("fleet", "--out", str(fleet), *scale)
    async with asyncpg.create_pool(database_dsn, min_size=1, max_size=1) as pool:
        devices = read_device_file(fleet.read_text(encoding="utf-8").splitlines())
        await Devices(pool).add(list(devices))
    settings = {
        "GATEWAY_DATABASE__DSN": database_dsn,
        "GATEWAY_TCP__CERTIFICATE": files.certificate,
        "GATEWAY_TCP__PRIVATE_KEY": files.private_key,
    }
    with gateway_process(tmp_path / "gateway.log", "one", settings) as gateway:
        run_fleet_command(
            *("run", *scale, "--fleet", str(fleet), "--verify", database_dsn),
            *("--gateway", f"127.0.0.1:{gateway.tcp_port}"),
            *("--tls-ca", files.authority, "--tls-name", NAME, "--timeout", "60"),
        )
        counts = handshakes(gateway.http_port)
    assert counts["full"] == int(DEVICES)
    assert counts["resumed"] > 0
    assert counts["failed"] == 0


def handshakes(http_port: int) -> dict[str, int]:
    """How many there were, by result."""
    with urllib.request.urlopen(f"http://127.0.0.1:{http_port}/metrics") as answer:
        samples = re.findall(
            r'gateway_tls_handshakes_total{result="(\w+)"} (\d+)', answer.read().decode()
        )
    return {result: int(count) for result, count in samples}
