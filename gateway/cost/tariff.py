"""Price lists: TOML files, validated. Sums of money are decimal numbers, never binary floats."""

import re
import tomllib
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from gateway.cost.usage import KIB

Rounding = Literal["session", "day", "month"]
"""Over what a begun unit counts as a whole one: each connection, each day, or the whole month."""

MAX_PRICE: Final = 1_000_000
"""Highest price or fee: more is a slip, and would not leave room for exact sums."""

MAX_PRICE_DECIMALS: Final = 8
"""Finest price: a byte at 1 yuan per GB is 0.000000001, so such a plan states a larger unit."""

MAX_FEE_DECIMALS: Final = 2
"""Fees are paid in whole cents."""

MAX_FACTOR_DECIMALS: Final = 4
"""Finest night factor."""

MAX_BYTES: Final = 10**15
"""Largest allowance or unit: a petabyte a month is "unlimited"."""

Bytes = Annotated[int, Meta(ge=0, le=MAX_BYTES)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]


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
    allowance_bytes: Bytes = 0
    """Included in the fee."""
    price: Decimal
    """Of each unit over the allowance."""
    unit_bytes: Annotated[int, Meta(ge=1, le=MAX_BYTES)]
    rounding: Rounding = "month"
    night_factor: Decimal = Decimal(1)
    """How much a byte counts between 23:00 and 07:00, 0 to 1. When night is, is settled where
    traffic is metered, and the same for every tariff."""
    pooled: bool = False
    """Whether all cards share the sum of their allowances."""


class Tariff(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One price list: of short messages or of data."""

    id: str
    """The file's name without its ending."""
    name: Name
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
    """ISO 4217."""
    source: Annotated[str, Meta(min_length=1)]
    """Where the prices come from."""
    assumption: bool
    """Whether any price is an assumption of ours."""
    sms: SmsPrices | None = None
    data: DataPrices | None = None


def parse_tariff(text: str, tariff_id: str) -> Tariff:
    """The tariff in a TOML text. Raises `TariffError`."""
    try:
        values: dict[str, Any] = tomllib.loads(text, parse_float=_decimal)
        if "id" in values:
            raise TariffError(f"tariff {tariff_id}: id: the file's name is its id, leave it out")
        tariff = msgspec.convert({**values, "id": tariff_id}, Tariff)
    except msgspec.ValidationError as error:
        raise TariffError(f"tariff {tariff_id}: {_explain(str(error))}") from None
    except ValueError as error:  # also a whole number of thousands of digits
        raise TariffError(f"tariff {tariff_id} is not valid TOML: {error}") from None
    except RecursionError:
        raise TariffError(f"tariff {tariff_id} is not valid TOML: nested too deeply") from None
    for field, fault in _faults(tariff):
        raise TariffError(f"tariff {tariff_id}: {field}: {fault}")
    return tariff


def _decimal(text: str) -> Decimal:
    """A number of TOML. Raises `ValueError` for an exponent of twenty digits."""
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text} is beyond all numbers") from None


_MESSAGE: Final = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<where>[^`]*)`)?$", re.DOTALL)


def _explain(message: str) -> str:
    """The message of msgspec with the field first."""
    match = _MESSAGE.match(message)
    where, what = (match["where"], match["what"]) if match else ("", message)
    return f"{where}: {what}" if where else what


def _faults(tariff: Tariff) -> list[tuple[str, str]]:
    """Fields and what is wrong with them, that needs more than a type to say."""
    sms, data = tariff.sms, tariff.data
    if (sms is None) == (data is None):
        return [("sms, data", "a tariff has one of [sms] and [data], not both and not neither")]
    faults: list[tuple[str, str | None]] = []
    if sms is not None:
        faults += [
            ("sms.up", _amount_fault(sms.up, MAX_PRICE, MAX_PRICE_DECIMALS)),
            ("sms.down", _amount_fault(sms.down, MAX_PRICE, MAX_PRICE_DECIMALS)),
        ]
    if data is not None:
        faults += [
            ("data.fee", _amount_fault(data.fee, MAX_PRICE, MAX_FEE_DECIMALS)),
            ("data.price", _amount_fault(data.price, MAX_PRICE, MAX_PRICE_DECIMALS)),
            ("data.night_factor", _amount_fault(data.night_factor, 1, MAX_FACTOR_DECIMALS)),
            ("data.rounding", _rounding_fault(data)),
        ]
    return [(field, fault) for field, fault in faults if fault]


def _amount_fault(amount: Decimal, most: int, decimals: int) -> str | None:
    if not (amount.is_finite() and 0 <= amount <= most):
        return f"must be 0 to {most:,}, not {amount}"
    if amount != round(amount, decimals):
        return f"has more than {decimals} decimals: {amount}"
    return None


def _rounding_fault(data: DataPrices) -> str | None:
    if data.rounding == "session" and data.unit_bytes != KIB:
        return f'"session" needs unit_bytes = {KIB}: parts of a connection are metered in these'
    return None
