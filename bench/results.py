"""What was measured, and what follows from it. Pure."""

from collections.abc import Sequence
from math import ceil
from statistics import mean, median

import msgspec

from bench.connections import Connections
from bench.sizes import SizeTable


class Waits(msgspec.Struct, frozen=True, kw_only=True):
    """How long reports waited in one run, in milliseconds."""

    ordinary_ms: list[float]
    """From the handset's socket to the ack, thinned evenly."""
    emergency_ms: list[float]
    """The same of each emergency that was sent meanwhile."""
    receipt_ms: list[float]
    """To the receipt by a subscriber; empty when none listened."""


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one part."""

    part: str
    reports: int
    seconds: float
    cpu_seconds: dict[str, float]
    """By process: postgres, gateway or script, broker, generator."""
    batch_items: float | None = None
    """Mean reports in a transaction."""
    ack_ms: float | None = None
    """Mean time in the gateway, from a frame received to its ack."""
    duplicates: int = 0
    """Sent again, mostly by the broker."""
    rss_ready_bytes: int | None = None
    """Of the gateway, before the first report."""
    rss_peak_bytes: int | None = None
    bytes_up_per_report: float | None = None
    bytes_down_per_report: float | None = None
    waits: Waits | None = None
    """Where emergencies were sent beside the others."""

    @property
    def rate(self) -> float:
        """Reports a second."""
        return self.reports / self.seconds


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the bench."""

    machine: dict[str, str]
    settings: dict[str, str]
    memory_bound_bytes: int
    """What the gateway may take above its memory at the start, see `bench.memory`."""
    titles: dict[str, str]
    """What each part is, by its name."""
    beside: dict[str, str] = {}
    """Parts that are another one with something more, and which one."""
    unmetered: dict[str, str] = {}
    """Parts that have one like them without metering, and which one."""
    measurements: list[Measurement]
    """In the order in which they were made."""
    sizes: list[SizeTable]
    connections: list[Connections] = []


class Ratio(msgspec.Struct, frozen=True):
    """A ratio of rates measured in several rounds."""

    median: float
    lowest: float
    highest: float


class Summary(msgspec.Struct, frozen=True):
    """One part over all rounds."""

    part: str
    reports: int
    median_rate: float
    lowest_rate: float
    highest_rate: float
    to_ceiling: Ratio | None
    to_raw_ceiling: Ratio | None
    to_script: Ratio | None
    cpu_ms_per_report: dict[str, float]
    batch_items: float | None
    ack_ms: float | None
    rss_growth_bytes: int | None
    """The largest of all rounds."""
    rss_peak_bytes: int | None


class Quantiles(msgspec.Struct, frozen=True):
    """Of the waits of all rounds of a part, in milliseconds."""

    samples: int
    median: float
    p99: float
    highest: float


class EmergencySummary(msgspec.Struct, frozen=True):
    """Emergencies beside the ordinary reports of the same runs."""

    part: str
    ordinary: Quantiles
    emergency: Quantiles
    receipt: Quantiles | None


CEILING = "a"
RAW_CEILING = "a-raw"
SCRIPT = "b"


def summarize(measurements: Sequence[Measurement]) -> list[Summary]:
    """All parts, by name."""
    names = sorted({measurement.part for measurement in measurements})
    return [_summary(name, measurements) for name in names]


def ratios(measurements: Sequence[Measurement], part: str, base: str) -> Ratio | None:
    """A part's rate to that of `base`, which stands for the machine at that moment: the mean of
    the nearest run of `base` before and the nearest after. None where one was not measured.
    """
    found = []
    for place, measurement in enumerate(measurements):
        if measurement.part == part:
            before = [m.rate for m in measurements[:place] if m.part == base][-1:]
            after = [m.rate for m in measurements[place + 1 :] if m.part == base][:1]
            if before or after:
                found.append(measurement.rate / mean(before + after))
    return Ratio(median(found), min(found), max(found)) if found else None


def summarize_emergencies(measurements: Sequence[Measurement]) -> list[EmergencySummary]:
    """Of the parts that have some, by name; waits of all rounds together."""
    by_part: dict[str, list[Waits]] = {}
    for measurement in measurements:
        if measurement.waits is not None:
            by_part.setdefault(measurement.part, []).append(measurement.waits)
    return [
        EmergencySummary(
            part,
            quantiles([ms for one in waits for ms in one.ordinary_ms]),
            quantiles([ms for one in waits for ms in one.emergency_ms]),
            quantiles(receipts) if (receipts := [t for w in waits for t in w.receipt_ms]) else None,
        )
        for part, waits in sorted(by_part.items())
    ]


def quantiles(values: Sequence[float]) -> Quantiles:
    """By nearest rank: each is a value that was measured."""
    ordered = sorted(values)
    median_ms, p99_ms = (ordered[ceil(share * len(ordered)) - 1] for share in (0.5, 0.99))
    return Quantiles(len(ordered), median_ms, p99_ms, ordered[-1])


def _summary(part: str, measurements: Sequence[Measurement]) -> Summary:
    own = [measurement for measurement in measurements if measurement.part == part]
    rates = [measurement.rate for measurement in own]
    return Summary(
        part=part,
        reports=own[0].reports,
        median_rate=median(rates),
        lowest_rate=min(rates),
        highest_rate=max(rates),
        to_ceiling=ratios(measurements, part, CEILING) if part != CEILING else None,
        to_raw_ceiling=ratios(measurements, part, RAW_CEILING) if part != RAW_CEILING else None,
        to_script=ratios(measurements, part, SCRIPT) if part != SCRIPT else None,
        cpu_ms_per_report={
            name: median(m.cpu_seconds[name] / m.reports for m in own) * 1_000
            for name in own[0].cpu_seconds
        },
        batch_items=_median([m.batch_items for m in own]),
        ack_ms=_median([m.ack_ms for m in own]),
        rss_growth_bytes=_most([_growth(m) for m in own]),
        rss_peak_bytes=_most([m.rss_peak_bytes for m in own]),
    )


def _growth(measurement: Measurement) -> int | None:
    if measurement.rss_peak_bytes is None or measurement.rss_ready_bytes is None:
        return None
    return measurement.rss_peak_bytes - measurement.rss_ready_bytes


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _most(values: Sequence[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)
