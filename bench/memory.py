"""How much memory the settings let a gateway take above what it has at its start. Pure.

How many things may be held follows from the settings. Bytes for each are estimates, rounded up [A].
"""

from typing import Final

from gateway.protocol.limits import MAX_BACKLOG_REPORTS
from gateway.recent import DEFAULT_REMEMBERED_REPORTS
from gateway.settings import Settings
from gateway.tcp_server import READ_BYTES

PENDING_ITEM_BYTES: Final = 2_000
"""A report that waits or is being written: the report itself with its text, and if it came alone
its parcel, closure and frame; while its batch is written its row, key and verdict."""

REMEMBERED_ITEM_BYTES: Final = 800
"""A report kept to recognise repetitions, with its text and key."""

SESSION_BYTES: Final = 16_000
"""A session's objects, the transport's included."""


def memory_bound_bytes(settings: Settings, sessions: int) -> int:
    """The bound.

    Pending and being written: the limits of ordinary items and of emergencies, and for each one
    frame that was under way when it was reached.
    A session that must not read on may hold what one read brought. The recently committed: one
    generation more than remembered, while the next is being filled.
    """
    pending = settings.batch.max_pending_items + MAX_BACKLOG_REPORTS
    pending += settings.batch.max_items + 1
    return (
        pending * PENDING_ITEM_BYTES
        + DEFAULT_REMEMBERED_REPORTS * REMEMBERED_ITEM_BYTES
        + sessions * (READ_BYTES + SESSION_BYTES)
    )
