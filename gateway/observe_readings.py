"""Reads back what this process has counted: what the page shows of its own speed."""

from typing import Final

import msgspec
from prometheus_client import REGISTRY

from gateway import observe

_STORED: Final = "gateway_stored_total"
_IN_FLIGHT: Final = "gateway_in_flight"
_ACKS: Final = "gateway_ack_seconds_bucket"

ACK_BOUNDS: Final = (*observe.SECONDS_BUCKETS, float("inf"))
"""Seconds: the upper bounds of `Readings.acks`."""


class Readings(msgspec.Struct, frozen=True):
    """Counts since the process began, both transports together."""

    stored: int
    """Reports and tracks."""
    in_flight: int
    """Received and not settled, now."""
    acks: tuple[int, ...]
    """Acked frames no slower than each of `ACK_BOUNDS`."""


def read() -> Readings:
    """The counts of now. Some 100 microseconds: only these three metrics are collected."""
    stored, in_flight = 0.0, 0.0
    acks = dict.fromkeys(ACK_BOUNDS, 0.0)
    for metric in REGISTRY.restricted_registry([_STORED, _IN_FLIGHT, _ACKS]).collect():
        for sample in metric.samples:
            if sample.name == _STORED:
                stored += sample.value
            elif sample.name == _IN_FLIGHT:
                in_flight += sample.value
            else:
                acks[float(sample.labels["le"])] += sample.value
    return Readings(int(stored), int(in_flight), tuple(int(count) for count in acks.values()))
