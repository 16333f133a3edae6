"""`gateway devices` against a real database."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.__main__ import main
from gateway.command import EXIT_FAILED, EXIT_UNREACHABLE, EXIT_USAGE
from gateway.protocol.proof import mqtt_password
from gateway.server_process import free_port

HEADING = "device\tstreet\tstate\tinstallations\tlast_seen\tlabel"
SECRET = "00112233445566778899aabbccddeeff"


def gateway(*arguments: str, dsn: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(
        main, ["devices", *arguments], env={"GATEWAY_DATABASE__DSN": dsn}, catch_exceptions=False
    )


def listed(dsn: str) -> list[str]:
    """The lines of the list below its heading."""
    result = gateway("list", dsn=dsn)
    assert result.exit_code == 0
    heading, *lines = result.stdout.splitlines()
    assert heading == HEADING
    return lines


def test_add_prints_the_secret_once(database_dsn: str) -> None:
    """With the password for the broker that is derived from it; the list shows neither."""
    result = gateway("add", "861", "--street", "440307003", "--label", "Pinghu 1", dsn=database_dsn)
    assert (result.exit_code, result.stderr) == (0, "")
    found = re.fullmatch(
        r"device +861\nsecret +([0-9a-f]{32})\nmqtt_password +([0-9a-f]{32})\n", result.stdout
    )
    assert found
    assert found[2] == mqtt_password(bytes.fromhex(found[1]))
    assert listed(database_dsn) == ["861\t440307003\tactive\t0\t\tPinghu 1"]


def test_a_number_that_is_taken(database_dsn: str) -> None:
    """The device keeps its secret, and no other is shown."""
    gateway("add", "861", dsn=database_dsn)
    result = gateway("add", "861", dsn=database_dsn)
    assert (result.exit_code, result.stdout) == (EXIT_FAILED, "")
    assert result.stderr == "gateway: device 861 is registered already\n"


@pytest.mark.parametrize("number", ["0", "-1", "x", str(2**53), ""])
def test_a_number_that_is_none(database_dsn: str, number: str) -> None:
    """Wrong usage; click says what is allowed."""
    result = gateway("add", "--", number, dsn=database_dsn)
    assert result.exit_code == EXIT_USAGE
    assert "Invalid value for 'DEVICE'" in result.stderr


def test_a_street_that_is_none(database_dsn: str) -> None:
    """It is named, and nothing is registered."""
    result = gateway("add", "861", "--street", "440307999", dsn=database_dsn)
    assert result.exit_code == EXIT_USAGE
    assert "--street 440307999: no such street" in result.stderr
    assert listed(database_dsn) == []


def test_import(database_dsn: str, tmp_path: Path) -> None:
    """Known devices stay as they are; a repetition harms nothing."""
    file = tmp_path / "devices.csv"
    file.write_text(f"device,secret,label,street\n7,{SECRET},a,440307003\n8,{SECRET},,\n")
    gateway("add", "8", "--label", "there before", dsn=database_dsn)
    result = gateway("import", str(file), dsn=database_dsn)
    assert (result.exit_code, result.stdout) == (0, "1 registered, 1 known already\n")
    assert gateway("import", str(file), dsn=database_dsn).stdout == (
        "0 registered, 2 known already\n"
    )
    assert listed(database_dsn) == [
        "7\t440307003\tactive\t0\t\ta",
        "8\t\tactive\t0\t\tthere before",
    ]


def test_import_from_standard_input(database_dsn: str) -> None:
    """`-` is the usual name for it."""
    result = CliRunner().invoke(
        main,
        ["devices", "import", "-"],
        input=f"device,secret\n7,{SECRET}\n",
        env={"GATEWAY_DATABASE__DSN": database_dsn},
    )
    assert result.stdout == "1 registered, 0 known already\n"


@pytest.mark.parametrize(
    "content, fault",
    [
        (b"device\n7\n", "line 1: no column secret"),
        (b"device,secret\n7,abc\n", "line 2: secret must be hexadecimal"),
        (b"device,secret\n7,ab\n", "line 2: a device's secret has at least 16 bytes, not 1"),
        (f"device,secret\n7,{SECRET}\nx,{SECRET}\n".encode(), "line 3: device must be a number"),
        (f"device,secret\n7,{SECRET}\n7,{SECRET}\n".encode(), "line 3: device 7 comes twice"),
        (b"device,secret,label\n7,\xff,\n", "can't decode byte 0xff"),
        (b"", "line 1: no column device, secret"),
    ],
)
def test_import_of_a_file_with_a_fault(
    database_dsn: str, tmp_path: Path, content: bytes, fault: str
) -> None:
    """File and line are named, no secret is shown, and none of the file is registered."""
    file = tmp_path / "devices.csv"
    file.write_bytes(content)
    result = gateway("import", str(file), dsn=database_dsn)
    assert result.exit_code == EXIT_USAGE
    assert f"{file}: " in result.stderr
    assert fault in result.stderr
    assert SECRET not in result.stderr
    assert listed(database_dsn) == []


def test_import_of_a_file_that_is_not_there(database_dsn: str) -> None:
    """Wrong usage."""
    result = gateway("import", "nowhere.csv", dsn=database_dsn)
    assert result.exit_code == EXIT_USAGE
    assert "nowhere.csv" in result.stderr


def test_revoke(database_dsn: str) -> None:
    """Several at once; a repetition harms nothing."""
    for device in ("1", "2", "3"):
        gateway("add", device, dsn=database_dsn)
    for _ in range(2):
        result = gateway("revoke", "1", "3", dsn=database_dsn)
        assert (result.exit_code, result.stdout) == (0, "revoked: 1, 3\n")
    assert [line.split("\t")[2] for line in listed(database_dsn)] == [
        "revoked",
        "active",
        "revoked",
    ]


def test_restore(database_dsn: str) -> None:
    """It undoes `revoke`; a repetition harms nothing, and an unknown one is told."""
    gateway("add", "1", dsn=database_dsn)
    gateway("revoke", "1", dsn=database_dsn)
    for _ in range(2):
        result = gateway("restore", "9", "1", dsn=database_dsn)
        assert (result.exit_code, result.stdout) == (EXIT_FAILED, "restored: 1\n")
        assert result.stderr == "gateway: not registered: 9\n"
        assert [line.split("\t")[2] for line in listed(database_dsn)] == ["active"]


def test_revoke_of_an_unknown_device(database_dsn: str) -> None:
    """The known ones are revoked all the same; the exit code tells a script."""
    gateway("add", "1", dsn=database_dsn)
    result = gateway("revoke", "9", "1", dsn=database_dsn)
    assert (result.exit_code, result.stdout) == (EXIT_FAILED, "revoked: 1\n")
    assert result.stderr == "gateway: not registered: 9\n"


def test_a_database_that_is_away() -> None:
    """Its own exit code: later it may work."""
    result = gateway("list", dsn=f"postgresql://u:geheim@127.0.0.1:{free_port()}/d")
    assert result.exit_code == EXIT_UNREACHABLE
    assert result.stderr.startswith("gateway: cannot connect to the database: ")
    assert "geheim" not in result.stderr


def test_a_database_without_our_schema(empty_database_dsn: str) -> None:
    """The message says what to do."""
    result = gateway("list", dsn=empty_database_dsn)
    assert result.exit_code == EXIT_FAILED
    assert "gateway migrate" in result.stderr


def test_a_database_that_does_not_exist(database_dsn: str) -> None:
    """The server says so."""
    result = gateway("list", dsn=f"{database_dsn}_nowhere")
    assert result.exit_code == EXIT_FAILED
    assert "does not exist" in result.stderr
