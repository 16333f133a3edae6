"""The fleet file: which device has which secret. The gateway imports the same file."""

import csv
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast, get_args

from device_sim.fleet import Fleet, Transport
from gateway.protocol.limits import MAX_DEVICE_ID, MIN_SECRET_BYTES

COLUMNS: Final = ("device", "secret", "label", "street")
"""What `write_fleet` writes; `gateway devices import` takes these."""

SECRET_BYTES: Final = 32

MAX_STREET: Final = 999_999_999
"""Street codes have nine digits."""

_MAX_DIGITS: Final = 100
"""Longer is no number that anybody means, however many zeros it begins with."""


class FleetFileError(Exception):
    """The fleet file is missing, or one of its lines is wrong; the message says which."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What a handset is given when it is handed out."""

    secret: bytes
    transport: Transport | None
    """None leaves it to the scenario."""
    street: int | None = None
    """Code of the street that the gateway knows it by; None if the file does not say."""


def read_fleet(path: Path) -> dict[int, Credential]:
    """Credentials by device.

    Args:
        path: CSV with the columns device (number), secret (hexadecimal, 16 bytes or more) and, if
            wanted, transport (tcp or mqtt) and street (code). Others are passed over.

    Raises:
        FleetFileError: naming the line and its fault.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if not {"device", "secret"} <= set(rows.fieldnames or ()):
                raise FleetFileError(f"{path}: the columns device and secret are needed")
            return dict(_credential(path, number, row) for number, row in enumerate(rows, 2))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FleetFileError(f"{path}: {error}") from None


def _credential(path: Path, line: int, row: dict[str, str | None]) -> tuple[int, Credential]:
    where = f"{path} line {line}"
    device, transport = row["device"] or "", row.get("transport") or None
    if not _is_number(device, MAX_DEVICE_ID) or not int(device):
        raise FleetFileError(f"{where}: device must be a number, 1 to {MAX_DEVICE_ID}")
    try:
        secret = bytes.fromhex(row["secret"] or "")
    except ValueError:
        raise FleetFileError(f"{where}: secret must be hexadecimal") from None
    if len(secret) < MIN_SECRET_BYTES:
        raise FleetFileError(f"{where}: secret must have at least {MIN_SECRET_BYTES} bytes")
    if transport not in {None, *get_args(Transport)}:
        raise FleetFileError(f"{where}: transport must be tcp or mqtt, not {transport!r}")
    street = row.get("street") or None
    if street is not None and not _is_number(street, MAX_STREET):
        raise FleetFileError(f"{where}: street must be a code of digits, not {street!r}")
    known = None if street is None else int(street)
    return int(device), Credential(secret, cast("Transport | None", transport), known)


def _is_number(text: str, highest: int) -> bool:
    """Whether it is a number up to this. Python takes no text of thousands of digits for one."""
    return text.isdecimal() and len(text) <= _MAX_DIGITS and int(text) <= highest


def write_fleet(path: Path, fleet: Fleet) -> None:
    """Write a file with new random secrets, readable by its owner only; an old one is replaced.

    Raises:
        FleetFileError: the file cannot be written.
    """
    draft = path.with_name(f"{path.name}.new")
    try:
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600, exist_ok=False)
        with draft.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for inspector in fleet.inspectors:
                secret = secrets.token_hex(SECRET_BYTES)
                street = inspector.street
                writer.writerow((inspector.device_id, secret, street.name, street.code))
        draft.replace(path)
    except OSError as error:
        raise FleetFileError(f"{path}: {error.strerror}") from None
