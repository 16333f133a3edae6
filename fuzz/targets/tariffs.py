"""Price lists: TOML that an operator writes."""

import json
from decimal import Decimal
from typing import Final

import msgspec

from gateway.cost.tariff import MAX_PRICE, Tariff, TariffError, parse_tariff

_ID: Final = "fuzzed"


def check(data: bytes) -> None:
    """A tariff is in its limits and reads the same when it is written out plainly."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return  # `price_lists` says so before it parses
    try:
        tariff = parse_tariff(text, _ID)
    except TariffError as error:
        assert str(error).startswith(f"tariff {_ID}")
        return
    assert (tariff.sms is None) != (tariff.data is None)
    for amount in _amounts(tariff):
        assert 0 <= amount <= MAX_PRICE
    assert parse_tariff(_written(tariff), _ID) == tariff


def _amounts(tariff: Tariff) -> list[Decimal]:
    if tariff.sms:
        return [tariff.sms.up, tariff.sms.down]
    assert tariff.data
    return [tariff.data.fee, tariff.data.price, tariff.data.night_factor]


def _written(tariff: Tariff) -> str:
    plain = msgspec.to_builtins(tariff, builtin_types=(Decimal,))
    del plain["id"]
    tables = {name: plain.pop(name) for name in ("sms", "data")}
    lines = [f"{name} = {_value(value)}" for name, value in plain.items()]
    for name, table in tables.items():
        if table is not None:
            lines += [f"[{name}]", *(f"{key} = {_value(value)}" for key, value in table.items())]
    return "\n".join(lines)


def _value(value: object) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
