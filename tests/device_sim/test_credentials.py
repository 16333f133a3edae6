"""Tests of the fleet file."""

import stat
from pathlib import Path

import pytest
from hypothesis import given

from device_sim.credentials import Credential, FleetFileError, read_fleet, write_fleet
from device_sim.scenario import longgang_q1
from fuzz.seeds import SEEDS
from fuzz.targets.fleet import check
from gateway.devices import read_device_file
from tests.helpers.hostile import changed
from tests.helpers.strategies import UNHURRIED

SECRET = "00112233445566778899aabbccddeeff"


def read(tmp_path: Path, text: str) -> dict[int, Credential]:
    """The credentials in a file of this text."""
    path = tmp_path / "fleet.csv"
    path.write_text(text, encoding="utf-8")
    return read_fleet(path)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """By us and by the gateway; secrets differ, and nobody else may read them."""
    path, fleet = tmp_path / "fleet.csv", longgang_q1(1, 6, 10).fleet
    write_fleet(path, fleet)
    first = read_fleet(path)
    assert tuple(first) == fleet.device_ids
    assert len({credential.secret for credential in first.values()}) == 6
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [device.device_id for device in read_device_file(lines)] == list(fleet.device_ids)
    write_fleet(path, fleet)
    assert read_fleet(path) != first


def test_the_transport_may_be_stated(tmp_path: Path) -> None:
    """Empty leaves it to the scenario."""
    text = f"device,secret,transport\n1,{SECRET},mqtt\n2,{SECRET},\n"
    transports = [credential.transport for credential in read(tmp_path, text).values()]
    assert transports == ["mqtt", None]


def test_the_street_may_be_stated(tmp_path: Path) -> None:
    """The centre counts on the gateway knowing the same; what we write ourselves has it."""
    text = f"device,secret,street\n1,{SECRET},440307003\n2,{SECRET},\n"
    assert [known.street for known in read(tmp_path, text).values()] == [440307003, None]
    path, fleet = tmp_path / "fleet.csv", longgang_q1(1, 6, 10).fleet
    write_fleet(path, fleet)
    streets = [inspector.street.code for inspector in fleet.inspectors]
    assert [known.street for known in read_fleet(path).values()] == streets


@pytest.mark.parametrize(
    "text, message",
    [
        ("device\n1\n", "the columns device and secret are needed"),
        ("", "the columns device and secret are needed"),
        (f"device,secret\nx,{SECRET}\n", "line 2: device must be a number"),
        (f"device,secret\n0,{SECRET}\n", "line 2: device must be a number"),
        (f"device,secret\n{2**53},{SECRET}\n", "line 2: device must be a number"),
        ("device,secret\n1,xyz\n", "line 2: secret must be hexadecimal"),
        ("device,secret\n1\n", "line 2: secret must have at least 16 bytes"),
        ("device,secret\n1,0011\n", "line 2: secret must have at least 16 bytes"),
        (f"device,secret,transport\n1,{SECRET},sms\n", "line 2: transport must be tcp or mqtt"),
        (f"device,secret,street\n1,{SECRET},east\n", "line 2: street must be a code of digits"),
        (f"device,secret,street\n1,{SECRET},{10**9}\n", "line 2: street must be a code of digits"),
        (f"device,secret,street\n1,{SECRET},{'1' * 5_000}\n", "line 2: street must be a code"),
        (f"device,secret\n{'1' * 5_000},{SECRET}\n", "line 2: device must be a number"),
        (f"device,secret\n{'1' * 131_073},{SECRET}\n", "field larger than field limit"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, message: str) -> None:
    """With its number and its fault."""
    with pytest.raises(FleetFileError, match=message):
        read(tmp_path, text)


def test_a_file_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    """The message names the file."""
    missing = tmp_path / "nowhere" / "fleet.csv"
    with pytest.raises(FleetFileError, match=r"fleet\.csv"):
        read_fleet(missing)
    with pytest.raises(FleetFileError, match=r"fleet\.csv"):
        write_fleet(missing, longgang_q1(1, 2, 2).fleet)


@UNHURRIED
@given(changed(SEEDS["fleet"]()))
def test_hostile_bytes(data: bytes) -> None:
    """A file of credentials can be used, or a line of it is named."""
    check(data)
