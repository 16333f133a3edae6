"""The results of runs as tables: for the terminal and for `docs/reliability.md`. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final

from chaos.result import FIGURES, Result
from chaos.schedule import Fault

SHORT: Final = {
    Fault.GATEWAY_KILLED: "gateway",
    Fault.POSTGRES_KILLED: "database",
    Fault.BROKER_KILLED: "broker",
    Fault.POSTGRES_HUNG: "hung",
    Fault.OUT_OF_CONNECTIONS: "full house",
    Fault.DISK_FULL: "disk",
    Fault.FAIL_OVER: "fail-over",
    Fault.LINK_CUT: "cut",
    Fault.LINK_HALF_OPEN: "half-open",
    Fault.LINK_SLOW: "slow",
    Fault.LINK_CORRUPTING: "corrupt",
    Fault.CLOCK_JUMP: "clock",
}
"""Heads of columns."""

TOLD: Final = ("sent", "acked", "stored", "duplicates", "quarantined", "events", "tasks")


def verdict(result: Result) -> str:
    """One word, or how much was found."""
    return "clean" if result.is_clean else f"**{len(result.findings)} findings**"


def text(result: Result) -> list[str]:
    """A result in lines for people."""
    lines = [f"counts: {', '.join(f'{name} {result.counts[name]:,}' for name in FIGURES)}"]
    lines += [f"NOT INJECTED: {fault}: {why}" for fault, why in result.not_injected.items()]
    lines += [f"FINDING: {finding}" for finding in result.findings]
    lines.append(f"seed {result.seed}: {verdict(result).strip('*')}")
    return lines


def markdown(results: Sequence[Result]) -> str:
    """Two tables, a row for each seed: what was broken, and what came of it."""
    faults = _table(
        ["seed", "minutes", *SHORT.values()],
        (
            [str(one.seed), f"{one.seconds / 60:g}", *(_times(one, fault) for fault in SHORT)]
            for one in results
        ),
    )
    outcome = _table(
        ["seed", *TOLD, "result"],
        (
            [str(one.seed), *(f"{one.counts[name]:,}" for name in TOLD), verdict(one)]
            for one in results
        ),
    )
    total = sum(one.counts["stored"] for one in results)
    broken = sum(count for one in results for count in one.injected.values())
    clean = sum(one.is_clean for one in results)
    said = (
        f"{len(results)} runs, {broken:,} faults, {total:,} reports stored; {clean} runs without a"
        " finding."
    )
    return f"Faults, how often:\n\n{faults}\n\nWhat came of it:\n\n{outcome}\n\n{said}"


def _times(result: Result, fault: Fault) -> str:
    if fault in result.not_injected:
        return "not injected"
    return str(result.injected.get(fault, 0))


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = "|".join("---:" for _ in heads)
    lines = [f"| {' | '.join(heads)} |", f"|{rule}|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
