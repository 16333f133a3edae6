"""The tables."""

from bench.results import Measurement, Results, Waits
from bench.tables import render, table


def test_numbers_stand_to_the_right() -> None:
    """Also bold ones and missing ones."""
    text = table(("part", "rate", "ratio"), [("(a)", "**1,000**", "–")])
    assert text.splitlines()[1] == "| --- | ---: | ---: |"


def test_what_was_not_measured_is_a_dash() -> None:
    """A single part has a rate and its costs, and no ratio."""
    measurement = Measurement(part="c", reports=1_000, seconds=0.1, cpu_seconds={"gateway": 0.05})
    results = Results(
        machine={"machine": "two processors"},
        settings={"rows": "few"},
        memory_bound_bytes=1_048_576,
        titles={"c": "the gateway"},
        measurements=[measurement],
        sizes=[],
    )
    lines = render(results).splitlines()
    assert "| (c) | the gateway | 1,000 | **10,000** | 10,000 to 10,000 |" + " – |" * 5 in lines
    assert "| (c) | 0.050 | – | – | – | – | 0.050 | 0.5 |" in lines
    assert "No gateway was measured." in lines


def test_emergencies_stand_beside_the_ordinary() -> None:
    """With the ratio that the aim is about."""
    waits = Waits(ordinary_ms=[100.0, 200.0], emergency_ms=[5.0, 10.0], receipt_ms=[])
    measurement = Measurement(
        part="emergency", reports=2, seconds=1, cpu_seconds={"gateway": 0.05}, waits=waits
    )
    results = Results(
        machine={},
        settings={},
        memory_bound_bytes=1,
        titles={"emergency": "both"},
        measurements=[measurement],
        sizes=[],
    )
    lines = render(results).splitlines()
    row = "| (emergency) | to the ack of an emergency | 2 | 5.0 | 10.0 | 10.0 | 0.050 |"
    assert row in lines
    assert sum(line.endswith("| – | – | – | – | – |") for line in lines) == 2


def test_the_price_of_metering() -> None:
    """A part beside the same one unmetered, when both were measured."""
    measurements = [
        Measurement(part=part, reports=reports, seconds=1, cpu_seconds={"gateway": 0.05})
        for part, reports in (("c", 970), ("c-unmetered", 1_000))
    ]
    results = Results(
        machine={},
        settings={},
        memory_bound_bytes=1,
        titles={"c": "metered", "c-unmetered": "not"},
        unmetered={"c": "c-unmetered", "d": "d-unmetered"},
        measurements=measurements,
        sizes=[],
    )
    lines = render(results).splitlines()
    assert "| (c) to (c-unmetered) | 0.97 (0.97 to 0.97) |" in lines
    assert not any("d-unmetered" in line for line in lines)
