"""A fleet over TLS, with all that goes wrong in the field, against a real gateway."""

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
        print(open(tmp_path/"gateway.log").read()[-600:])
        import urllib.request
        text = urllib.request.urlopen(f"http://127.0.0.1:{gateway.http_port}/metrics").read().decode()
        print([l for l in text.splitlines() if "tls" in l])
