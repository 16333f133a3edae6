"""The flood run for real, shortly: nobody honest stays outside or without an ack.

How long the honest wait is measured by `make flood`, not here.
"""

from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.flood.__main__ import main, measure
from bench.flood.attacks import FLOODS


@pytest.mark.slow
@pytest.mark.parametrize("name", ["half-open", "largest-frames"])
def test_the_honest_are_served_meanwhile(place: Path, name: str) -> None:
    """Reports are acked and newcomers welcomed during a flood from outside and one from inside, in
    bounded memory.
    """
    (phase,) = measure([name], 2.0, 1, place / "flood")
    assert phase.attack.connections
    assert phase.flooded.ack_ms
    faults = [fault for fault in phase.faults() if "p99 to the ack" not in fault]
    assert faults == []


def test_help_teaches() -> None:
    """What is measured, and when the exit code is 1."""
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    assert "five times" in result.output
    assert all(name in result.output for name in FLOODS)
