"""Bytes per report: the wire's two forms beside JSON and SMS. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import cycle
from typing import Final

import msgspec

from bench.json_form import json_bytes
from gateway.cost.old_texts import OldTexts, Templates
from gateway.cost.sms import segment_text
from gateway.protocol.framing import encode_frame
from gateway.protocol.messages import encode
from gateway.protocol.report import Report
from gateway.protocol.tables import Edition
from gateway.protocol.wire_report import pack_backlog, pack_report

BACKLOG_SIZES: Final = (1, 10, 32, 100)
"""From a report that finds the link just back to a morning without one."""


class Spread(msgspec.Struct, frozen=True):
    """A distribution in five numbers."""

    count: int
    mean: float
    p50: float
    p95: float
    max: float


class SizeRow(msgspec.Struct, frozen=True):
    """One form of the reports: what it costs whole, and without the descriptions."""

    form: str
    unit: str
    whole: Spread
    without_text: Spread | None
    """None where the texts cannot be taken out."""


class SizeTable(msgspec.Struct, frozen=True):
    """All forms of one kind of texts."""

    texts: str
    mean_characters: float
    rows: list[SizeRow]


def spread(values: Iterable[float]) -> Spread:
    """The distribution of at least one value; percentiles by nearest rank."""
    ordered = sorted(values)
    count = len(ordered)

    def rank(percent: int) -> float:
        return ordered[max(-(-count * percent // 100) - 1, 0)]

    return Spread(count, sum(ordered) / count, rank(50), rank(95), ordered[-1])


def size_table(
    texts: str,
    devices: Sequence[Sequence[Report]],
    edition: Edition,
    backlog_sizes: Iterable[int] = BACKLOG_SIZES,
) -> SizeTable:
    """Measure every form.

    Args:
        texts: What the descriptions are, for the heading.
        devices: The reports of each device, in order of their consecutive numbers.
        edition: The edition of the code tables that all were written with.
        backlog_sizes: Reports in a backlog. One that no device has so many reports for is left out.
    """
    reports = [report for own in devices for report in own]
    bare = [list(map(_without_text, own)) for own in devices]
    bare_reports = [report for own in bare for report in own]
    rows = [
        SizeRow(
            form,
            "bytes",
            spread(single_bytes(report, edition) for report in reports if counts(report)),
            spread(single_bytes(report, edition) for report in bare_reports if counts(report)),
        )
        for form, counts in (("single", _any), ("single, no component identity", _no_component))
    ]
    rows += [
        SizeRow(
            f"backlog of {size}",
            "bytes",
            spread(_backlog_bytes(devices, size, edition)),
            spread(_backlog_bytes(bare, size, edition)),
        )
        for size in backlog_sizes
        if any(len(own) >= size for own in devices)
    ]
    old_texts = OldTexts(Templates())
    messages = [segment_text(old_texts.report_text(report)) for report in reports]
    rows += [
        SizeRow(
            "compact JSON",
            "bytes",
            spread(len(json_bytes(report)) for report in reports),
            spread(len(json_bytes(report)) for report in bare_reports),
        ),
        SizeRow("SMS", "octets", spread(message.octets for message in messages), None),
        SizeRow("SMS", "segments", spread(message.segments for message in messages), None),
    ]
    characters = sum(len(report.description) for report in reports)
    return SizeTable(texts, characters / len(reports), rows)


def single_bytes(report: Report, edition: Edition) -> int:
    """A report alone, with its length prefix."""
    return len(encode_frame(encode(pack_report(report, edition))))


def with_texts(devices: Sequence[Sequence[Report]], texts: Sequence[str]) -> list[list[Report]]:
    """The same reports with other descriptions, in turn."""
    source = cycle(texts)
    return [
        [msgspec.structs.replace(report, description=next(source)) for report in own]
        for own in devices
    ]


def chunks(reports: Sequence[Report], size: int) -> Iterator[Sequence[Report]]:
    """Backlogs of exactly `size` reports; what is left over at the end is not measured."""
    for begin in range(0, len(reports) - size + 1, size):
        yield reports[begin : begin + size]


def _backlog_bytes(
    devices: Sequence[Sequence[Report]], size: int, edition: Edition
) -> Iterator[float]:
    """Bytes per report of each backlog."""
    for own in devices:
        for part in chunks(own, size):
            yield len(encode_frame(encode(pack_backlog(part, edition)))) / size


def _any(_report: Report) -> bool:
    return True


def _no_component(report: Report) -> bool:
    return report.component is None


def _without_text(report: Report) -> Report:
    return msgspec.structs.replace(report, description="")
