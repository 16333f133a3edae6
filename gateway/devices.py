"""Devices: who may report, and how far each installation's reports are settled."""

import csv
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

import asyncpg
import msgspec

from gateway.protocol.errors import RefusalCode
from gateway.protocol.limits import MAX_DEVICE_ID, MAX_REFUSED_IN_WELCOME
from gateway.protocol.proof import Keys, derive_keys
from gateway.protocol.text import unfit_character
from gateway.queries import load_queries
from gateway.store_errors import TRANSIENT_ERRORS, StoreUnavailableError

MAX_NUMBERS_SCANNED: Final = 4_096
"""Most sequence numbers above the watermark that one look-up reads in each table: four full
windows. A device that has stored more since its last greeting gets a lower number, which costs it
some repetitions and no report; the next look-up goes on from there."""

LIST_PAGE_DEVICES: Final = 1_000
"""Devices read at a time when listing: some 200 KB."""

Standing = tuple[int, int]
"""A device, and how often it had been revoked, restored or given a new secret."""

_QUERIES = load_queries("devices.sql")


class DeviceFileError(Exception):
    """A file of devices has a wrong line; the message says which. Nothing was imported."""


class NewDevice(msgspec.Struct, frozen=True):
    """A device to be registered. Its secret itself is not kept, only what it is checked with."""

    device_id: int
    keys: Keys
    label: str = ""
    street_code: int | None = None


class ListedDevice(msgspec.Struct, frozen=True):
    """A registered device as an operator sees it."""

    device_id: int
    label: str
    street_code: int | None
    created_at: datetime
    revoked_at: datetime | None
    last_seen_at: datetime | None
    """Latest greeting of an installation that has stored something."""
    installations: int


class Registration(msgspec.Struct, frozen=True):
    """What admission must know of a registered device and one installation of it."""

    stored_key: bytes
    gateway_key: bytes
    revoked: bool
    settled_through: int
    """Everything from 1 to this is stored, or in quarantine and then listed in `refused` as far as
    it lies above the number that the device claims."""
    refused: tuple[tuple[int, RefusalCode], ...]
    """Sequence numbers above the claimed one that are in quarantine, at most 32, ascending."""
    standing: int = 0
    """How often the device was revoked, restored or given a new secret until now."""


