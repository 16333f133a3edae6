"""One run from beginning to end: play, verify, tell, and an exit code that scripts can use."""

from pathlib import Path
from time import monotonic
from typing import Final

import psycopg
import trio
from rich.console import Console

from device_sim.edition import edition
from device_sim.outbox import Outbox
from device_sim.progress import display
from device_sim.runtime import Outcome, Plan, run_fleet
from device_sim.scenario import EDITION
from device_sim.summary import print_summary, summarise, with_comparison, write_json
from device_sim.tally import Tally
from device_sim.verify import Comparison, compare, stored_rows

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
    summary = summarise(outcome, tally, totals, expected, monotonic() - began)
    comparison = None
    # What was interrupted is not compared: what is under way would be told as missing.
    if dsn is not None and outcome is not Outcome.INTERRUPTED:
        comparison = _verify(plan, outbox, dsn)
        summary = with_comparison(summary, comparison)
    print_summary(console, summary)
    if json_file is not None:
        try:
            write_json(json_file, summary)
        except OSError as error:
            raise PlayError(f"--json: {json_file}: {error.strerror}") from None
    _tell(console, tally, comparison)
    return _exit_code(outcome, tally, complete=totals.acked == expected, comparison=comparison)


def _verify(plan: Plan, outbox: Outbox, dsn: str) -> Comparison:
    try:
        rows = stored_rows(dsn, plan.scenario.fleet.device_ids)
        return compare(outbox.entries(), rows, edition(EDITION))
    except psycopg.Error as error:
        raise PlayError(f"--verify: {str(error).strip()}") from None


def _tell(console: Console, tally: Tally, comparison: Comparison | None) -> None:
    """Name the first few things that went wrong."""
    for device, reason in list(tally.failures.items())[:_FAILURES_TOLD]:
        console.print(f"device {device} gave up: {reason}", style="red", highlight=False)
    if comparison is not None:
        for kind, examples in comparison.examples.items():
            for example in examples:
                console.print(f"{kind}: {example}", style="red", highlight=False, markup=False)


def _exit_code(
    outcome: Outcome, tally: Tally, *, complete: bool, comparison: Comparison | None
) -> int:
    if outcome is not Outcome.COMPLETE or tally.failures:
        return EXIT_UNFINISHED
    is_clean = comparison is None or comparison.is_clean
    return 0 if complete and is_clean else EXIT_DIFFERENT
