"""What the month's traffic costs: the part of `observe` that is about budgets."""

from decimal import Decimal

import structlog
from prometheus_client import Counter, Gauge

from gateway.cost.budget import Sums

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("gateway")

_spent = Gauge("gateway_budget_spent", "Cost of this month's traffic until now")
_projected = Gauge("gateway_budget_projected", "What the month will cost if it goes on like this")
_allowed = Gauge("gateway_budget_allowed", "What the month may cost; 0 without a budget")
_devices = Gauge("gateway_budget_exceeding_devices", "Devices that will exceed their budget")
_warnings = Counter("gateway_budget_warnings", "Warnings written by this gateway")
_failures = Counter("gateway_budget_failures", "Calculations of budgets ended by a bug of ours")


def budgets(together: Sums, allowed: Decimal | None, exceeding_devices: int) -> None:
    """The month was calculated."""
    _spent.set(float(together.spent))
    _projected.set(float(together.projected))
    _allowed.set(float(allowed or 0))
    _devices.set(exceeding_devices)


def budgets_warned(warnings: int) -> None:
    """Devices, or all together, will exceed their budget; subscribers are told which."""
    _warnings.inc(warnings)
    _log.warning("budgets_warned", warnings=warnings)


def budgets_paused(error: Exception, delay_seconds: float) -> None:
    """The database is away; budgets are calculated when it is back."""
    _log.warning("budgets_paused", error=str(error), delay_seconds=round(delay_seconds, 2))


def budgets_failed(error: Exception, delay_seconds: float) -> None:
    """A bug of ours ended a calculation; it is tried again, and reports are still taken."""
    _failures.inc()
    _log.error("budgets_failed", delay_seconds=round(delay_seconds, 2), exc_info=error)
