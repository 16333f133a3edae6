"""Traffic on its way into the database: sums by day in China, device and transport. Pure."""

from datetime import date, datetime
from typing import Final

import msgspec

from gateway.cost.china import CHINA_TIME
from gateway.cost.usage import KIB
from gateway.parcel import Transport

MAX_ROWS: Final = 100_000
"""Sums that may wait for the database: each device of a large city, for two days without a
database. Some 40 MB."""

NIGHT_BEGINS: Final = 23
NIGHT_ENDS: Final = 7
"""Hours in China."""

Key = tuple[date, int, str]
"""Day, device, transport. Rows sorted by it are locked by all gateways in one order."""

Row = tuple[date, int, str, int, int, int, int, int, int]
"""The key, bytes up, bytes down, night bytes, KiB, night KiB, connections."""


class Moment(msgspec.Struct, frozen=True):
    """When something was read, as it matters to a bill."""

    day: date
    is_night: bool


class Sum(msgspec.Struct, gc=False):
    """What is to be added to one row."""

    bytes_up: int = 0
    bytes_down: int = 0
    night_bytes: int = 0
    kib: int = 0
    night_kib: int = 0
    connections: int = 0


class TrafficAccount:
    """Adds up."""

    def __init__(self, most_rows: int = MAX_ROWS) -> None:
        self._most_rows = most_rows
        self._sums: dict[Key, Sum] = {}

    def __len__(self) -> int:
        """How many sums wait."""
        return len(self._sums)

    def add(
        self,
        device_id: int,
        transport: Transport,
        moment: Moment,
        *,
        up: int = 0,
        down: int = 0,
        kib: int = 0,
        connections: int = 0,
    ) -> bool:
        """Add what a connection carried; bytes and KiB since it was read last. False: there is no
        room for another sum, and it is not counted.
        """
        key = (moment.day, device_id, transport.value)
        found = self._sums.get(key)
        if found is None:
            if len(self._sums) >= self._most_rows:
                return False
            found = self._sums[key] = Sum()
        found.bytes_up += up
        found.bytes_down += down
        found.kib += kib
        found.connections += connections
        if moment.is_night:
            found.night_bytes += up + down
            found.night_kib += kib
        return True

    def take(self) -> list[Row]:
        """All sums, sorted by key; the account is empty then."""
        sums, self._sums = self._sums, {}
        return [
            (
                *key,
                one.bytes_up,
                one.bytes_down,
                one.night_bytes,
                one.kib,
                one.night_kib,
                one.connections,
            )
            for key, one in sorted(sums.items())
        ]


def moment_of(unix_time: float) -> Moment:
    """Day and night in China."""
    there = datetime.fromtimestamp(unix_time, CHINA_TIME)
    return Moment(there.date(), there.hour >= NIGHT_BEGINS or there.hour < NIGHT_ENDS)


def kib_begun(total_bytes: int) -> int:
    """Of one connection, both directions together."""
    return -(-total_bytes // KIB)
