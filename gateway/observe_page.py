"""What happened around the page; a part of `observe`."""

from typing import Final

import structlog

_log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger("gateway")


def bill_failed(error: Exception) -> None:
    """The bill of the page could not be made: the database is away, or a tariff is wrong. The page
    shows the last one.
    """
    _log.warning("page_bill_failed", error=f"{type(error).__name__}: {error}")
