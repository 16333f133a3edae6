"""Reads tariffs: those that are shipped, and those of an operator's own folder."""

import re
from decimal import Decimal
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from gateway.cost.tariff import Tariff, TariffError, parse_tariff

ENDING: Final = ".toml"
_ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""It names series in metrics and columns in tables."""


def load_tariffs(folder: str = "") -> dict[str, Tariff]:
    """All tariffs by id: those for SMS first, assumptions last, then from the lowest fee up.

    Args:
        folder: One with tariffs of your own, beside those that are shipped; one with the same id
            takes the place of the shipped one. Empty: none.

    Raises:
        TariffError: naming the file and its fault.
    """
    found = _shipped()
    if folder:
        found = found | _in_folder(Path(folder))
    return {tariff.id: tariff for tariff in sorted(found.values(), key=_order)}


def find_tariff(name_or_path: str, folder: str = "") -> Tariff:
    """One tariff, by its id or as a file.

    Raises:
        TariffError: There is none, and which there are; or it has a fault.
    """
    if name_or_path.endswith(ENDING):
        return _read(Path(name_or_path))
    known = load_tariffs(folder)
    if name_or_path not in known:
        raise TariffError(
            f"there is no tariff {name_or_path}; there are: {', '.join(known)},"
            f" and files that end in {ENDING}"
        )
    return known[name_or_path]


@cache
def _shipped() -> dict[str, Tariff]:
    """Those of the package, which do not change while it runs; not to be changed by callers."""
    return _in_folder(resources.files("gateway").joinpath("tariffs"))


def _order(tariff: Tariff) -> tuple[bool, bool, Decimal, str]:
    fee = tariff.data.fee if tariff.data else Decimal(0)
    return tariff.sms is None, tariff.assumption, fee, tariff.id


def _in_folder(folder: Traversable) -> dict[str, Tariff]:
    try:
        files = [file for file in folder.iterdir() if file.name.endswith(ENDING)]
    except OSError as error:
        raise TariffError(f"folder of tariffs {folder}: {error.strerror}") from None
    except ValueError as error:  # NUL in the name
        raise TariffError(f"folder of tariffs {str(folder)!r}: {error}") from None
    return {tariff.id: tariff for tariff in map(_read, files)}


def _read(file: Traversable) -> Tariff:
    tariff_id = file.name.removesuffix(ENDING)
    if not _ID.fullmatch(tariff_id):
        raise TariffError(
            f"{file}: the name of a tariff has small letters, digits, '.', '_' and '-', at most 64"
        )
    try:
        return parse_tariff(file.read_text(encoding="utf-8"), tariff_id)
    except OSError as error:
        raise TariffError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise TariffError(f"{file} is not UTF-8: {error}") from None
    except ValueError as error:  # NUL in the name of a folder
        raise TariffError(f"{str(file)!r}: {error}") from None
    except TariffError as error:
        raise TariffError(f"{file}: {error}") from None
