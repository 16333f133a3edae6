"""One run from beginning to end: play, verify, tell, and an exit code that scripts can use."""

from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Final

import psycopg
import trio
from rich.console import Console

from device_sim.centre import Centre
from device_sim.edition import edition
from device_sim.outbox import Outbox
from device_sim.plan import Plan
from device_sim.progress import display
from device_sim.runtime import Outcome, run_fleet
from device_sim.scenario import EDITION
from device_sim.summary import (
    print_summary,
    summarise,
    with_comparison,
    with_task_comparison,
    with_tasks,
    write_json,
)
from device_sim.tally import Tally
from device_sim.verify import Comparison, compare, stored_rows
from device_sim.verify_tasks import TaskComparison, compare_tasks, stored_tasks
from gateway.protocol.task_messages import Receipt

EXIT_DIFFERENT: Final = 1
"""Something is refused, missing, extra or altered."""
EXIT_UNFINISHED: Final = 3
"""Timed out, interrupted, not admitted, or the database could not be read."""

_FAILURES_TOLD: Final = 5


class PlayError(Exception):
    """The run was played and could not be told or verified; the message says why."""


def play(
    plan: Plan, outbox: Outbox, dsn: str | None, json_file: Path | None, timeout_seconds: float
) -> int:
    """Run a plan, verify, tell people and programs; returns the exit code.

    Args:
        plan: what is to be run.
        outbox: the record.
        dsn: of the database to compare with, if any.
        json_file: where the summary goes, if anywhere.
        timeout_seconds: infinite for no limit.
    """
    console, tally, expected = Console(stderr=True), Tally(), plan.scenario.total
    shown = display(console, tally, expected, len(plan.scenario.fleet.inspectors))
    began = monotonic()
    shown.start()
    try:
        outcome = trio.run(
            run_fleet, plan, outbox, tally, shown.show, shown.every_seconds, timeout_seconds
        )
    finally:
        shown.stop()
    totals = outbox.totals()
    centre = None if plan.errands is None else plan.errands.centre
    summary = summarise(outcome, tally, totals, expected, monotonic() - began)
    summary = with_tasks(summary, tally.tasks, centre)
    comparison = task_comparison = None
    # What was interrupted is not compared: what is under way would be told as missing.
    if dsn is not None and outcome is not Outcome.INTERRUPTED:
        comparison = _verify(plan, outbox, dsn)
        summary = with_comparison(summary, comparison)
        if centre is not None:
            task_comparison = _verify_tasks(centre, outbox, dsn)
            summary = with_task_comparison(summary, task_comparison)
    print_summary(console, summary)
    if json_file is not None:
        try:
            write_json(json_file, summary)
        except OSError as error:
            raise PlayError(f"--json: {json_file}: {error.strerror}") from None
    found = [one for one in (comparison, task_comparison) if one is not None]
    _tell(console, tally, centre, found)
    if outcome is not Outcome.COMPLETE or tally.failures or (centre and centre.failure):
        return EXIT_UNFINISHED
    is_clean = all(one.is_clean for one in found) and not _is_anything_refused(tally, centre)
    return 0 if totals.acked == expected and is_clean else EXIT_DIFFERENT


def _is_anything_refused(tally: Tally, centre: Centre | None) -> bool:
    """Whether something about tasks was; a refused report is not acked, which is seen anyway."""
    requests = centre is not None and bool(centre.refusals)
    return requests or bool(tally.tasks.receipts[Receipt.NOT_ACCEPTED])


def _verify(plan: Plan, outbox: Outbox, dsn: str) -> Comparison:
    try:
        rows = stored_rows(dsn, plan.scenario.fleet.device_ids)
        return compare(outbox.entries(), rows, edition(EDITION))
    except psycopg.Error as error:
        raise PlayError(f"--verify: {str(error).strip()}") from None


def _verify_tasks(centre: Centre, outbox: Outbox, dsn: str) -> TaskComparison:
    try:
        stored = stored_tasks(dsn, [errand.request.id for errand in centre.errands])
    except psycopg.Error as error:
        raise PlayError(f"--verify: {str(error).strip()}") from None
    return compare_tasks(centre, list(outbox.tasks.entries()), stored)


def _tell(
    console: Console,
    tally: Tally,
    centre: Centre | None,
    comparisons: Sequence[Comparison | TaskComparison],
) -> None:
    """Name the first few things that went wrong."""
    for device, reason in list(tally.failures.items())[:_FAILURES_TOLD]:
        console.print(f"device {device} gave up: {reason}", style="red", highlight=False)
    for complaint in [] if centre is None else centre.complaints():
        console.print(complaint, style="red", highlight=False, markup=False)
    for comparison in comparisons:
        for kind, examples in comparison.examples.items():
            for example in examples:
                console.print(f"{kind}: {example}", style="red", highlight=False, markup=False)
