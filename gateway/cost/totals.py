"""What was metered, all together."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

import msgspec

from gateway.cost.cards import segments_down, segments_up
from gateway.cost.usage import Usage

_TENTH: Final = Decimal("0.1")


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """What was metered, all together."""

    devices: int
    """That were heard of at all."""
    reports: int
    tasks: int
    answers: int
    connections: int
    bytes_up: int
    bytes_down: int
    idle_bytes: int
    """Of these what was calculated and not metered: see `played`."""
    bytes_per_report: Decimal | None
    """Both directions together, everything included, to a tenth; None without reports."""
    sms_segments_up: int
    sms_segments_down: int


def sum_up(usages: Sequence[Usage]) -> Totals:
    """Add up."""
    traffics = [usage.traffic for usage in usages]
    messages = [usage.sms for usage in usages]
    bytes_up = sum(traffic.bytes_up for traffic in traffics)
    bytes_down = sum(traffic.bytes_down for traffic in traffics)
    reports = sum(sms.reports for sms in messages)
    return Totals(
        devices=len({usage.device for usage in usages}),
        reports=reports,
        tasks=sum(sms.tasks for sms in messages),
        answers=sum(sms.answers for sms in messages),
        connections=sum(traffic.connections for traffic in traffics),
        bytes_up=bytes_up,
        bytes_down=bytes_down,
        idle_bytes=sum(usage.idle_bytes for usage in usages),
        bytes_per_report=ratio(Decimal(bytes_up + bytes_down), Decimal(reports), _TENTH),
        sms_segments_up=sum(map(segments_up, usages)),
        sms_segments_down=sum(map(segments_down, usages)),
    )


def ratio(part: Decimal, whole: Decimal, step: Decimal) -> Decimal | None:
    """Part of whole, half a step rounded up; None where there is no whole."""
    return (part / whole).quantize(step, ROUND_HALF_UP) if whole else None
