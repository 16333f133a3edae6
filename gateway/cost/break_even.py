"""From how many reports on a standing connection is cheaper than a connection for each."""

import msgspec

from gateway.cost.idle import HEADER_BYTES, SHIFT_HOURS, connection_bytes, heartbeats_bytes
from gateway.protocol.limits import HEARTBEAT_SECONDS


class BreakEven(msgspec.Struct, frozen=True, kw_only=True):
    """A standing connection with heartbeats beside a connection for each report, in a shift."""

    shift_hours: int
    heartbeat_seconds: int
    standing_bytes: int
    """What standing costs in a shift, without any report: one connection and its heartbeats."""
    connection_bytes: int
    """What each further connection costs: connecting, greeting, leaving."""
    reports: int
    """From so many reports a shift the standing connection is cheaper."""


def break_even(header_bytes: int = HEADER_BYTES) -> BreakEven:
    """Compare the two. A report and its ack cost the same either way and are left out.

    Args:
        header_bytes: Of IP and TCP, `HEADER_BYTES` or `HEADER_BYTES_PLAIN`.
    """
    each = connection_bytes(header_bytes).both
    standing = each + heartbeats_bytes(header_bytes).both
    return BreakEven(
        shift_hours=SHIFT_HOURS,
        heartbeat_seconds=HEARTBEAT_SECONDS,
        standing_bytes=standing,
        connection_bytes=each,
        reports=standing // each + 1,
    )
