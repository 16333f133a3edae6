"""What became of the emergencies of a run, added to its result."""

import asyncio
from collections.abc import Sequence

import msgspec

from bench.load.caller import TcpCaller
from bench.load.fleet import Fleet
from bench.load.plan import LoadResult
from bench.load.subscriber import EmergencyReader
from bench.load.waits import MILLISECONDS, thinned


async def with_emergencies(
    result: LoadResult,
    fleet: Fleet,
    callers: Sequence[TcpCaller],
    reader: EmergencyReader | None,
) -> LoadResult:
    """Wait for the last acks, and the last receipts if somebody reads.

    Raises:
        LoadError: an emergency was acked and never published.
    """
    await asyncio.gather(*(caller.finished for caller in callers))
    sent = {
        (caller.plan.device_id, caller.plan.installation, number): sent_at
        for caller in callers
        for number, sent_at in enumerate(caller.sent_at, start=1)
    }
    receipts: list[float] = []
    if reader is not None:
        await reader.wait_for(set(sent))
        receipts = [(reader.received_at[key] - at) * MILLISECONDS for key, at in sent.items()]
    return msgspec.structs.replace(
        result,
        calls=[len(caller.sent_at) for caller in callers],
        ordinary_ms=thinned(fleet.waits),
        emergency_ms=[wait for caller in callers for wait in caller.waits_ms],
        receipt_ms=receipts,
    )
