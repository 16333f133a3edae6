"""Medians and ratios."""

from typing import Any

import pytest

from bench.results import (
    Measurement,
    Quantiles,
    Waits,
    quantiles,
    ratios,
    summarize,
    summarize_emergencies,
)


def measured(part: str, rate: float, **more: Any) -> Measurement:
    """A part that stored 1,000 reports at a rate."""
    cpu = {"gateway": 0.5, "postgres": 0.1}
    return Measurement(part=part, reports=1_000, seconds=1_000 / rate, cpu_seconds=cpu, **more)


def test_a_ratio_is_to_the_neighbours() -> None:
    """The base before and the base after, so that a slow minute does not count."""
    series = [measured(*pair) for pair in (("a", 100), ("c", 50), ("a", 50), ("c", 20), ("a", 30))]
    found = ratios(series, "c", "a")
    assert found is not None
    assert found.highest == pytest.approx(50 / 75)
    assert found.lowest == pytest.approx(20 / 40)
    assert found.median == pytest.approx((50 / 75 + 20 / 40) / 2)


def test_a_ratio_with_one_neighbour() -> None:
    """The first and the last have one side only."""
    found = ratios([measured("e", 40), measured("b", 10)], "e", "b")
    assert found is not None
    assert found.median == pytest.approx(4)


def test_no_ratio_without_its_base() -> None:
    """Nothing is compared with what was not measured."""
    assert ratios([measured("c", 40)], "c", "a") is None


def test_a_summary() -> None:
    """Median rate and extremes, processor time a report, the largest growth of memory."""
    memory = {"rss_ready_bytes": 100}
    series = [
        measured("d", 10, rss_peak_bytes=150, **memory),
        measured("d", 30, rss_peak_bytes=170, **memory),
        measured("d", 20, rss_peak_bytes=160, **memory),
    ]
    (found,) = summarize(series)
    assert (found.median_rate, found.lowest_rate, found.highest_rate) == pytest.approx((20, 10, 30))
    assert found.cpu_ms_per_report == pytest.approx({"gateway": 0.5, "postgres": 0.1})
    assert (found.rss_growth_bytes, found.rss_peak_bytes) == (70, 170)
    assert found.to_ceiling is None


def test_quantiles_are_values_that_were_measured() -> None:
    """By nearest rank, for few and for many."""
    assert quantiles([7.0]) == Quantiles(1, 7, 7, 7)
    assert quantiles([float(n) for n in range(200, 0, -1)]) == Quantiles(200, 100, 198, 200)


def test_emergencies_of_all_rounds_together() -> None:
    """Only of parts that have some; receipts only where somebody listened."""
    waits = Waits(ordinary_ms=[10.0], emergency_ms=[1.0, 2.0], receipt_ms=[])
    heard = Waits(ordinary_ms=[20.0], emergency_ms=[3.0], receipt_ms=[5.0])
    series = [measured("c", 1), measured("x", 1, waits=waits), measured("x", 1, waits=waits)]
    (alone,) = summarize_emergencies(series)
    assert (alone.part, alone.ordinary, alone.receipt) == ("x", Quantiles(2, 10, 10, 10), None)
    assert alone.emergency == Quantiles(4, 1, 2, 2)
    both = summarize_emergencies([*series, measured("x", 1, waits=heard)])
    assert both[0].receipt == Quantiles(1, 5, 5, 5)
