"""A simulation plays months in minutes. Here its usage becomes that of the months it stands for.

What each device did is spread evenly over the days, and nothing falls into the night. The
simulation had no time for what a link carries while nothing is reported: for each shift one
connection and its heartbeats are calculated and added. That inspectors work five days in seven is
an assumption [A]. A device over MQTT gets the same: its heartbeat is a byte shorter, its greeting
longer.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Final, TypeVar

import msgspec

from gateway.cost.allot import spread
from gateway.cost.idle import connection_bytes, heartbeats_bytes
from gateway.cost.period import Period
from gateway.cost.usage import KIB, OldMessages, Traffic, Usage

SHIFTS_PER_WEEK: Final = 5
DAYS_PER_WEEK: Final = 7

_Link = tuple[int, str | None, int | None]
"""Device, transport and street."""
_Counts = TypeVar("_Counts", Traffic, OldMessages)


def play(usages: Sequence[Usage], period: Period, *, daily: bool) -> list[Usage]:
    """The usage as if spread over the days of a period.

    Args:
        usages: What was metered.
        period: The days that the simulation stands for.
        daily: One for each day; else one for each month, dated its first day, with the same sums.
    """
    weights = dict.fromkeys(period.days(), 1) if daily else period.months()
    totals = _by_link(usages)
    for key in _standing(totals):
        totals[key] = _with_idle(totals[key], count_shifts(period))
    return [part for total in totals.values() for part in _spread(total, weights)]


def count_shifts(period: Period) -> int:
    """Shifts of one inspector, a begun one counted whole."""
    return -(-period.count_days() * SHIFTS_PER_WEEK // DAYS_PER_WEEK)


def _by_link(usages: Iterable[Usage]) -> dict[_Link, Usage]:
    """What each device did over each transport."""
    links: dict[_Link, list[Usage]] = {}
    for usage in usages:
        links.setdefault((usage.device, usage.transport, usage.street), []).append(usage)
    return {
        link: msgspec.structs.replace(
            own[0],
            traffic=Traffic(*_sums(usage.traffic for usage in own)),
            sms=OldMessages(*_sums(usage.sms for usage in own)),
        )
        for link, own in links.items()
    }


def _sums(structs: Iterable[Traffic | OldMessages]) -> Iterator[int]:
    return map(sum, zip(*map(msgspec.structs.astuple, structs), strict=True))


def _standing(totals: Mapping[_Link, Usage]) -> Iterable[_Link]:
    """Of each device the link that carried most: the one that stands all shift."""
    chosen: dict[int, tuple[int, _Link]] = {}
    for link, total in totals.items():
        carried = total.traffic.bytes_up + total.traffic.bytes_down
        if carried > chosen.get(total.device, (0,))[0]:
            chosen[total.device] = (carried, link)
    return [link for _, link in chosen.values()]


def _with_idle(total: Usage, shifts: int) -> Usage:
    """A connection and its heartbeats for each shift on top."""
    traffic, connection, heartbeats = total.traffic, connection_bytes(), heartbeats_bytes()
    bytes_up = traffic.bytes_up + shifts * (connection.up + heartbeats.up)
    bytes_down = traffic.bytes_down + shifts * (connection.down + heartbeats.down)
    session = -(-(bytes_up + bytes_down) // shifts)
    return msgspec.structs.replace(
        total,
        idle_bytes=shifts * (connection.both + heartbeats.both),
        traffic=Traffic(
            bytes_up=bytes_up,
            bytes_down=bytes_down,
            # One session a shift, each begun KiB of it, unless more were begun as it was played.
            kib=max(shifts * -(-session // KIB), traffic.kib),
            connections=traffic.connections + shifts,
        ),
    )


def _spread(total: Usage, weights: Mapping[date, int]) -> Iterator[Usage]:
    """A part for each day or month; they add up to the whole exactly."""
    shares = list(weights.values())
    at_night = msgspec.structs.replace(total.traffic, night_bytes=0, night_kib=0)
    columns = (
        _parts(Traffic, at_night, shares),
        _parts(OldMessages, total.sms, shares),
        spread(total.idle_bytes, shares),
    )
    for day, traffic, sms, idle_bytes in zip(weights, *columns, strict=True):
        yield Usage(day, total.device, total.transport, total.street, traffic, sms, idle_bytes)


def _parts(kind: type[_Counts], whole: _Counts, weights: Sequence[int]) -> Iterator[_Counts]:
    """A struct of counts divided field by field."""
    values: tuple[int, ...] = msgspec.structs.astuple(whole)
    return (kind(*counts) for counts in zip(*(spread(v, weights) for v in values), strict=True))
