"""Medians and ratios."""

import pytest

from bench.results import Measurement, ratios, summarize


def measured(part: str, rate: float, **more: int) -> Measurement:
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
