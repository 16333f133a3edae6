"""The results as Markdown: what the terminal shows and `docs/performance.md` keeps. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from bench.connections import Connections
from bench.results import (
    EmergencySummary,
    Quantiles,
    Ratio,
    Results,
    Summary,
    ratios,
    summarize,
    summarize_emergencies,
)
from bench.sizes import SizeTable, Spread

MEBIBYTE: Final = 1_048_576
DASH: Final = "–"
NUMERIC: Final = frozenset("0123456789" + DASH)
"""How the cells of a column of numbers begin."""


def render(results: Results) -> str:
    """All tables."""
    sections = []
    if results.measurements:
        summaries = summarize(results.measurements)
        sections += [_speed(results, summaries), _costs(summaries), _memory(results, summaries)]
        if relay := _relay(results):
            sections.append(relay)
        if meter := _meter(results):
            sections.append(meter)
        if emergencies := summarize_emergencies(results.measurements):
            sections.append(_emergencies(emergencies))
    sections += map(_sizes, results.sizes)
    settings = "\n".join(f"- {name}: {value}" for name, value in results.settings.items())
    return "\n\n".join((f"{_machine(results)}\n{settings}", *sections)) + "\n"


def render_connections(results: Results) -> str:
    """The table of what connections cost; empty when that was not measured."""
    if not results.connections:
        return ""
    return f"{_machine(results)}\n\n{_connections(results.connections)}\n"


def _machine(results: Results) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in results.machine.items())


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the columns that begin with a number are set to the right."""
    first = rows[0]
    rule = ["---:" if cell.strip("*")[:1] in NUMERIC else "---" for cell in first]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, rule, *rows))


def _speed(results: Results, summaries: Sequence[Summary]) -> str:
    head = (
        *("part", "what", "reports", "reports/s (median)", "lowest to highest"),
        *("of (a)", "of (a-raw)", "times (b)", "in a transaction", "ms to the ack"),
    )
    rows = [
        (
            f"({summary.part})",
            results.titles[summary.part],
            f"{summary.reports:,}",
            f"**{summary.median_rate:,.0f}**",
            f"{summary.lowest_rate:,.0f} to {summary.highest_rate:,.0f}",
            _ratio(summary.to_ceiling, 2),
            _ratio(summary.to_raw_ceiling, 2),
            _ratio(summary.to_script, 1),
            _number(summary.batch_items, 0),
            _number(summary.ack_ms, 1),
        )
        for summary in summaries
    ]
    return table(head, rows)


def _costs(summaries: Sequence[Summary]) -> str:
    """Processor seconds for 1,000 reports are processor milliseconds for one."""
    names = ("gateway", "script", "postgres", "broker", "generator")
    head = ("CPU seconds per 1,000 reports", *names, "all", "processors busy")
    rows = []
    for summary in summaries:
        costs = summary.cpu_ms_per_report
        every = sum(costs.values())
        rows.append(
            (
                f"({summary.part})",
                *(_number(costs.get(name), 3) for name in names),
                f"{every:.3f}",
                f"{every * summary.median_rate / 1_000:.1f}",
            )
        )
    return table(head, rows)


def _memory(results: Results, summaries: Sequence[Summary]) -> str:
    bound = f"{results.memory_bound_bytes / MEBIBYTE:.0f}"
    rows = [
        (
            f"({summary.part})",
            f"{(summary.rss_peak_bytes or 0) / MEBIBYTE:.0f}",
            f"{summary.rss_growth_bytes / MEBIBYTE:.0f}",
            bound,
        )
        for summary in summaries
        if summary.rss_growth_bytes is not None
    ]
    if not rows:
        return "No gateway was measured."
    return table(("part", "gateway's peak RSS, MiB", "above its start", "bound of that"), rows)


def _relay(results: Results) -> str | None:
    """The rate of storing with the relay to that without it, in the same run."""
    rows = [
        (f"({part}) to ({base})", _ratio(ratio, 2))
        for part, base in results.beside.items()
        if (ratio := ratios(results.measurements, part, base))
    ]
    return (
        table(("storing while events are published", "of the rate without"), rows) if rows else None
    )


def _meter(results: Results) -> str | None:
    """The rate of storing with metering to that without it, in the same run."""
    rows = [
        (f"({part}) to ({base})", _ratio(ratio, 2))
        for part, base in results.unmetered.items()
        if (ratio := ratios(results.measurements, part, base))
    ]
    return (
        table(("storing while traffic is metered", "of the rate without"), rows) if rows else None
    )


def _emergencies(summaries: Sequence[EmergencySummary]) -> str:
    head = (
        "part",
        "ms from the handset's send",
        "samples",
        "median",
        "p99",
        "longest",
        "p99 of ordinary's",
    )
    rows = []
    for summary in summaries:
        usual = summary.ordinary.p99
        waits = (
            ("to the ack of an ordinary report (evenly thinned)", summary.ordinary),
            ("to the ack of an emergency", summary.emergency),
            ("of an emergency to its receipt by a subscriber", summary.receipt),
        )
        rows += [(f"({summary.part})", what, *_quantiles(found, usual)) for what, found in waits]
    return table(head, rows)


def _quantiles(found: Quantiles | None, usual_ms: float) -> list[str]:
    if found is None:
        return [DASH] * 5
    waits = (found.median, found.p99, found.highest)
    return [f"{found.samples:,}", *(f"{ms:.1f}" for ms in waits), f"{found.p99 / usual_ms:.3f}"]


def _sizes(sizes: SizeTable) -> str:
    head = ("form", "unit", *_spread_head("whole"), *_spread_head("without the text"))
    rows = [
        (row.form, row.unit, *_spread(row.whole), *_spread(row.without_text)) for row in sizes.rows
    ]
    title = f"{sizes.texts} ({sizes.mean_characters:.1f} characters on average)"
    return f"{title}\n\n{table(head, rows)}"


def _connections(measured: Sequence[Connections]) -> str:
    head = (
        *("a connection, to the welcome", "bytes up", "bytes down", "around each message"),
        *("CPU ms of the gateway", "connections/s of one processor", "times the first"),
    )
    rows = [
        (
            each.kind,
            f"{each.bytes_up:,}",
            f"{each.bytes_down:,}",
            f"{each.bytes_per_message}",
            f"{each.milliseconds:.2f}",
            f"{1_000 / each.milliseconds:,.0f}" if each.milliseconds else DASH,
            f"{each.milliseconds / measured[0].milliseconds:.1f}"
            if measured[0].milliseconds
            else DASH,
        )
        for each in measured
    ]
    return table(head, rows)


def _spread_head(what: str) -> Iterator[str]:
    yield f"{what}: mean"
    yield from ("p50", "p95", "max")


def _spread(spread: Spread | None) -> list[str]:
    if spread is None:
        return [DASH] * 4
    return [f"{value:.1f}" for value in (spread.mean, spread.p50, spread.p95, spread.max)]


def _ratio(ratio: Ratio | None, digits: int) -> str:
    if ratio is None:
        return DASH
    low, high = f"{ratio.lowest:.{digits}f}", f"{ratio.highest:.{digits}f}"
    return f"{ratio.median:.{digits}f} ({low} to {high})"


def _number(value: float | None, digits: int) -> str:
    return DASH if value is None else f"{value:,.{digits}f}"
