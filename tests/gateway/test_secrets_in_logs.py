"""No secret, key, proof or password in anything that is written, at the most talkative level."""

import asyncio
import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

import pytest

from gateway.protocol.errors import RefusalCode
from gateway.protocol.proof import derive_keys, mqtt_password
from gateway.protocol.state import State
from gateway.server_process import free_port
from tests.helpers.device_client import DeviceClient, connect
from tests.helpers.gateway_process import gateway_process, run_gateway
from tests.helpers.wire import wire

DEVICE, STOLEN, UNKNOWN = 861, 862, 863
SECRETS: Final = {number: bytes(range(number - 800, number - 784)) for number in (DEVICE, STOLEN)}
BROKER_PASSWORD = "hunter2 of the broker"


def forms(secret: bytes | str) -> Iterator[str]:
    """How a secret looks when it is written by accident."""
    raw = secret.encode() if isinstance(secret, str) else secret
    yield from (raw.hex(), raw.hex().upper(), raw.hex(" "), repr(raw)[2:-1], repr(list(raw)))
    yield base64.b64encode(raw).decode().rstrip("=")
    yield base64.urlsafe_b64encode(raw).decode().rstrip("=")
    if isinstance(secret, str):
        yield from (secret, quote(secret))


def test_each_form_would_be_found() -> None:
    """The search finds what it looks for."""
    assert set(forms("pass word")) == {
        "7061737320776f7264",
        "7061737320776F7264",
        "70 61 73 73 20 77 6f 72 64",
        "pass word",
        "[112, 97, 115, 115, 32, 119, 111, 114, 100]",
        "cGFzcyB3b3Jk",
        "pass%20word",
    }


async def _greet(address: tuple[str, int], device: int, secret: bytes) -> bytes:
    """Greet, and report if admitted; the proof that was used."""
    async with connect(address, device) as client:
        client.secret = secret
        hello = await client.hello()
        await client.send(hello)
        if secret == SECRETS.get(device) and device != STOLEN:
            await _speak(client)
        else:
            refusals, _ = await client.expect_end()
            assert [refusal.code for refusal in refusals] == [RefusalCode.NOT_ADMITTED]
        return hello.proof


async def _speak(client: DeviceClient) -> None:
    await client.welcome()
    await client.send(wire(1))
    await client.expect_acks_of(1)
    assert client.connection.state is State.READY


async def _all_greet(address: tuple[str, int]) -> list[bytes]:
    return [
        await _greet(address, DEVICE, SECRETS[DEVICE]),
        await _greet(address, DEVICE, bytes(16)),
        await _greet(address, STOLEN, SECRETS[STOLEN]),
        await _greet(address, UNKNOWN, SECRETS[STOLEN]),
    ]


def test_nothing_that_is_written_holds_a_secret(database_dsn: str, tmp_path: Path) -> None:
    """Neither what commands say, but for the one that shows a new secret on purpose, nor the log
    of admissions, failures, and servers that refuse us.
    """
    fleet = tmp_path / "fleet.csv"
    rows = (f"{number},{secret.hex()}" for number, secret in SECRETS.items())
    fleet.write_text("\n".join(("device,secret", *rows)))
    broken = tmp_path / "broken.csv"
    broken.write_text(f"device,secret\n1,{SECRETS[DEVICE].hex()}zz\n")
    environment = {"GATEWAY_DATABASE__DSN": database_dsn, "GATEWAY_LOG__LEVEL": "debug"}
    added = run_gateway("devices", "add", "870", environment=environment)
    words = added.stdout.split()
    secrets: list[bytes | str] = [words[3], words[5], BROKER_PASSWORD]
    written = [added.stderr]
    for arguments in (
        ("devices", "import", str(fleet)),
        ("devices", "import", str(broken)),
        ("devices", "revoke", str(STOLEN)),
        ("devices", "list"),
    ):
        result = run_gateway(*arguments, environment=environment)
        written += [result.stdout, result.stderr]
    log = tmp_path / "gateway.log"
    talkative = {"log__level": "debug", "mqtt__enabled": "true", "mqtt__username": "gateway"}
    with gateway_process(
        database_dsn,
        log,
        **talkative,
        mqtt__password=BROKER_PASSWORD,
        mqtt__port=str(free_port()),
    ) as gateway:
        gateway.wait_until_started()
        proofs = asyncio.run(_all_greet(gateway.tcp))
        gateway.process.terminate()
        gateway.end()
    written.append(log.read_text())
    assert "not_admitted" in written[-1]
    assert "session_opened" in written[-1]
    for known in SECRETS.values():
        keys = derive_keys(known)
        secrets += [known, keys.stored_key, keys.gateway_key, mqtt_password(known)]
    secrets += [*proofs, urlsplit(database_dsn).password or ""]
    assert all(len(secret) >= 8 for secret in secrets)
    for secret in secrets:
        for form in forms(secret):
            assert not any(form in text for text in written)


@pytest.mark.parametrize(
    "change",
    [
        lambda dsn: dsn.replace("@", "x@"),
        lambda dsn: dsn.replace("@127.0.0.1", "@127.0.0.1:99999"),
        lambda dsn: dsn.replace("postgresql://", "postgres//"),
        lambda dsn: dsn + "?sslmode=nonsense",
    ],
    ids=["wrong password", "wrong host", "no DSN", "wrong option"],
)
def test_a_wrong_dsn_does_not_tell_its_password(
    database_dsn: str, change: Callable[[str], str]
) -> None:
    """Whatever is wrong with it."""
    password = urlsplit(database_dsn).password
    assert password
    environment = {"GATEWAY_DATABASE__DSN": change(database_dsn), "GATEWAY_LOG__LEVEL": "debug"}
    result = run_gateway("devices", "list", environment=environment)
    assert result.returncode != 0
    assert password not in result.stdout + result.stderr
