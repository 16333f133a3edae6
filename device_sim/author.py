"""The inspector at work: writes reports when their time has come, into outbox and handset."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from typing import Final

from device_sim.courier import Courier
from device_sim.faults import FaultPlan
from device_sim.pace import Pace
from gateway.protocol.report import Report

CHUNK_REPORTS: Final = 32
"""Reports made durable together at full speed; in real time each is written as it comes."""


async def write_reports(
    courier: Courier,
    reports: Iterable[Report],
    written: int,
    total: int,
    plan: FaultPlan,
    pace: Pace,
) -> None:
    """Write an inspector's reports, taking up where an earlier run stopped.

    Args:
        courier: of the inspector's handset.
        reports: all of the scenario's, from the first.
        written: how many of these the outbox holds already.
        total: how many these are.
        plan: the handset's faults.
        pace: the scenario's time.
    """
    if written < total:
        circumstances = islice(plan.of_reports(reports), written, None)
        size = 1 if pace.waits else CHUNK_REPORTS
        while chunk := list(islice(circumstances, size)):
            await pace.sleep_until(chunk[0].report.observed_at)
            await courier.wait_for_room()
            if pace.waits and not courier.is_welcome:
                # The link is really away, so these go as a backlog when it is back.
                chunk = [replace(circumstance, offline=True) for circumstance in chunk]
            courier.write(written + 1, chunk)
            written += len(chunk)
    courier.is_all_written = True
    courier.wake.set()
