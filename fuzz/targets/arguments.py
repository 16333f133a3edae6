"""Texts of command lines: days, periods, moments, addresses and speeds."""

import math

import click

from device_sim.options import AddressType, SpeedType
from gateway.cost.period import MAX_PLAYED_DAYS, parse_period
from gateway.cost_command import Day, Days
from gateway.events_command import Moment

_MAX_PORT = 2**16 - 1
_TYPES = (Day(), Days(), Moment(), AddressType(), SpeedType())


def check(data: bytes) -> None:
    """A value, or an error that says what is wrong; never anything else."""
    text = data.decode("utf-8", "surrogateescape")
    for kind in _TYPES:
        try:
            value = kind.convert(text, None, None)
        except click.BadParameter as error:
            assert error.message
            continue
        if isinstance(value, tuple):
            assert value[0]
            assert 0 < value[1] <= _MAX_PORT
        elif isinstance(value, float):
            assert value > 0
            assert not math.isnan(value)
    _check_period(text)


def _check_period(text: str) -> None:
    try:
        period = parse_period(text)
    except ValueError:
        return
    assert 1 <= period.count_days() <= MAX_PLAYED_DAYS
    assert sum(period.months().values()) == period.count_days()
    assert parse_period(f"{period.first}/{period.last}") == period
