"""What happens at the door of TCP: connections that are not admitted yet. A part of `observe`."""

import structlog
from prometheus_client import Counter

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("gateway")

_strangers_cut = Counter(
    "gateway_strangers_cut", "Connections cut, before they were admitted, for newer ones"
)


def stranger_cut() -> None:
    """Its place was needed for a newcomer. No log line: in a flood there are thousands a second."""
    _strangers_cut.inc()


def files_limited(needed: int, allowed: int) -> None:
    """The limit of open files is lower than the settings need, and we may not raise it."""
    _log.warning(
        "files_limited",
        needed=needed,
        allowed=allowed,
        advice="raise the hard limit (LimitNOFILE, ulimit -Hn) or lower tcp.max_sessions",
    )
