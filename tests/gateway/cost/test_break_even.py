"""A standing connection beside one for each report."""

import pytest

from gateway.cost.break_even import break_even
from gateway.cost.idle import HEADER_BYTES, HEADER_BYTES_PLAIN


@pytest.mark.parametrize(
    "header, each, standing, reports", [(HEADER_BYTES, 700, 17_872, 26), (40, 560, 13_916, 25)]
)
def test_by_hand(header: int, each: int, standing: int, reports: int) -> None:
    """Standing costs a connection and heartbeats. 17,872 / 700 = 25.53, so it pays from 26 on;
    13,916 / 560 = 24.85, so from 25 on.
    """
    result = break_even(header)
    assert (result.connection_bytes, result.standing_bytes) == (each, standing)
    assert result.reports == reports
    assert (result.shift_hours, result.heartbeat_seconds) == (8, 270)


@pytest.mark.parametrize("header", [HEADER_BYTES, HEADER_BYTES_PLAIN])
def test_the_edge(header: int) -> None:
    """At the figure standing is cheaper, one report below it is not."""
    result = break_even(header)
    assert result.reports * result.connection_bytes > result.standing_bytes
    assert (result.reports - 1) * result.connection_bytes <= result.standing_bytes
