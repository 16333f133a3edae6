"""Price lists: TOML files, validated. Sums of money are decimal numbers, never binary floats."""

from decimal import Decimal
from typing import Literal

import msgspec

Rounding = Literal["session", "day", "month"]
"""Over what a begun unit counts as a whole one: each connection, each day, or the whole month."""


class TariffError(Exception):
    """A tariff is malformed; the message names the file, the field and what is wrong."""


class SmsPrices(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Prices of short messages, a segment."""

    up: Decimal
    """From a device to the centre."""
    down: Decimal
    """From the centre to a device."""


class DataPrices(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Prices of a data plan, for each card and calendar month."""

    fee: Decimal = Decimal(0)
    allowance_bytes: int = 0
    """Included in the fee."""
    price: Decimal
    """Of each unit over the allowance."""
    unit_bytes: int
    rounding: Rounding = "month"
    night_factor: Decimal = Decimal(1)
    """How much a byte counts between 23:00 and 07:00."""
    pooled: bool = False
    """Whether all cards share the sum of their allowances."""


class Tariff(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One price list: of short messages or of data."""

    id: str
    """The file's name without its ending."""
    name: str
    currency: str
    """ISO 4217."""
    source: str
    """Where the prices come from."""
    assumption: bool
    """Whether any price is an assumption of ours."""
    sms: SmsPrices | None = None
    data: DataPrices | None = None


def parse_tariff(text: str, tariff_id: str) -> Tariff:
    """The tariff in a TOML text. Raises `TariffError`."""
    raise NotImplementedError
