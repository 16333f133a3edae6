"""Usage and tariffs, with what a test cares about said by name."""

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from gateway.cost.tariff import DataPrices, SmsPrices, Tariff
from gateway.cost.usage import OldMessages, Traffic, Usage


def use(
    day: str = "2008-01-15",
    device: int = 1,
    transport: str | None = "tcp",
    street: int | None = 440307003,
    **counts: int,
) -> Usage:
    """One device on one day; counts go to its traffic or its messages by name."""
    of_traffic = set(Traffic.__struct_fields__)
    return Usage(
        day=date.fromisoformat(day),
        device=device,
        transport=transport,
        street=street,
        traffic=Traffic(**{name: n for name, n in counts.items() if name in of_traffic}),
        sms=OldMessages(**{name: n for name, n in counts.items() if name not in of_traffic}),
    )


def data_prices(**prices: Any) -> DataPrices:
    """One cent for each KiB, nothing included; changed by name, sums as texts."""
    return msgspec.convert({"price": "0.01", "unit_bytes": 1024, **prices}, DataPrices)


def data_tariff(tariff_id: str = "data", **prices: Any) -> Tariff:
    """A tariff of these prices."""
    return _tariff(tariff_id, data=data_prices(**prices))


def sms_tariff(tariff_id: str = "sms", up: str = "0.1", down: str = "0.1") -> Tariff:
    """A tariff of short messages."""
    return _tariff(tariff_id, sms=SmsPrices(up=Decimal(up), down=Decimal(down)))


def _tariff(tariff_id: str, **kind: Any) -> Tariff:
    return Tariff(
        id=tariff_id, name=tariff_id, currency="CNY", source="test", assumption=False, **kind
    )