class Devices:
    """SQL access to devices. May be used by several tasks at once."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def lookup(
        self, greetings: Iterable[tuple[int, int, int]]
    ) -> Mapping[tuple[int, int], Registration]:
        """Registrations for many greetings, in one statement.

        Args:
            greetings: Device, installation, and the number through which the device claims to know
                that its reports are settled.

        Returns:
            Registrations by device and installation; an unknown device is missing.

        Raises:
            StoreUnavailableError: The database is away; ask again later.
        """
        claimed: dict[tuple[int, int], int] = {}
        for device_id, installation, through in greetings:
            key = (device_id, installation)
            claimed[key] = min(through, claimed.get(key, through))
        rows = await self._fetch(
            "look_up",
            [device_id for device_id, _ in claimed],
            [installation for _, installation in claimed],
            list(claimed.values()),
            MAX_NUMBERS_SCANNED,
            MAX_REFUSED_IN_WELCOME + 1,
            RefusalCode.SEQUENCE_CONFLICT,
        )
        return {(row["device_id"], row["installation"]): _registration(row) for row in rows}

    async def add(self, devices: Sequence[NewDevice]) -> Sequence[int]:
        """Register devices; all or none.

        Returns:
            The numbers that are new. A known device keeps its keys, label and state.

        Raises:
            StoreUnavailableError: The database is away.
        """
        rows = await self._fetch(
            "add",
            [device.device_id for device in devices],
            [device.keys.stored_key for device in devices],
            [device.keys.gateway_key for device in devices],
            [device.label for device in devices],
            [device.street_code for device in devices],
        )
        return sorted(row["id"] for row in rows)

    async def revoke(self, device_ids: Sequence[int]) -> Sequence[int]:
        """Refuse these devices from now on; returns those that exist.

        Raises:
            StoreUnavailableError: The database is away.
        """
        rows = await self._fetch("revoke", list(device_ids))
        return sorted(row["id"] for row in rows)

    async def restore(self, device_ids: Sequence[int]) -> Sequence[int]:
        """Admit these devices again; returns those that exist.

        Raises:
            StoreUnavailableError: The database is away.
        """
        rows = await self._fetch("restore", list(device_ids))
        return sorted(row["id"] for row in rows)

    async def rotate(self, keys: Mapping[int, Keys]) -> Sequence[int]:
        """Give devices new keys, all or none. The old secrets are void at once; who is revoked
        stays revoked.

        Returns:
            The numbers that are not registered. If there is one, no device was changed.

        Raises:
            StoreUnavailableError: The database is away.
        """
        rows = await self._fetch(
            "rotate",
            list(keys),
            [pair.stored_key for pair in keys.values()],
            [pair.gateway_key for pair in keys.values()],
        )
        return sorted(row["id"] for row in rows)

    async def outdated(self, standings: Collection[Standing]) -> Collection[Standing]:
        """Those of these standings that their devices do not have any more.

        Raises:
            StoreUnavailableError: The database is away.
        """
        rows = await self._fetch(
            "outdated",
            [device_id for device_id, _ in standings],
            [standing for _, standing in standings],
        )
        return {(row["id"], row["standing"]) for row in rows}

    async def list(self) -> Sequence[ListedDevice]:
        """All devices by number.

        Raises:
            StoreUnavailableError: The database is away.
        """
        devices: list[ListedDevice] = []
        while True:
            after = devices[-1].device_id if devices else 0
            page = await self._fetch("list", after, LIST_PAGE_DEVICES)
            devices += (ListedDevice(*row) for row in page)
            if len(page) < LIST_PAGE_DEVICES:
                return devices

    async def _fetch(self, query: str, *arguments: object) -> Sequence[asyncpg.Record]:
        try:
            rows: Sequence[asyncpg.Record] = await self._pool.fetch(_QUERIES[query], *arguments)
        except asyncpg.DataError:
            raise  # a value that no column can hold: the caller's fault, not the server's state
        except TRANSIENT_ERRORS as error:
            raise StoreUnavailableError(f"{type(error).__name__}: {error}") from error
        return rows


def read_device_file(lines: Iterable[str]) -> Iterator[NewDevice]:
    """Devices from a CSV file with the columns `device,secret,label,street`: `secret` in
    hexadecimal, `label` and `street` empty or left out.

    Raises:
        DeviceFileError: A line is wrong; the message never quotes a secret.
    """
    for line in _lines(lines):
        label = (line.row.get("label") or "").strip()
        yield NewDevice(line.device_id, line.keys, label, line.street_code)


def read_secrets(lines: Iterable[str]) -> Iterator[tuple[int, bytes]]:
    """Devices and their secrets from a file as `read_device_file` takes it.

    Raises:
        DeviceFileError: A line is wrong; the message never quotes a secret.
    """
    for line in _lines(lines):
        yield line.device_id, line.secret


class _Line(msgspec.Struct, frozen=True):
    """A line of a file of devices whose values are right."""

    device_id: int
    secret: bytes
    keys: Keys
    street_code: int | None
    row: Mapping[str, str | None]


def _lines(lines: Iterable[str]) -> Iterator[_Line]:
    reader = csv.DictReader(lines)
    seen: set[int] = set()
    for row in _rows(reader):
        try:
            line = _line(row)
        except ValueError as error:
            raise DeviceFileError(f"line {reader.line_num}: {error}") from None
        if line.device_id in seen:
            raise DeviceFileError(f"line {reader.line_num}: device {line.device_id} comes twice")
        seen.add(line.device_id)
        yield line


def _rows(reader: "csv.DictReader[str]") -> Iterator[Mapping[str, str | None]]:
    try:
        missing = {"device", "secret"} - set(reader.fieldnames or ())
        if missing:
            raise DeviceFileError(f"line 1: no column {', '.join(sorted(missing))}")
        yield from reader
    except csv.Error as error:  # a field of more than 128 KiB
        raise DeviceFileError(f"line {reader.reader.line_num}: {error}") from None


def _line(row: Mapping[str, str | None]) -> _Line:
    device, street = (row["device"] or "").strip(), (row.get("street") or "").strip()
    if not (device.isdecimal() and 1 <= int(device) <= MAX_DEVICE_ID):
        raise ValueError(f"device must be a number from 1 to {MAX_DEVICE_ID}")
    if street and not (street.isdecimal() and len(street) == 9):  # noqa: PLR2004 - in the message
        raise ValueError("street must be empty or a code of 9 digits")
    try:
        secret = bytes.fromhex(row["secret"] or "")
    except ValueError:
        raise ValueError("secret must be hexadecimal") from None
    unfit = unfit_character((row.get("label") or "").strip())
    if unfit:  # PostgreSQL takes no NUL, and a terminal obeys others
        raise ValueError(f"label holds {unfit}")
    keys = derive_keys(secret)
    return _Line(int(device), secret, keys, int(street) if street else None, row)


def _registration(row: asyncpg.Record) -> Registration:
    settled_through, sequences = row["watermark"], row["sequences"]
    if len(sequences) > MAX_REFUSED_IN_WELCOME:
        # What does not fit must not look stored: the device sends it again and is refused then.
        settled_through = min(settled_through, sequences[MAX_REFUSED_IN_WELCOME] - 1)
    codes = map(RefusalCode, row["codes"])
    refused = tuple(zip(sequences, codes, strict=True))[:MAX_REFUSED_IN_WELCOME]
    return Registration(
        row["stored_key"],
        row["gateway_key"],
        row["revoked"],
        settled_through,
        refused,
        row["standing"],
    )
