"""Whether the traffic of a calendar month will cost more than it may. Pure.

What is extrapolated is usage, not money: bytes go on as they came since the month began, and what
they come to then is charged. So a fee counts once, and an allowance that will last costs nothing.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

import msgspec

from gateway.cost.cards import card_months, used
from gateway.cost.charge import UNSCALED, Scale
from gateway.cost.china import CHINA_SECONDS, DAY_SECONDS, EPOCH_DAY, day_of
from gateway.cost.data_charge import data_charges
from gateway.cost.groups import Groups
from gateway.cost.period import Period
from gateway.cost.tariff import DataPrices
from gateway.cost.usage import Usage

PROJECTS_AFTER_DAYS: Final = 3
"""So many days of a month must have passed before they are taken for all of it: one busy day on the
first would else warn of thirty. Until then the month is expected to cost what it has cost; a budget
that is exceeded already is told at once.
"""


class Sums(msgspec.Struct, frozen=True):
    """Money of a calendar month, in the tariff's currency."""

    spent: Decimal
    """Until now; fees are spent as soon as a card is used."""
    projected: Decimal
    """In the whole month, if it goes on like this."""


class Outlook(msgspec.Struct, frozen=True):
    """A month while it lasts."""

    month: date
    """Its first day."""
    together: Sums
    devices: dict[int, Sums]
    """Of those with any usage; they add up to `together`."""


class Excess(msgspec.Struct, frozen=True):
    """A budget that will not do."""

    device: int | None
    """Whose; None: of all together."""
    budget: Decimal
    sums: Sums


def month_of(now: int) -> Period:
    """The calendar month in China at a Unix time in seconds, from its first day to its last."""
    first = day_of(now).replace(day=1)
    return Period(first, (first + timedelta(31)).replace(day=1) - timedelta(1))


def look_ahead(usages: Sequence[Usage], prices: DataPrices, now: int) -> Outlook:
    """What the month will cost.

    Args:
        usages: Of this month.
        prices: Of the data tariff. Where cards share their allowances, the cost over these is
            divided among the devices by their bytes.
        now: Unix time in seconds.
    """
    month = month_of(now)
    begin = (month.first.toordinal() - EPOCH_DAY) * DAY_SECONDS - CHINA_SECONDS
    elapsed, whole = now - begin, month.count_days() * DAY_SECONDS
    is_early = elapsed < PROJECTS_AFTER_DAYS * DAY_SECONDS
    own = used(usages)
    spent = _charge(own, prices, UNSCALED)
    projected = spent if is_early else _charge(own, prices, Scale(whole, elapsed))
    return Outlook(
        month=month.first,
        together=_sums(sum(spent.values()), sum(projected.values())),
        devices={device: _sums(cents, projected[device]) for device, cents in spent.items()},
    )


def find_excess(
    outlook: Outlook, device_budget: Decimal | None, total_budget: Decimal | None
) -> list[Excess]:
    """The budgets that the month is on the way to exceed; one that is just used up is kept. None:
    there is no such budget.
    """
    found: list[Excess] = []
    if total_budget is not None and outlook.together.projected > total_budget:
        found.append(Excess(None, total_budget, outlook.together))
    if device_budget is not None:
        found += [
            Excess(device, device_budget, sums)
            for device, sums in outlook.devices.items()
            if sums.projected > device_budget
        ]
    return found


def _charge(usages: Sequence[Usage], prices: DataPrices, scale: Scale) -> dict[int, int]:
    """Cents by device."""
    charges = data_charges(prices, card_months(usages), scale)
    cents = Groups("device", usages).divide(charges, None)
    return {device: amount for device, amount in cents.items() if isinstance(device, int)}


def _sums(spent: int, projected: int) -> Sums:
    return Sums(Decimal(spent).scaleb(-2), Decimal(projected).scaleb(-2))
