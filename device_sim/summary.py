"""What a run came to: as a table for people and as JSON for programs."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from device_sim.centre import Centre
from device_sim.outbox import Totals
from device_sim.runtime import Outcome
from device_sim.tally import Tally
from device_sim.task_tally import TaskTally
from device_sim.verify import Comparison
from device_sim.verify_tasks import TaskComparison
from gateway.protocol.errors import RefusalCode

PERCENTILES: Final = (50, 95, 99)


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The smallest value that at least so many percent do not exceed (nearest rank).

    Raises:
        ValueError: there are no values.
    """
    if not ordered:
        raise ValueError("no values")
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]


def summarise(
    outcome: Outcome, tally: Tally, totals: Totals, expected: int, seconds: float
) -> dict[str, Any]:
    """The figures of a run.

    Args:
        outcome: how it ended.
        tally: what this run of the program counted.
        totals: what the outbox holds, earlier runs of the same state included.
        expected: reports of the whole scenario.
        seconds: how long this run took.
    """
    acked = tally.acked
    ordered = sorted(tally.ack_seconds)
    return {
        "outcome": outcome.value,
        "reports_expected": expected,
        "reports_sent": totals.written,
        "acked": totals.acked,
        "refused": totals.refused,
        "transmissions": totals.transmissions,
        "resends": tally.resends,
        "frames": tally.frames,
        "backlogs": tally.backlogs,
        "refusals": {_code_name(code): count for code, count in sorted(tally.refused.items())},
        "asked_later": tally.asked_later,
        "connections": tally.connections,
        "lost_links": tally.lost_links,
        "unproven_welcomes": tally.unproven_welcomes,
        "outages": tally.outages,
        "wipes": tally.wipes,
        "conflicts": tally.conflicts,
        "faults": {fault.value: count for fault, count in tally.faults.items()},
        "failed_handsets": len(tally.failures),
        "seconds": round(seconds, 3),
        "reports_per_second": round(acked / seconds, 1) if seconds else None,
        "ack_ms": {
            f"p{percent}": round(1e3 * percentile(ordered, percent), 2) if ordered else None
            for percent in PERCENTILES
        },
        "bytes_up": tally.traffic.up,
        "bytes_down": tally.traffic.down,
        "bytes_up_per_report": round(tally.traffic.up / acked, 1) if acked else None,
        "bytes_down_per_report": round(tally.traffic.down / acked, 1) if acked else None,
    }


def with_comparison(summary: dict[str, Any], comparison: Comparison) -> dict[str, Any]:
    """The figures with those of the verification."""
    return summary | {
        "equal": comparison.equal,
        "missing": comparison.missing,
        "missing_acked": comparison.missing_acked,
        "extra": comparison.extra,
        "altered": comparison.altered,
    }


def with_tasks(summary: dict[str, Any], tally: TaskTally, centre: Centre | None) -> dict[str, Any]:
    """The figures with those of tasks, where there were any."""
    if centre is None and tally.is_empty:
        return summary
    asked = {} if centre is None else {"asked_for": centre.figures()}
    return summary | asked | {"tasks": tally.figures()}


def with_task_comparison(summary: dict[str, Any], comparison: TaskComparison) -> dict[str, Any]:
    """The figures with those of the verification of tasks."""
    return summary | {"tasks_verified": comparison.figures()}


def write_json(path: Path, summary: dict[str, Any]) -> None:
    """Write the figures. Raises `OSError`."""
    path.write_text(json.dumps(summary, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def print_summary(console: Console, summary: dict[str, Any]) -> None:
    """Print the figures as a table, one line each."""
    table = Table(title="device-sim", show_header=False, title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in summary.items():
        if isinstance(value, dict):
            for part, number in value.items():
                table.add_row(f"{_words(name)}: {_words(part)}", _text(number))
        else:
            table.add_row(_words(name), _text(value))
    console.print(table)


def _code_name(code: int) -> str:
    try:
        return RefusalCode(code).name
    except ValueError:
        return str(code)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int | float) else str(value)
