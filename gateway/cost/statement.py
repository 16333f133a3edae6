"""The bill: what the metered traffic costs under each tariff, beside the same work by SMS."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Literal

import msgspec

from gateway.cost.tariff import Tariff
from gateway.cost.usage import Usage

GroupBy = Literal["street", "device", "transport", "day"]


class Period(msgspec.Struct, frozen=True):
    """Whole days, China time; both ends belong to it."""

    first: date
    last: date


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One tariff."""

    tariff: str
    """Its id."""
    name: str
    currency: str
    assumption: bool
    is_sms: bool
    cost: Decimal
    """Of the period, to the cent."""
    per_report: Decimal | None
    """To a hundredth of a cent; None without reports."""
    a_year: Decimal
    """What a year like this period would cost."""
    saving: Decimal | None
    """Against the first SMS tariff, in the period; None where there is none in this currency."""
    saving_a_year: Decimal | None
    saving_percent: Decimal | None
    """To a tenth; None where SMS would have cost nothing."""


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """What was metered, all together."""

    devices: int
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


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A street, device, transport or day."""

    key: str
    """Code, number, name or date; empty where nothing is known."""
    totals: Totals
    costs: dict[str, Decimal]
    """By tariff; over all groups they add up to the line's cost."""


class BreakEven(msgspec.Struct, frozen=True, kw_only=True):
    """A standing connection with heartbeats beside a connection for each report, in a shift."""

    shift_hours: int
    heartbeat_seconds: int
    standing_bytes: int
    """What standing costs in a shift, without any report: one connection and its heartbeats."""
    connection_bytes: int
    """What each further connection costs: connecting, greeting, leaving."""
    reports: int
    """From so many reports a shift the standing connection is cheaper."""


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """The whole bill."""

    period: Period
    days: int
    played_as: Period | None
    """The period that a simulation stands for; its days are billed then."""
    totals: Totals
    lines: list[Line]
    groups: list[Group]
    break_even: BreakEven


def make_statement(
    usages: Sequence[Usage],
    period: Period,
    tariffs: Sequence[Tariff],
    *,
    by: GroupBy | None = None,
    played_as: Period | None = None,
) -> Statement:
    """Bill what was metered in a period.

    Args:
        usages: At most one for each day, device and transport.
        period: The days that they are taken from.
        tariffs: What to bill them under. Savings are against the first one for SMS.
        by: How to divide the result.
        played_as: For a simulation, which plays months in a minute: bill the traffic as if spread
            evenly over these days, and add the calculated heartbeats of standing connections, for
            which the simulation had no time.
    """
    raise NotImplementedError
