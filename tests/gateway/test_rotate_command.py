"""`gateway devices rotate` against a real database."""

import asyncio
import csv
import re
import stat
from pathlib import Path

import asyncpg
import pytest
from click.testing import CliRunner, Result

from gateway.__main__ import main
from gateway.command import EXIT_FAILED, EXIT_UNREACHABLE, EXIT_USAGE
from gateway.protocol.proof import derive_keys, mqtt_password
from gateway.server_process import free_port

SECRET = "00112233445566778899aabbccddeeff"


def gateway(*arguments: str, dsn: str, stdin: str | None = None) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(
        main,
        ["devices", *arguments],
        input=stdin,
        env={"GATEWAY_DATABASE__DSN": dsn},
        catch_exceptions=False,
    )


def devices(dsn: str) -> dict[int, tuple[bytes, bool, int]]:
    """What checks each device's proof, whether it is revoked, its standing."""

    async def fetch() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(dsn)
        try:
            return list(
                await connection.fetch(
                    "SELECT id, stored_key, revoked_at IS NOT NULL, standing FROM device"
                )
            )
        finally:
            await connection.close()

    return {row[0]: (row[1], row[2], row[3]) for row in asyncio.run(fetch())}


def test_one_device(database_dsn: str) -> None:
    """Its new secret is printed with the broker's password, and is the one in force."""
    gateway("add", "861", dsn=database_dsn)
    ((old, _, _),) = devices(database_dsn).values()
    result = gateway("rotate", "861", dsn=database_dsn)
    assert (result.exit_code, result.stderr) == (0, "")
    found = re.fullmatch(
        r"device +861\nsecret +([0-9a-f]{32})\nmqtt_password +([0-9a-f]{32})\n", result.stdout
    )
    assert found
    secret = bytes.fromhex(found[1])
    assert found[2] == mqtt_password(secret)
    assert devices(database_dsn) == {861: (derive_keys(secret).stored_key, False, 1)}
    assert derive_keys(secret).stored_key != old


def test_a_revoked_device_stays_revoked(database_dsn: str) -> None:
    """A new secret is no pardon."""
    gateway("add", "861", dsn=database_dsn)
    gateway("revoke", "861", dsn=database_dsn)
    assert gateway("rotate", "861", dsn=database_dsn).exit_code == 0
    assert devices(database_dsn)[861][1:] == (True, 2)


def test_many_into_a_file(database_dsn: str, tmp_path: Path) -> None:
    """That its owner alone can read; the terminal shows no secret."""
    for device in ("1", "2", "3"):
        gateway("add", device, dsn=database_dsn)
    out = tmp_path / "secrets.csv"
    result = gateway("rotate", "1", "3", "--out", str(out), dsn=database_dsn)
    assert (result.exit_code, result.output) == (0, "rotated: 1, 3\n")
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    rows = list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))
    assert [row["device"] for row in rows] == ["1", "3"]
    now = devices(database_dsn)
    for row in rows:
        secret = bytes.fromhex(row["secret"])
        assert row["mqtt_password"] == mqtt_password(secret)
        assert now[int(row["device"])][0] == derive_keys(secret).stored_key
    assert [now[device][2] for device in (1, 2, 3)] == [1, 0, 1]


def test_many_without_a_file(database_dsn: str) -> None:
    """Wrong usage; nothing was changed."""
    for device in ("1", "2"):
        gateway("add", device, dsn=database_dsn)
    result = gateway("rotate", "1", "2", dsn=database_dsn)
    assert result.exit_code == EXIT_USAGE
    assert "--out FILE" in result.stderr
    assert [standing for *_, standing in devices(database_dsn).values()] == [0, 0]


@pytest.mark.parametrize("source", ["file", "-"])
def test_secrets_that_were_made_elsewhere(database_dsn: str, tmp_path: Path, source: str) -> None:
    """They come from a file or stdin and are not printed; a repetition ends no session."""
    file = tmp_path / "new.csv"
    text = f"device,secret\n7,{SECRET}\n"
    file.write_text(text)
    gateway("add", "7", dsn=database_dsn)
    for _ in range(2):
        name = str(file) if source == "file" else source
        result = gateway("rotate", "--secret-file", name, dsn=database_dsn, stdin=text)
        assert (result.exit_code, result.output) == (0, "rotated: 7\n")
        key = derive_keys(bytes.fromhex(SECRET)).stored_key
        assert devices(database_dsn) == {7: (key, False, 1)}


@pytest.mark.parametrize("numbers", [["9"], ["9", "1"]])
def test_one_that_is_not_registered(database_dsn: str, tmp_path: Path, numbers: list[str]) -> None:
    """None is rotated, it is named, and no file with void secrets stays behind."""
    gateway("add", "1", dsn=database_dsn)
    out = tmp_path / "secrets.csv"
    file = ["--out", str(out)] if len(numbers) > 1 else []
    result = gateway("rotate", *numbers, *file, dsn=database_dsn)
    assert (result.exit_code, result.stdout) == (EXIT_FAILED, "")
    assert result.stderr == "gateway: not registered: 9; none was rotated\n"
    assert devices(database_dsn)[1][2] == 0
    assert not out.exists()


def test_a_file_that_is_there(database_dsn: str, tmp_path: Path) -> None:
    """It may hold the only copy of other secrets: it stays, and nothing is changed."""
    gateway("add", "1", dsn=database_dsn)
    out = tmp_path / "secrets.csv"
    out.write_text("precious")
    result = gateway("rotate", "1", "--out", str(out), dsn=database_dsn)
    assert result.exit_code == EXIT_USAGE
    assert "File exists" in result.stderr
    assert out.read_text() == "precious"
    assert devices(database_dsn)[1][2] == 0


def test_a_database_that_is_away(tmp_path: Path) -> None:
    """The secrets stay in their file: nobody knows whether they are in force."""
    out = tmp_path / "secrets.csv"
    dsn = f"postgresql://u@127.0.0.1:{free_port()}/d"
    result = gateway("rotate", "1", "--out", str(out), dsn=dsn)
    assert result.exit_code == EXIT_UNREACHABLE
    assert out.read_text().startswith("device,secret,mqtt_password\n1,")


@pytest.mark.parametrize(
    "arguments, text, message",
    [
        ((), "", "give either device numbers or --secret-file"),
        (("1", "--secret-file", "-"), "", "give either device numbers or --secret-file"),
        (("--secret-file", "-"), "device,secret\n", "no device in it"),
        (("--secret-file", "-"), "device\n1\n", "line 1: no column secret"),
        (("--secret-file", "-"), "device,secret\n1,00\n", "line 2: "),
        (("--secret-file", "nowhere.csv"), "", "nowhere.csv"),
        (("0",), "", "Invalid value for '[DEVICE]...'"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], text: str, message: str) -> None:
    """It is said what is wrong before anything is tried."""
    result = gateway("rotate", *arguments, dsn="", stdin=text)
    assert result.exit_code == EXIT_USAGE
    assert message in result.stderr
